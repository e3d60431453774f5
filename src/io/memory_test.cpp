#include "io/memory.h"

#include <gtest/gtest.h>

#include <thread>

#include "io/reactor.h"
#include "io/sync.h"
#include "io/testing/sim_executor.h"

namespace cairn::io {
namespace {

using namespace std::chrono_literals;
using testing::SimExecutor;
using BlockRef = std::shared_ptr<Block>;

constexpr std::size_t kKiB = 1024;

TEST(MemoryBudget, BlocksAreAlignedAndLargeEnough) {
  SimExecutor sim(1);
  auto budget = make_memory_budget(64 * kKiB * kKiB, 1s);
  for (const std::size_t size : {std::size_t{1}, 4 * kKiB, 5 * kKiB, 100'000ul, 1'048'577ul}) {
    auto block = sim.run(budget->allocate(size));
    ASSERT_TRUE(block);
    const auto bytes = (*block)->bytes();
    EXPECT_GE(bytes.size(), size);
    EXPECT_LE(bytes.size(), std::max(4 * kKiB, size + size / 4 + 4 * kKiB));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 4096, 0u);
    EXPECT_EQ(budget->used(), bytes.size());
    std::fill(bytes.begin(), bytes.end(), std::byte{1});
    block->reset();
    EXPECT_EQ(budget->used(), 0u);
  }
}

TEST(MemoryBudget, ReusesBlocks) {
  SimExecutor sim(1);
  auto budget = make_memory_budget(kKiB * kKiB, 1s);
  auto first = *sim.run(budget->allocate(64 * kKiB));
  const void* const where = first->bytes().data();
  first.reset();
  EXPECT_EQ((*sim.run(budget->allocate(64 * kKiB)))->bytes().data(), where);
}

// Hashed, sent or written elsewhere, a block is let go by another thread than the next one asks on.
TEST(MemoryBudget, ReusesBlocksThatOtherThreadsLetGo) {
  SimExecutor sim(1);
  auto budget = make_memory_budget(1024 * kKiB, 2s);
  auto block = *sim.run(budget->allocate(100 * kKiB));
  const std::byte* const at = block->bytes().data();
  std::thread([b = std::move(block)]() mutable { b.reset(); }).join();
  EXPECT_EQ((*sim.run(budget->allocate(100 * kKiB)))->bytes().data(), at);
}

TEST(MemoryBudget, GivesUpAfterItsPatience) {
  SimExecutor sim(1);
  auto budget = make_memory_budget(16 * kKiB, 3s);
  auto all = *sim.run(budget->allocate(16 * kKiB));
  auto refused = sim.run(budget->allocate(4 * kKiB));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.code(), Code::slow_down);
  EXPECT_EQ(sim.now().time_since_epoch(), 3s);
  all.reset();
  EXPECT_TRUE(sim.run(budget->allocate(16 * kKiB)));
}

TEST(MemoryBudget, RefusesWhatNeverFits) {
  SimExecutor sim(1);
  auto budget = make_memory_budget(16 * kKiB, 3s);
  EXPECT_EQ(sim.run(budget->allocate(17 * kKiB)).code(), Code::slow_down);
  EXPECT_EQ(sim.run(budget->allocate(SIZE_MAX)).code(), Code::slow_down);
  EXPECT_EQ(sim.now().time_since_epoch(), 0s);
}

struct Taker {
  static Task<void> take(MemoryBudget* budget, std::size_t size, int id, std::vector<int>* order,
                         std::vector<BlockRef>* blocks) {
    auto block = co_await budget->allocate(size);
    order->push_back(block ? id : -id);
    if (block) blocks->push_back(std::move(*block));
  }
};

TEST(MemoryBudget, WaitersAreServedInOrderAndALargeOneIsNotOvertaken) {
  SimExecutor sim(1, SimExecutor::Order::posted);
  auto budget = make_memory_budget(16 * kKiB, 10s);
  std::vector<int> order;
  std::vector<BlockRef> blocks;
  std::vector<BlockRef> held;
  for (int i = 0; i < 4; ++i) held.push_back(*sim.run(budget->allocate(4 * kKiB)));
  spawn(sim, Taker::take(budget.get(), 12 * kKiB, 1, &order, &blocks));
  spawn(sim, Taker::take(budget.get(), 4 * kKiB, 2, &order, &blocks));
  sim.run_for(1s);
  held.pop_back();  // room for the second, but the first is before it
  sim.run_for(1s);
  EXPECT_TRUE(order.empty());
  held.clear();
  sim.run_for(1s);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(MemoryBudget, OneThatGaveUpMakesWayForThoseBehind) {
  SimExecutor sim(1, SimExecutor::Order::posted);
  auto budget = make_memory_budget(16 * kKiB, 2s);
  std::vector<int> order;
  std::vector<BlockRef> blocks;
  auto held = *sim.run(budget->allocate(8 * kKiB));
  spawn(sim, Taker::take(budget.get(), 16 * kKiB, 1, &order, &blocks));
  sim.run_for(1s);
  spawn(sim, Taker::take(budget.get(), 8 * kKiB, 2, &order, &blocks));
  sim.run_for(1500ms);
  EXPECT_EQ(order, (std::vector<int>{-1, 2}));
}

TEST(MemoryBudget, BlocksMayOutliveTheBudget) {
  SimExecutor sim(1);
  auto budget = make_memory_budget(16 * kKiB, 2s);
  auto block = *sim.run(budget->allocate(8 * kKiB));
  budget.reset();
  std::fill(block->bytes().begin(), block->bytes().end(), std::byte{1});
}

TEST(MemoryBudget, NeverPassesTheLimitAndNobodyIsForgottenAcrossThreads) {
  auto reactors = make_reactors(4);
  reactors->start();
  auto budget = make_memory_budget(64 * kKiB, 60s);
  struct Local {
    static Task<void> go(MemoryBudget* b, unsigned seed, Mailbox<bool> done) {
      for (int i = 0; i < 3000; ++i) {
        seed = seed * 1664525 + 1013904223;
        auto block = co_await b->allocate((1 + seed / 65536 % 12) * 4 * kKiB);
        if (!block || b->used() > b->limit()) co_return done.push(false);
        (*block)->bytes()[0] = std::byte{1};
        if (i % 7 == 0) co_await sleep_for(1us);
      }
      done.push(true);
    }
    static Task<bool> wait(Mailbox<bool> done, int n) {
      bool ok = true;
      for (int i = 0; i < n; ++i) ok = (co_await done.pop()).value() && ok;
      co_return ok;
    }
  };
  Mailbox<bool> done;
  for (unsigned i = 0; i < 12; ++i)
    spawn(reactors->at(i % 4), Local::go(budget.get(), i + 1, done));
  EXPECT_TRUE(block_on(*reactors, Local::wait(done, 12)));
  reactors->stop();
  EXPECT_EQ(budget->used(), 0u);
}

}  // namespace
}  // namespace cairn::io
