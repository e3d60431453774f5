#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/assert.h"
#include "io/reactor.h"

namespace cairn::io {
namespace {

class ThreadPool final : public BlockingPool {
 public:
  explicit ThreadPool(std::size_t threads) {
    CAIRN_ASSERT(threads > 0);
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
  }
  // Finishes what was submitted: somebody awaits it.
  ~ThreadPool() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  void submit(std::move_only_function<void()> work) override {
    {
      std::lock_guard lock(mutex_);
      CAIRN_ASSERT(!stopping_);
      queue_.push_back(std::move(work));
    }
    wake_.notify_one();
  }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      {
        auto work = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        work();
      }  // what the work captured is destroyed without the lock
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                              // guarded by mutex_
  std::vector<std::thread> threads_;
};

class InlinePool final : public BlockingPool {
 public:
  void submit(std::move_only_function<void()> work) override { work(); }
};

}  // namespace

std::unique_ptr<BlockingPool> make_blocking_pool(std::size_t threads) {
  return std::make_unique<ThreadPool>(threads);
}
std::unique_ptr<BlockingPool> make_inline_pool() {
  return std::make_unique<InlinePool>();
}

}  // namespace cairn::io
