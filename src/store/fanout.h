// Asking several drives at once and waiting for enough of them.
//
// Deadlines: one table of everyone who waits, looked through by one ticking coroutine. A wait that
// ends early leaves the table at once, so that no timers pile up behind fast operations.
// Thread-safe. Fanout: calls start where start() is called, run on the executor that made the
// Fanout, and outlive it: a call that answers too late finds nobody. One waiter. Everything a call
// touches it owns.
#pragma once

#include <array>
#include <atomic>
#include <coroutine>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "base/assert.h"
#include "io/executor.h"
#include "io/sync.h"

namespace cairn::store {

class Deadlines {
 public:
  // Someone who waits. expired() runs on `home` after the deadline passed, if the wait `number` was
  // still listed.
  class Sleeper : public std::enable_shared_from_this<Sleeper> {
   public:
    virtual ~Sleeper() = default;
    virtual void expired(std::uint64_t number) = 0;

   private:
    friend class Deadlines;
    io::Executor* home_ = nullptr;
    io::Instant when_{};
    std::uint64_t number_ = 0;
    bool listed_ = false;
    std::size_t shard_ = 0;
    std::list<std::shared_ptr<Sleeper>>::iterator at_{};
  };

  // REQUIRES: the sleeper is not listed.
  void add(Sleeper& sleeper, io::Executor& home, io::Instant when, std::uint64_t number);
  // No effect when it expired meanwhile.
  void remove(Sleeper& sleeper);
  // Ticks until stop(). Run once, detached.
  io::Task<void> run();
  // After it, deadlines pass unnoticed: everything that waits has ended before.
  void stop() { stopping_.store(true); }

 private:
  static constexpr std::size_t kShards = 16;
  static constexpr io::Duration kTick = std::chrono::milliseconds(10);
  struct Shard {
    std::mutex mutex;
    std::list<std::shared_ptr<Sleeper>> sleepers;
  };
  void expire(Shard& shard, io::Instant now);

  std::array<Shard, kShards> shards_{};
  std::atomic<std::size_t> next_shard_{0};
  std::atomic<std::int64_t> listed_{0};
  std::atomic<bool> stopping_{false};
};

// Runs a task on its own, from here and now: no hop to the executor's queue before its first
// suspension.
struct Eager {
  struct promise_type {
    Eager get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};
inline Eager run_now(io::Task<void> task) {
  co_await std::move(task);
}

template <class T>
class Fanout {
 public:
  struct Answer {
    unsigned slot;
    T value;
  };

  explicit Fanout(Deadlines& deadlines) : state_(std::make_shared<State>(deadlines)) {}

  void start(unsigned slot, io::Task<T> call) {
    CAIRN_ASSERT(slot < 64);
    state_->started |= std::uint64_t{1} << slot;
    ++count_;
    run(state_, slot, std::move(call));
  }
  std::size_t started() const { return count_; }
  std::size_t arrived() const { return state_->answers.size(); }
  // Slots that were asked and have not answered.
  std::uint64_t silent() const { return state_->started & ~state_->answered; }
  std::vector<Answer>& answers() { return state_->answers; }

  // Suspends until `count` answers (or all that can come) have arrived or the deadline has passed;
  // true: they have.
  auto wait(std::size_t count, io::Instant deadline) {
    struct Awaiter {
      std::shared_ptr<State> state;
      std::size_t count;
      io::Instant deadline;
      bool await_ready() const { return state->answers.size() >= count; }
      void await_suspend(std::coroutine_handle<> waiter) {
        CAIRN_ASSERT(!state->waiter);
        CAIRN_ASSERT(io::Executor::current_or_null() == state->home);
        state->waiter = waiter;
        state->want = count;
        state->deadlines.add(*state, *state->home, deadline, ++state->number);
      }
      bool await_resume() const { return state->answers.size() >= count; }
    };
    return Awaiter{state_, std::min(count, count_), deadline};
  }

 private:
  struct State final : Deadlines::Sleeper {
    explicit State(Deadlines& d) : deadlines(d), home(&io::Executor::current()) {}
    void expired(std::uint64_t at) override {
      if (at == number && waiter) std::exchange(waiter, {}).resume();
    }
    void arrive(unsigned slot, T value) {
      answered |= std::uint64_t{1} << slot;
      answers.push_back({slot, std::move(value)});
      if (!waiter || answers.size() < want) return;
      deadlines.remove(*this);
      std::exchange(waiter, {}).resume();
    }
    Deadlines& deadlines;
    io::Executor* home;
    std::coroutine_handle<> waiter{};
    std::size_t want = 0;
    std::uint64_t number = 0;
    std::uint64_t started = 0, answered = 0;
    std::vector<Answer> answers{};
  };
  static Eager run(std::shared_ptr<State> state, unsigned slot, io::Task<T> call) {
    T value = co_await std::move(call);
    co_await io::resume_on(*state->home);
    state->arrive(slot, std::move(value));
  }

  std::shared_ptr<State> state_;
  std::size_t count_ = 0;
};

}  // namespace cairn::store
