#include <gtest/gtest.h>

#include "background/heal/heal.h"
#include "background/testing/fixture.h"
#include "background/unit_walk.h"

namespace cairn::background::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct HealTest : Services {
  // One partition of 4+2 over six drives, of which `joining` is empty and rebuilding.
  void partition(std::uint8_t joining) {
    store.the_map.profile = {4, 2};
    store.the_map.epoch = model::MapEpoch{7};
    store.the_map.partitions.resize(1);
    drives.clear();
    for (std::uint8_t i = 0; i < 6; ++i) {
      drives.push_back(std::make_shared<FakeDrive>(drive_id(i)));
      store.the_map.partitions[0].members.push_back(
          {drive_id(i), model::MapEpoch{1}, i == joining});
    }
    store.members_rebuilding = {{model::PartitionId{0}, drive_id(joining)}};
  }
  std::unique_ptr<Heal> make() {
    return std::make_unique<Heal>(
        store,
        [this] { return std::vector<std::shared_ptr<drive::Drive>>(drives.begin(), drives.end()); },
        clock, metrics, options);
  }
  std::vector<std::shared_ptr<FakeDrive>> drives;
  HealOptions options;
};

TEST_F(HealTest, DrainsTheQueueWithBoundedConcurrency) {
  for (int i = 0; i < 100; ++i) store.queue.insert(unit(i));
  auto heal = make();
  heal->start(executor);
  pass(seconds(10));
  EXPECT_TRUE(store.queue.empty());
  EXPECT_EQ(store.most_running, options.queue_concurrency);
  EXPECT_EQ(heal->status().repaired, 100u);
  stop(*heal);
}

TEST_F(HealTest, WhatCannotBeRepairedWaitsAndHoldsUpNobody) {
  options.queue_page = 8;
  for (int i = 0; i < 30; ++i) {
    store.queue.insert(unit(i));
    if (i < 20) store.cannot.insert(unit(i));
  }
  auto heal = make();
  heal->start(executor);
  pass(seconds(4));
  EXPECT_EQ(store.queue.size(), 20u) << "those behind the ones that wait were not reached";
  for (int i = 0; i < 20; ++i) EXPECT_EQ(store.repairs[unit(i)], 1);
  pass(minutes(60));
  for (int i = 0; i < 20; ++i) {
    EXPECT_GE(store.repairs[unit(i)], 10);
    EXPECT_LE(store.repairs[unit(i)], 25);  // later and later
  }
  // A drive came back: at once, not after minutes.
  store.cannot.clear();
  heal->wake();
  pass(seconds(5));
  EXPECT_TRUE(store.queue.empty());
  stop(*heal);
}

TEST_F(HealTest, StopsInTheMiddleOfTheQueue) {
  for (int i = 0; i < 1000; ++i) store.queue.insert(unit(i));
  store.repair_time = seconds(1);
  auto heal = make();
  heal->start(executor);
  pass(seconds(5));
  stop(*heal);
  EXPECT_EQ(store.running, 0u);
  EXPECT_LT(heal->status().repaired, 100u);
}

TEST_F(HealTest, RebuildsEveryUnitAnyMemberKnowsAndEndsOnlyThen) {
  partition(2);
  // No member knows all units.
  for (int i = 0; i < 300; ++i)
    for (std::size_t d = 0; d < 6; ++d)
      if (d != 2 && static_cast<std::size_t>(i) % 6 != d) drives[d]->units.insert(unit(i));
  auto heal = make();
  heal->start(executor);
  pass(seconds(30));
  ASSERT_EQ(store.finished.size(), 1u);
  EXPECT_EQ(store.finished[0].second, drive_id(2));
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(store.proven.contains({unit(i), drive_id(2)})) << i;
  const HealStatus status = heal->status();
  ASSERT_EQ(status.rebuilds.size(), 1u);
  EXPECT_TRUE(status.rebuilds[0].whole);
  EXPECT_NE(status.rebuilds[0].finished_ms, 0);
  EXPECT_EQ(status.rebuilds[0].units_done, 300u);
  EXPECT_GE(status.rebuilds[0].units_estimate, 250u);
  EXPECT_EQ(status.rebuilds[0].partitions_left, 0u);
  stop(*heal);
}

