#include "io/reactor.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "io/world.h"

namespace cairn::io {
namespace {

using namespace std::chrono_literals;

struct Local {
  static Task<std::vector<std::thread::id>> visit(Reactors* reactors) {
    std::vector<std::thread::id> seen;
    for (std::size_t i = 0; i < reactors->size(); ++i) {
      co_await resume_on(reactors->at(i));
      EXPECT_EQ(&Executor::current(), &reactors->at(i));
      seen.push_back(std::this_thread::get_id());
    }
    co_return seen;
  }
  static Task<std::thread::id> through_pool(BlockingPool* pool, std::thread::id* worker) {
    *worker = co_await pool->run([] { return std::this_thread::get_id(); });
    co_return std::this_thread::get_id();
  }
  static Task<Duration> sleep(Duration d) {
    const Instant before = Executor::current().now();
    co_await sleep_for(d);
    co_return Executor::current().now() - before;
  }
  static Task<bool> timers_in_order() {
    Mailbox<int> fired;
    Executor& here = Executor::current();
    const Instant now = here.now();
    // A later one first, an earlier one set while the later is armed, one in the past, two equal.
    here.post_at(now + 30ms, [fired] { fired.push(3); });
    here.post_at(now + 10ms, [fired] { fired.push(1); });
    here.post_at(now + 10ms, [fired] { fired.push(2); });
    here.post_at(now - 1s, [fired] { fired.push(0); });
    for (int i = 0; i < 4; ++i) {
      const auto got = co_await fired.pop();
      if (got != i) co_return false;
    }
    co_return Executor::current().now() >= now + 30ms;
  }
};

TEST(Reactors, EachHasItsOwnThread) {
  auto reactors = make_reactors(3);
  reactors->start();
  const auto seen = block_on(*reactors, Local::visit(reactors.get()));
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 3u);
}

TEST(Reactors, TimersFireInOrderAndNotEarly) {
  auto reactors = make_reactors(1);
  reactors->start();
  EXPECT_TRUE(block_on(*reactors, Local::timers_in_order()));
  EXPECT_GE(block_on(*reactors, Local::sleep(5ms)), 5ms);
}

TEST(Reactors, ATimerSetFromAnotherThreadFires) {
  auto reactors = make_reactors(1);
  reactors->start();
  Mailbox<bool> fired;
  Reactor& reactor = reactors->at(0);
  reactor.post_at(reactor.now() + 1ms,
                  [fired, &reactor] { fired.push(Executor::current_or_null() == &reactor); });
  struct Wait {
    static Task<std::optional<bool>> go(Mailbox<bool> box) { co_return co_await box.pop(); }
  };
  EXPECT_EQ(block_on(*reactors, Wait::go(fired)), true);
}

TEST(Reactors, StopRunsWhatWasPosted) {
  auto reactors = make_reactors(2);
  reactors->start();
  std::atomic<int> ran{0};
  for (int i = 0; i < 1000; ++i) {
    reactors->at(0).post([&] {
      ++ran;
      reactors->at(1).post([&] { ++ran; });
    });
  }
  reactors->stop();
  EXPECT_EQ(ran.load(), 2000);
}

TEST(BlockingPool, RunsElsewhereAndComesBack) {
  auto reactors = make_reactors(1);
  reactors->start();
  auto pool = make_blocking_pool(2);
  const auto home = block_on(*reactors, Local::visit(reactors.get())).front();
  std::thread::id worker;
  EXPECT_EQ(block_on(*reactors, Local::through_pool(pool.get(), &worker)), home);
  EXPECT_NE(worker, home);
}

TEST(BlockingPool, FinishesWhatWasSubmitted) {
  std::atomic<int> ran{0};
  {
    auto pool = make_blocking_pool(3);
    for (int i = 0; i < 500; ++i) pool->submit([&] { ++ran; });
  }
  EXPECT_EQ(ran.load(), 500);
}

TEST(Random, SeededIsTheSameEverywhere) {
  auto random = seeded_random(42);
  EXPECT_EQ(random->next_u64(), 0x15780b2e0c2ec716ull);
  EXPECT_EQ(random->next_u64(), 0x6104d9866d113a7eull);
  std::array<std::byte, 3> three;
  random->fill(three);
  auto again = seeded_random(42);
  again->next_u64();
  again->next_u64();
  const std::uint64_t third = again->next_u64();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(three[i], static_cast<std::byte>(third >> (8 * i)));
}

TEST(Random, SystemNeverRepeatsOnAnyThread) {
  auto random = system_random();
  std::mutex mutex;
  std::set<std::uint64_t> seen;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        const std::uint64_t value = random->next_u64();
        std::lock_guard lock(mutex);
        EXPECT_TRUE(seen.insert(value).second);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::vector<std::byte> large(100'000);
  random->fill(large);
  std::array<int, 256> histogram{};
  for (const auto b : large) ++histogram[static_cast<std::size_t>(b)];
  for (const int n : histogram) EXPECT_GT(n, 200);
}

}  // namespace
}  // namespace cairn::io
