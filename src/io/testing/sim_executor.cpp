#include "io/testing/sim_executor.h"

#include <algorithm>

namespace cairn::io::testing {

SimExecutor::SimExecutor(std::uint64_t seed, Order order)
    : order_(order), random_(seeded_random(seed)) {}

SimExecutor::~SimExecutor() = default;

bool SimExecutor::later(const Timer& a, const Timer& b) {
  return a.when != b.when ? a.when > b.when : a.order > b.order;
}

void SimExecutor::post(std::move_only_function<void()> work) {
  runnable_.push_back(std::move(work));
}

void SimExecutor::post_at(Instant when, std::move_only_function<void()> work) {
  timers_.push_back(Timer{when, next_order_++, std::move(work)});
  std::push_heap(timers_.begin(), timers_.end(), later);
}

void SimExecutor::wake_timers(Instant limit) {
  if (runnable_.size() == next_ && !timers_.empty() && timers_.front().when <= limit)
    now_ = std::max(now_, timers_.front().when);
  while (!timers_.empty() && timers_.front().when <= now_) {
    std::pop_heap(timers_.begin(), timers_.end(), later);
    runnable_.push_back(std::move(timers_.back().work));
    timers_.pop_back();
  }
}

bool SimExecutor::step_before(Instant limit) {
  wake_timers(limit);
  if (runnable_.size() == next_) return false;
  std::move_only_function<void()> work;
  if (order_ == Order::posted) {
    work = std::move(runnable_[next_++]);
    if (next_ == runnable_.size()) {
      runnable_.clear();
      next_ = 0;
    }
  } else {
    const std::size_t i = random_->next_u64() % runnable_.size();
    std::swap(runnable_[i], runnable_.back());
    work = std::move(runnable_.back());
    runnable_.pop_back();
  }
  ++steps_;
  Running running(*this);
  work();
  return true;
}

bool SimExecutor::step() {
  return step_before(Instant::max());
}

void SimExecutor::run_until_idle() {
  while (step()) {
  }
}

bool SimExecutor::run_until(const std::function<bool()>& done) {
  while (!done()) {
    if (!step()) return false;
  }
  return true;
}

void SimExecutor::run_for(Duration span) {
  const Instant end = now_ + span;
  while (step_before(end)) {
  }
  now_ = std::max(now_, end);
}

template <>
void SimExecutor::run<void>(Task<void> task) {
  struct Run {
    static Task<bool> go(Task<void> work) {
      co_await std::move(work);
      co_return true;
    }
  };
  run(Run::go(std::move(task)));
}

}  // namespace cairn::io::testing
