// Waiting: mailboxes, one-shot results, mutexes and gates for coroutines.
//
// All are safe to complete from any thread; a waiter resumes on the executor it was suspended on. State that must
// outlive a waiter that gave up (deadline) is held by shared_ptr, so late completions find it alive and are ignored.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "io/executor.h"

namespace cairn::io {

// Many producers on any thread, one consuming coroutine. Copies share the box, so a producer may outlive the consumer.
template <class T>
class Mailbox {
  struct State {
    std::mutex mutex;
    std::deque<T> items;
    std::coroutine_handle<> waiter{};
    Executor* executor = nullptr;
    std::uint64_t wait_number = 0;  // a timer only wakes the wait it was set for
  };

 public:
  Mailbox() : state_(std::make_shared<State>()) {}

  // Delivers `item`; wakes the consumer if it waits. Thread-safe.
  void push(T item) const {
    std::coroutine_handle<> waiter;
    Executor* executor = nullptr;
    {
      std::lock_guard lock(state_->mutex);
      state_->items.push_back(std::move(item));
      waiter = std::exchange(state_->waiter, {});
      executor = state_->executor;
    }
    if (waiter) executor->post([waiter] { waiter.resume(); });
  }

  // The next item, or nothing once `deadline` has passed. REQUIRES: one consumer at a time.
  Task<std::optional<T>> pop(std::optional<Instant> deadline = std::nullopt) const {
    auto state = state_;
    struct Awaiter {
      State& state;
      std::shared_ptr<State> keep;
      std::optional<Instant> deadline;
      bool await_ready() const {
        std::lock_guard lock(state.mutex);
        return !state.items.empty();
      }
      bool await_suspend(std::coroutine_handle<> h) {
        Executor& executor = Executor::current();
        std::uint64_t number;
        const auto until = deadline;
        // Weak: a deadline far ahead must not keep an emptied box and what it held alive until then.
        std::weak_ptr<State> box = keep;
        {
          std::lock_guard lock(state.mutex);
          if (!state.items.empty()) return false;
          CAIRN_ASSERT(!state.waiter);
          if (until && executor.now() >= *until) return false;
          state.waiter = h;
          state.executor = &executor;
          number = ++state.wait_number;
        }
        // From here on the coroutine may already be running elsewhere: only locals are touched.
        if (until) {
          executor.post_at(*until, [box, number] {
            std::coroutine_handle<> waiter;
            const auto shared = box.lock();
            if (!shared) return;
            {
              std::lock_guard lock(shared->mutex);
              if (shared->wait_number != number) return;
              waiter = std::exchange(shared->waiter, {});
            }
            if (waiter) waiter.resume();
          });
        }
        return true;
      }
      std::optional<T> await_resume() {
        std::lock_guard lock(state.mutex);
        if (state.items.empty()) return std::nullopt;
        std::optional<T> item(std::move(state.items.front()));
        state.items.pop_front();
        return item;
      }
    };
    Awaiter awaiter{*state, state, deadline};  // named: clang-tidy 19 crashes on a temporary
    co_return co_await awaiter;
  }

  // An item that is already there. Thread-safe.
  std::optional<T> try_pop() const {
    std::lock_guard lock(state_->mutex);
    if (state_->items.empty()) return std::nullopt;
    std::optional<T> item(std::move(state_->items.front()));
    state_->items.pop_front();
    return item;
  }

 private:
  std::shared_ptr<State> state_;
};

// One result, delivered once from any thread, awaited once. Cheaper than a mailbox: no queue, no deadline.
template <class T>
class OneShot {
  struct State {
    std::mutex mutex;
    std::optional<T> value;
    std::coroutine_handle<> waiter{};
    Executor* executor = nullptr;
  };

 public:
  OneShot() : state_(std::make_shared<State>()) {}
  void set(T value) const {
    std::coroutine_handle<> waiter;
    Executor* executor = nullptr;
    {
      std::lock_guard lock(state_->mutex);
      CAIRN_ASSERT(!state_->value);
      state_->value.emplace(std::move(value));
      waiter = std::exchange(state_->waiter, {});
      executor = state_->executor;
    }
    if (waiter) executor->post([waiter] { waiter.resume(); });
  }
  Task<T> get() const {
    auto state = state_;
    struct Awaiter {
      State& state;
      bool await_ready() const {
        std::lock_guard lock(state.mutex);
        return state.value.has_value();
      }
      bool await_suspend(std::coroutine_handle<> h) {
        std::lock_guard lock(state.mutex);
        if (state.value) return false;
        state.waiter = h;
        state.executor = &Executor::current();
        return true;
      }
      T await_resume() {
        std::lock_guard lock(state.mutex);
        CAIRN_ASSERT(state.value.has_value());
        return *std::move(state.value);
      }
    };
    Awaiter awaiter{*state};
    co_return co_await awaiter;
  }

