// The simulation's event loop: one thread, virtual time, and a seed that decides what runs next.
// The same seed and the same program give the same run.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/assert.h"
#include "io/executor.h"
#include "io/world.h"

namespace cairn::io::testing {

class SimExecutor final : public Executor {
 public:
  // seeded: any of the runnable items may be next, which covers what several reactors and threads
  // could do to each other. posted: in the order posted, as one real reactor does it.
  enum class Order { seeded, posted };
  explicit SimExecutor(std::uint64_t seed, Order order = Order::seeded);
  ~SimExecutor() override;

  // REQUIRES (all): called from the thread that made the executor.
  void post(std::move_only_function<void()> work) override;
  void post_at(Instant when, std::move_only_function<void()> work) override;
  Instant now() const override { return now_; }

  // Runs one item, moving time to the next timer when nothing is runnable. False: nothing was left.
  bool step();
  // Until neither work nor timers are left. Never returns while something sets timers for ever.
  void run_until_idle();
  // Until `done()`; false if there was nothing left to run before.
  bool run_until(const std::function<bool()>& done);
  // Lets `span` of virtual time pass, running what is due.
  void run_for(Duration span);

  // Runs `task` to its end, and whatever else is due on the way. It must not wait for something
  // that never comes.
  template <class T>
  T run(Task<T> task);

  std::uint64_t steps() const { return steps_; }

 private:
  struct Timer {
    Instant when;
    std::uint64_t order;
    std::move_only_function<void()> work;
  };
  static bool later(const Timer& a, const Timer& b);
  // Moves the timers that are due to the runnable items, advancing time up to `limit` if none is
  // runnable.
  void wake_timers(Instant limit);
  bool step_before(Instant limit);

  const Order order_;
  std::unique_ptr<Random> random_;
  Instant now_{};
  std::vector<std::move_only_function<void()>> runnable_;
  std::size_t next_ = 0;  // Order::posted: the first item not yet run
  std::vector<Timer> timers_;
  std::uint64_t next_order_ = 0;
  std::uint64_t steps_ = 0;
};

// The time of day of a simulation: moves with the executor's virtual time.
class SimClock final : public Clock {
 public:
  SimClock(const SimExecutor& executor, std::int64_t start_unix_ms)
      : executor_(executor), start_ms_(start_unix_ms) {}
  std::int64_t unix_ms() const override {
    const auto passed = executor_.now().time_since_epoch();
    return start_ms_ + std::chrono::duration_cast<std::chrono::milliseconds>(passed).count();
  }

 private:
  const SimExecutor& executor_;
  std::int64_t start_ms_;
};

template <class T>
T SimExecutor::run(Task<T> task) {
  // Shared with the running coroutine, which finishes with it before this returns.
  auto result = std::make_shared<std::optional<T>>();
  struct Run {
    static Task<void> go(std::shared_ptr<std::optional<T>> out, Task<T> work) {
      T value = co_await std::move(work);
      out->emplace(std::move(value));
    }
  };
  spawn(*this, Run::go(result, std::move(task)));
  std::optional<T>& value = *result;
  run_until([&] { return value.has_value(); });
  CAIRN_ASSERT(value.has_value());  // else the task waits for something that never comes
  return *std::move(value);
}

template <>
void SimExecutor::run<void>(Task<void> task);

}  // namespace cairn::io::testing
