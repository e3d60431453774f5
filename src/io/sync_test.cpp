#include "io/sync.h"

#include <gtest/gtest.h>

#include <atomic>

#include "io/reactor.h"
#include "io/testing/sim_executor.h"

namespace cairn::io {
namespace {

using namespace std::chrono_literals;
using testing::SimExecutor;

Task<int> answer() {
  co_return 42;
}
Task<int> twice() {
  const int a = co_await answer();
  const int b = co_await answer();
  co_return a + b;
}
Task<std::uint64_t> deep(std::uint64_t n) {
  if (n == 0) co_return 0;
  const std::uint64_t below = co_await deep(n - 1);
  co_return below + 1;
}

TEST(Task, AwaitsAndReturns) {
  SimExecutor sim(1);
  EXPECT_EQ(sim.run(twice()), 84);
}

TEST(Task, NotAwaitedNeverRuns) {
  bool ran = false;
  struct Local {
    static Task<void> set(bool* flag) {
      *flag = true;
      co_return;
    }
  };
  {
    auto task = Local::set(&ran);
  }
  EXPECT_FALSE(ran);
}

TEST(Task, LongLoopsAndDeepChainsDoNotGrowTheStack) {
  struct Local {
    static Task<int> loop(int n) {
      int sum = 0;
      for (int i = 0; i < n; ++i) sum += co_await answer() - 41;
      co_return sum;
    }
  };
  SimExecutor sim(1);
  EXPECT_EQ(sim.run(Local::loop(1'000'000)), 1'000'000);
  EXPECT_EQ(sim.run(deep(10'000)), 10'000u);
}

struct Sleeper {
  static Task<Instant> sleep(Duration d) {
    co_await sleep_for(d);
    co_return Executor::current().now();
  }
  static Task<std::optional<int>> pop(Mailbox<int> box, std::optional<Duration> patience) {
    std::optional<Instant> deadline;
    if (patience) deadline = Executor::current().now() + *patience;
    co_return co_await box.pop(deadline);
  }
  static Task<void> push_later(Mailbox<int> box, Duration after, int item) {
    co_await sleep_for(after);
    box.push(item);
  }
};

TEST(SimTime, SleepMovesVirtualTimeExactly) {
  SimExecutor sim(1);
  EXPECT_EQ(sim.run(Sleeper::sleep(1h)).time_since_epoch(), 1h);
}

TEST(Mailbox, DeliversInOrder) {
  SimExecutor sim(1);
  Mailbox<int> box;
  box.push(1);
  box.push(2);
  EXPECT_EQ(sim.run(Sleeper::pop(box, std::nullopt)), 1);
  EXPECT_EQ(box.try_pop(), 2);
  EXPECT_EQ(box.try_pop(), std::nullopt);
}

TEST(Mailbox, WaitsUntilTheDeadlineAndNoLonger) {
  SimExecutor sim(1);
  Mailbox<int> box;
  EXPECT_EQ(sim.run(Sleeper::pop(box, 5s)), std::nullopt);
  EXPECT_EQ(sim.now().time_since_epoch(), 5s);
  spawn(sim, Sleeper::push_later(box, 1s, 7));
  EXPECT_EQ(sim.run(Sleeper::pop(box, 5s)), 7);
  EXPECT_EQ(sim.now().time_since_epoch(), 6s);
}

TEST(Mailbox, AnOldDeadlineDoesNotWakeALaterWait) {
  struct Local {
    static Task<bool> go(Mailbox<int> box) {
      const auto first = co_await box.pop(Executor::current().now() + 2s);
      const auto second = co_await box.pop(Executor::current().now() + 10s);
      co_return first == 1 && second == 2 && Executor::current().now().time_since_epoch() == 5s;
    }
  };
  SimExecutor sim(1);
  Mailbox<int> box;
  spawn(sim, Sleeper::push_later(box, 1s, 1));
  spawn(sim, Sleeper::push_later(box, 5s, 2));
  EXPECT_TRUE(sim.run(Local::go(box)));
}

TEST(Mailbox, AFarDeadlineDoesNotKeepTheItemsAlive) {
  struct Local {
    static Task<bool> go(Mailbox<std::shared_ptr<int>> box) {
      auto got = co_await box.pop(Executor::current().now() + 1h);
      co_return got.has_value();
    }
    static Task<void> push(Mailbox<std::shared_ptr<int>> box, std::shared_ptr<int> item) {
      box.push(item);
      box.push(item);
      co_return;
    }
  };
  SimExecutor sim(1, SimExecutor::Order::posted);
  auto item = std::make_shared<int>(1);
  {
    Mailbox<std::shared_ptr<int>> box;
    auto result = std::make_shared<bool>(false);
    spawn(sim, Local::push(box, item));
    EXPECT_TRUE(sim.run(Local::go(std::move(box))));
  }
  sim.run_for(1s);
  EXPECT_EQ(item.use_count(), 1);
}

// A consumer whose deadlines race with pushes from other threads loses nothing and gets nothing
// twice.
TEST(Mailbox, DeadlinesRaceWithPushesAcrossThreads) {
  constexpr int kItems = 20'000;
  auto reactors = make_reactors(3);
  reactors->start();
  struct Local {
    static Task<void> produce(Mailbox<int> box, int from) {
      for (int i = 0; i < kItems; ++i) {
        box.push(from + i);
        if (i % 64 == 0) co_await sleep_for(20us);
      }
    }
    static Task<std::vector<int>> consume(Mailbox<int> box) {
      std::vector<int> got;
      while (got.size() < 2 * kItems) {
        const auto item = co_await box.pop(Executor::current().now() + 10us);
        if (item) got.push_back(*item);
      }
      co_return got;
    }
  };
  Mailbox<int> box;
  spawn(reactors->at(1), Local::produce(box, 0));
  spawn(reactors->at(2), Local::produce(box, kItems));
  auto got = block_on(*reactors, Local::consume(box));
  std::sort(got.begin(), got.end());
  for (int i = 0; i < 2 * kItems; ++i) ASSERT_EQ(got[static_cast<std::size_t>(i)], i);
  reactors->stop();
}

TEST(OneShot, SetBeforeOrAfterGet) {
  struct Local {
    static Task<int> get(OneShot<int> shot) { co_return co_await shot.get(); }
    static Task<void> set(OneShot<int> shot) {
      co_await sleep_for(1ms);
      shot.set(5);
    }
  };
  SimExecutor sim(1);
  OneShot<int> early, late;
  early.set(4);
  EXPECT_EQ(sim.run(Local::get(early)), 4);
  spawn(sim, Local::set(late));
  EXPECT_EQ(sim.run(Local::get(late)), 5);
}

struct Locker {
  static Task<void> enter(AsyncMutex* mutex, std::vector<int>* order, int id, int* inside) {
    auto guard = co_await mutex->lock();
    EXPECT_EQ(++*inside, 1);
    order->push_back(id);
    co_await sleep_for(1ms);
    --*inside;
  }
};

TEST(AsyncMutex, ExcludesAndServesInOrder) {
  SimExecutor sim(1, SimExecutor::Order::posted);
  AsyncMutex mutex;
  std::vector<int> order;
  int inside = 0;
  for (int i = 0; i < 5; ++i) spawn(sim, Locker::enter(&mutex, &order, i, &inside));
  sim.run_until_idle();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(AsyncMutex, ExcludesAcrossThreads) {
  auto reactors = make_reactors(4);
  reactors->start();
  struct Local {
    static Task<void> add(AsyncMutex* mutex, std::int64_t* counter, Mailbox<bool> done) {
      for (int i = 0; i < 2000; ++i) {
        auto guard = co_await mutex->lock();
        ++*counter;  // a race here is a lost update, and an error under tsan
      }
      done.push(true);
    }
    static Task<bool> wait(Mailbox<bool> done) {
      for (int i = 0; i < 4; ++i) co_await done.pop();
      co_return true;
    }
  };
  AsyncMutex mutex;
  std::int64_t counter = 0;
  Mailbox<bool> done;
  for (std::size_t i = 0; i < 4; ++i) spawn(reactors->at(i), Local::add(&mutex, &counter, done));
  EXPECT_TRUE(block_on(*reactors, Local::wait(done)));
  reactors->stop();
  EXPECT_EQ(counter, 8000);
}

TEST(Gate, CloseWaitsForThoseInside) {
  struct Local {
    static Task<void> work(Gate* gate, bool* finished) {
      auto pass = gate->enter();
      EXPECT_TRUE(pass.has_value());
      co_await sleep_for(1s);
      *finished = true;
    }
    static Task<bool> close(Gate* gate, const bool* finished) {
      co_await sleep_for(1ms);
      co_await gate->close();
      co_return *finished;
    }
  };
  SimExecutor sim(1);
  Gate gate;
  bool finished = false;
  spawn(sim, Local::work(&gate, &finished));
  EXPECT_TRUE(sim.run(Local::close(&gate, &finished)));
  EXPECT_FALSE(gate.enter().has_value());
}

TEST(Gate, CloseOfAnEmptyGateReturnsAtOnce) {
  SimExecutor sim(1);
  Gate gate;
  {
    auto pass = gate.enter();
  }
  sim.run(gate.close());
  EXPECT_EQ(sim.now().time_since_epoch(), 0s);
}

TEST(WhenAll, RunsTogetherAndKeepsOrder) {
  SimExecutor sim(1);
  std::vector<Task<Instant>> tasks;
  for (int i = 5; i > 0; --i) tasks.push_back(Sleeper::sleep(std::chrono::seconds(i)));
  const auto results = sim.run(when_all(std::move(tasks)));
  ASSERT_EQ(results.size(), 5u);
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(results[static_cast<std::size_t>(i)].time_since_epoch(), std::chrono::seconds(5 - i));
  EXPECT_EQ(sim.now().time_since_epoch(), 5s);
  EXPECT_TRUE(sim.run(when_all(std::vector<Task<int>>{})).empty());
}

}  // namespace
}  // namespace cairn::io
