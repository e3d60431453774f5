// An executor for tests whose clock jumps: timers fire when nothing else is left to do, in order,
// at once.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "io/executor.h"

namespace cairn::store::testing {

class VirtualExecutor : public io::Executor {
 public:
  void post(std::move_only_function<void()> work) override {
    std::lock_guard lock(mutex_);
    queue_.emplace(std::pair{now_, sequence_++}, std::move(work));
  }
  void post_at(io::Instant when, std::move_only_function<void()> work) override {
    std::lock_guard lock(mutex_);
    queue_.emplace(std::pair{std::max(when, now_), sequence_++}, std::move(work));
  }
  io::Instant now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }

  // Runs `task` to its end and returns what it did; everything else runs along. Fails the process
  // if it never ends.
  template <class T>
  T run(io::Task<T> task) {
    struct Run {
      static io::Task<void> go(io::Task<T> work, std::optional<T>* result) {
        result->emplace(co_await std::move(work));
      }
    };
    std::optional<T> result;
    io::spawn(*this, Run::go(std::move(task), &result));
    while (!result) CAIRN_ASSERT(step());
    return std::move(*result);
  }
  // Runs until nothing is left: what hangs has come back then.
  void drain() {
    while (step()) {
    }
  }

 private:
  bool step() {
    std::move_only_function<void()> work;
    {
      std::lock_guard lock(mutex_);
      if (queue_.empty()) return false;
      const auto first = queue_.begin();
      now_ = std::max(now_, first->first.first);
      work = std::move(first->second);
      queue_.erase(first);
    }
    Running running(*this);
    work();
    return true;
  }

  mutable std::mutex mutex_;
  io::Instant now_{};
  std::uint64_t sequence_ = 0;
  std::map<std::pair<io::Instant, std::uint64_t>, std::move_only_function<void()>> queue_;
};

}  // namespace cairn::store::testing
