// The real executors: one reactor per core, each a thread with an event loop (Boost.Asio inside; the header stays free
// of it), and a pool of threads for calls that block.
#pragma once

#include <memory>
#include <vector>

#include "io/executor.h"
#include "io/sync.h"

namespace cairn::io {

class Reactor : public Executor {
 public:
  // Opaque access to the boost::asio::io_context, for net only.
  virtual void* native() = 0;
};

// A fixed set of reactors. start() launches the threads; stop() lets posted work finish and joins them.
class Reactors {
 public:
  virtual ~Reactors() = default;
  virtual std::size_t size() const = 0;
  virtual Reactor& at(std::size_t index) = 0;
  virtual void start() = 0;
  virtual void stop() = 0;  // REQUIRES: not called from a reactor
};
std::unique_ptr<Reactors> make_reactors(std::size_t count);

// Threads for blocking calls. run() executes `work` on one of them and resumes the caller on its own executor.
class BlockingPool {
 public:
  virtual ~BlockingPool() = default;
  virtual void submit(std::move_only_function<void()> work) = 0;

  template <class F>
  auto run(F work) -> Task<decltype(work())> {
    using T = decltype(work());
    OneShot<T> done;
    submit([done, work = std::move(work)]() mutable { done.set(work()); });
    co_return co_await done.get();
  }
};
std::unique_ptr<BlockingPool> make_blocking_pool(std::size_t threads);
// Runs the work at once on the caller's thread: for tests and the simulation.
std::unique_ptr<BlockingPool> make_inline_pool();

// Runs `task` to its end on a reactor of `reactors` and returns its result: for main() and tests.
// REQUIRES: reactors are started; not called from a reactor.
template <class T>
T block_on(Reactors& reactors, Task<T> task);

}  // namespace cairn::io

#include <condition_variable>

namespace cairn::io {
template <class T>
T block_on(Reactors& reactors, Task<T> task) {
  struct State {
    std::mutex mutex;
    std::condition_variable done;
    std::optional<T> value;
  } state;
  struct Run {
    static Task<void> go(State& s, Task<T> t) {
      T value = co_await std::move(t);
      std::lock_guard lock(s.mutex);
      s.value.emplace(std::move(value));
      s.done.notify_all();
    }
  };
  spawn(reactors.at(0), Run::go(state, std::move(task)));
  std::unique_lock lock(state.mutex);
  state.done.wait(lock, [&] { return state.value.has_value(); });
  CAIRN_ASSERT(state.value.has_value());
  return *std::move(state.value);
}
}  // namespace cairn::io