 private:
  std::shared_ptr<State> state_;
};

// A lock for coroutines, first come first served. Unlocking hands over to the next waiter on its own executor.
class AsyncMutex {
 public:
  class [[nodiscard]] Guard {
   public:
    Guard() = default;
    explicit Guard(AsyncMutex* m) : mutex_(m) {}
    Guard(Guard&& o) noexcept : mutex_(std::exchange(o.mutex_, nullptr)) {}
    Guard& operator=(Guard&& o) noexcept {
      if (this != &o) {
        release();
        mutex_ = std::exchange(o.mutex_, nullptr);
      }
      return *this;
    }
    ~Guard() { release(); }
    void release() {
      if (auto* m = std::exchange(mutex_, nullptr)) m->unlock();
    }
    bool owns() const { return mutex_ != nullptr; }

   private:
    AsyncMutex* mutex_ = nullptr;
  };

  Task<Guard> lock() {
    struct Awaiter {
      AsyncMutex& m;
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> h) {
        std::lock_guard lock(m.mutex_);
        if (!m.locked_) {
          m.locked_ = true;
          return false;
        }
        m.waiters_.push_back({h, &Executor::current()});
        return true;
      }
      void await_resume() const noexcept {}
    };
    co_await Awaiter{*this};
    co_return Guard{this};
  }

 private:
  friend class Guard;
  void unlock() {
    Waiter next{};
    {
      std::lock_guard lock(mutex_);
      CAIRN_ASSERT(locked_);
      if (waiters_.empty()) {
        locked_ = false;
        return;
      }
      next = waiters_.front();
      waiters_.pop_front();
    }
    next.executor->post([h = next.handle] { h.resume(); });
  }
  struct Waiter {
    std::coroutine_handle<> handle;
    Executor* executor;
  };
  std::mutex mutex_;
  bool locked_ = false;
  std::deque<Waiter> waiters_;
};

// Counts work in flight so that stop can wait for it to end. enter() fails once the gate is closing.
class Gate {
 public:
  class [[nodiscard]] Pass {
   public:
    Pass() = default;
    explicit Pass(Gate* g) : gate_(g) {}
    Pass(Pass&& o) noexcept : gate_(std::exchange(o.gate_, nullptr)) {}
    Pass& operator=(Pass&& o) noexcept {
      if (this != &o) {
        if (gate_) gate_->leave();
        gate_ = std::exchange(o.gate_, nullptr);
      }
      return *this;
    }
    ~Pass() {
      if (gate_) gate_->leave();
    }

   private:
    Gate* gate_ = nullptr;
  };
  std::optional<Pass> enter() {
    std::lock_guard lock(mutex_);
    if (closing_) return std::nullopt;
    ++inside_;
    return Pass{this};
  }
  // Lets nobody in any more and waits until all are out. REQUIRES: called once.
  Task<void> close() {
    {
      std::lock_guard lock(mutex_);
      CAIRN_ASSERT(!closing_);
      closing_ = true;
      if (inside_ == 0) co_return;
    }
    co_await empty_.get();
  }

 private:
  friend class Pass;
  void leave() {
    std::optional<OneShot<bool>> wake;
    {
      std::lock_guard lock(mutex_);
      CAIRN_ASSERT(inside_ > 0);
      if (--inside_ == 0 && closing_) wake = empty_;
    }
    if (wake) wake->set(true);
  }
  std::mutex mutex_;
  std::size_t inside_ = 0;
  bool closing_ = false;
  OneShot<bool> empty_;
};

// Runs all tasks at the same time on the current executor and returns their results in order.
template <class T>
Task<std::vector<T>> when_all(std::vector<Task<T>> tasks) {
  struct Shared {
    std::vector<std::optional<T>> results;
    std::size_t left;
    OneShot<bool> done;
  };
  auto shared = std::make_shared<Shared>();
  shared->results.resize(tasks.size());
  shared->left = tasks.size();
  std::vector<T> out;
  if (tasks.empty()) co_return out;
  struct Run {
    static Task<void> one(std::shared_ptr<Shared> s, std::size_t i, Task<T> task, Executor* home) {
      T value = co_await std::move(task);
      co_await resume_on(*home);
      s->results[i].emplace(std::move(value));
      if (--s->left == 0) s->done.set(true);
    }
  };
  Executor& home = Executor::current();
  for (std::size_t i = 0; i < tasks.size(); ++i)
    spawn(home, Run::one(shared, i, std::move(tasks[i]), &home));
  co_await shared->done.get();
  out.reserve(shared->results.size());
  for (auto& r : shared->results) {
    CAIRN_ASSERT(r.has_value());
    out.push_back(*std::move(r));
  }
  co_return out;
}

}  // namespace cairn::io
