// Where coroutines run: a reactor (one thread of the server, io/reactor.h), or the simulation's event loop.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>

#include "io/task.h"

namespace cairn::io {

using Duration = std::chrono::nanoseconds;
// Monotonic time of an executor; comparable within one process (or one simulation) only.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Executor {
 public:
  virtual ~Executor() = default;

  // Runs `work` soon on this executor's thread, in the order posted. Thread-safe.
  virtual void post(std::move_only_function<void()> work) = 0;
  // Runs `work` not before `when`, on this executor's thread. Thread-safe. A timer is not cancelled: what it finds
  // done, it leaves alone (io/sync.h does that).
  virtual void post_at(Instant when, std::move_only_function<void()> work) = 0;
  virtual Instant now() const = 0;

  // The executor whose thread this is. REQUIRES: called from work running on an executor.
  static Executor& current();
  // As above, or null on a foreign thread.
  static Executor* current_or_null();

 protected:
  // An executor's loop holds one of these while it runs work.
  class Running {
   public:
    explicit Running(Executor& executor);
    ~Running();

   private:
    Executor* previous_;
  };
};

// Starts `task` on `executor` and lets it run on its own. Thread-safe.
void spawn(Executor& executor, Task<void> task);

// Suspends for at least `delay`.
Task<void> sleep_for(Duration delay);

// Continues the awaiting coroutine on `executor`.
struct ResumeOn {
  Executor& executor;
  bool await_ready() const noexcept { return Executor::current_or_null() == &executor; }
  void await_suspend(std::coroutine_handle<> h) {
    executor.post([h] { h.resume(); });
  }
  void await_resume() const noexcept {}
};
inline ResumeOn resume_on(Executor& executor) { return ResumeOn{executor}; }

}  // namespace cairn::io