TEST_F(HealTest, AUnitThatFailsKeepsThePartitionRebuilding) {
  partition(2);
  for (int i = 0; i < 50; ++i)
    for (auto& d : drives) d->units.insert(unit(i));
  store.cannot.insert(unit(33));
  auto heal = make();
  heal->start(executor);
  pass(minutes(20));
  EXPECT_TRUE(store.finished.empty());
  HealStatus status = heal->status();
  ASSERT_EQ(status.rebuilds.size(), 1u);
  EXPECT_FALSE(status.rebuilds[0].whole);
  EXPECT_EQ(status.rebuilds[0].finished_ms, 0);
  EXPECT_FALSE(status.rebuilds[0].waiting_for.empty());
  EXPECT_GE(status.rebuilds[0].passes, 2u);
  store.cannot.clear();
  heal->wake();
  pass(minutes(1));
  EXPECT_EQ(store.finished.size(), 1u);
  status = heal->status();
  EXPECT_TRUE(status.rebuilds[0].whole);
  EXPECT_TRUE(status.rebuilds[0].waiting_for.empty());
  stop(*heal);
}

TEST_F(HealTest, TooFewDrivesToKnowEveryUnitKeepThePartitionRebuilding) {
  partition(2);
  for (auto& d : drives) d->units.insert(unit(1));
  // 4+2 reads from two; one walks to its end, one breaks off, the others are away.
  for (std::size_t d : {3, 4, 5}) drives[d]->out_of_service = true;
  drives[0]->scan_fails_at = unit(0);
  auto heal = make();
  heal->start(executor);
  pass(minutes(10));
  EXPECT_TRUE(store.finished.empty());
  EXPECT_TRUE(store.proven.contains({unit(1), drive_id(2)}));
  drives[0]->scan_fails_at.reset();
  heal->wake();
  pass(minutes(1));
  EXPECT_EQ(store.finished.size(), 1u);
  stop(*heal);
}

TEST_F(HealTest, AReplacementThatLeavesAgainIsNotCalledWhole) {
  partition(2);
  for (int i = 0; i < 50; ++i)
    for (auto& d : drives) d->units.insert(unit(i));
  drives[2]->out_of_service = true;
  auto heal = make();
  heal->start(executor);
  pass(minutes(1));
  EXPECT_TRUE(store.finished.empty());
  ASSERT_EQ(heal->status().rebuilds.size(), 1u);
  EXPECT_EQ(heal->status().rebuilds[0].waiting_for, "the drive is not in service");
  stop(*heal);
}

io::Task<std::vector<model::UnitKey>> collect(UnitWalk* walk) {
  std::vector<model::UnitKey> out;
  for (;;) {
    auto item = co_await walk->next();
    if (!item) co_return out;
    out.push_back(item->unit);
  }
}

TEST_F(HealTest, AWalkNamesEachUnitOnceInOrder) {
  partition(0);
  std::set<model::UnitKey> all;
  for (int i = 0; i < 200; ++i)
    for (std::size_t d = 0; d < 6; ++d)
      if ((static_cast<std::size_t>(i) * 7 + d) % 3 == 0) {
        drives[d]->units.insert(unit(i));
        all.insert(unit(i));
      }
  drives[4]->scan_fails_at = unit(100);
  UnitWalk walk({drives.begin(), drives.end()}, seconds(1), 7);
  const auto units = executor.run(collect(&walk));
  EXPECT_TRUE(std::ranges::is_sorted(units));
  EXPECT_EQ(std::adjacent_find(units.begin(), units.end()), units.end());
  // What only the drive that failed knows beyond its failure is not seen, and the walk says so.
  std::set<model::UnitKey> expected;
  for (std::size_t d = 0; d < 6; ++d)
    for (const auto& u : drives[d]->units)
      if (d != 4) expected.insert(u);
  for (const auto& u : expected) EXPECT_TRUE(std::ranges::binary_search(units, u));
  EXPECT_EQ(walk.complete().size(), 5u);
  EXPECT_FALSE(walk.complete().contains(drive_id(4)));
}

}  // namespace
}  // namespace cairn::background::testing
