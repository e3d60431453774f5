#include "io/executor.h"

#include <memory>

namespace cairn::io {
namespace {

thread_local Executor* running = nullptr;

// A coroutine that owns itself: it is destroyed when it ends.
struct Detached {
  struct promise_type {
    Detached get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

Detached run_detached(Task<void> task) {
  co_await std::move(task);
}

}  // namespace

Executor& Executor::current() {
  CAIRN_ASSERT(running != nullptr);
  return *running;
}
Executor* Executor::current_or_null() {
  return running;
}
Executor::Running::Running(Executor& executor) : previous_(running) {
  running = &executor;
}
Executor::Running::~Running() {
  running = previous_;
}

void spawn(Executor& executor, Task<void> task) {
  auto handle = run_detached(std::move(task)).handle;
  executor.post([handle] { handle.resume(); });
}

Task<void> sleep_for(Duration delay) {
  struct Awaiter {
    Duration delay;
    bool await_ready() const noexcept { return delay <= Duration::zero(); }
    void await_suspend(std::coroutine_handle<> h) {
      Executor& executor = Executor::current();
      executor.post_at(executor.now() + delay, [h] { h.resume(); });
    }
    void await_resume() const noexcept {}
  };
  co_await Awaiter{delay};
}

}  // namespace cairn::io
