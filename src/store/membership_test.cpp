// Who leads, and who is let in: terms, changes of the map, drives that come back (protocol.md 7,
// 8).
#include <gtest/gtest.h>

#include "store/fencing.h"
#include "store/testing/cluster.h"

namespace cairn::store {
namespace {

using testing::Cluster;
using testing::Disk;
using testing::MemoryDrive;
using namespace std::chrono_literals;

constexpr model::ErasureProfile k11{1, 1}, k22{2, 2};

// A second process over the same drives and control store.
struct Rival {
  explicit Rival(Cluster& cluster, std::optional<placement::Map> map = {}) : c(cluster) {
    std::vector<DriveSlot> slots;
    for (const auto& disk : c.disks) {
      drives.push_back(std::make_shared<MemoryDrive>(disk));
      slots.push_back({disk->id, "/d", drives.back(), ""});
    }
    Parts parts{c.control, *memory, c.clock, c.random, registry};
    auto opened = c.executor.run(open_local_store(parts, c.options, map.value_or(c.map), slots));
    EXPECT_TRUE(opened) << opened.error().message;
    if (opened) store = std::move(*opened);
  }
  ~Rival() {
    if (store) c.executor.run(Cluster::stop_task(store.get()));
    store.reset();
    c.rest(20s);  // what it had under way ends; the other process goes on
  }
  Cluster& c;
  std::unique_ptr<io::MemoryBudget> memory =
      io::make_memory_budget(64 << 20, std::chrono::seconds(1));
  metrics::Registry registry{};
  std::vector<std::shared_ptr<MemoryDrive>> drives{};
  std::unique_ptr<LocalStore> store{};
};

void store_map(Cluster& c) {
  std::vector<control::Change> changes{{kMapKey, placement::encode_map(c.map)}};
  ASSERT_TRUE(c.executor.run(c.control.commit({}, std::move(changes))));
}
placement::Map map_in(Cluster& c) {
  const auto stored = c.executor.run(stored_map(c.control));
  EXPECT_TRUE(stored);
  return stored->map;
}

TEST(Membership, ADeposedLeaderSaysSoAndLeadsNeverAgain) {
  Cluster c(k22);
  store_map(c);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  EXPECT_FALSE(c.store->deposed());
  Rival rival(c);
  ASSERT_TRUE(c.executor.run(rival.store->commit(c.put("k", "b"))));
  EXPECT_FALSE(c.commit(c.put("k", "c")));
  c.rest(2s);
  EXPECT_TRUE(c.store->deposed());
  EXPECT_FALSE(c.store->can_write());
  EXPECT_EQ(c.commit(c.put("k", "d")).code(), Code::stale_term);
  // A drive that comes back to it does not bring the lead back: the two would take it from each
  // other for ever.
  c.drives[1]->faults.out_of_service = true;
  EXPECT_EQ(c.executor.run(c.store->attach(1, std::make_shared<MemoryDrive>(c.disks[1]))).code(),
            Code::stale_term);
  c.rest(60s);
  EXPECT_FALSE(rival.store->deposed());
  ASSERT_TRUE(c.executor.run(rival.store->commit(c.put("k", "e"))));
}

TEST(Membership, AMapIsChangedOnlyFromWhatIsStored) {
  Cluster c(k22);
  store_map(c);
  Rival rival(c);
  // The rival replaces a drive; the old process knows nothing of it and wants to replace another.
  rival.drives[1]->faults.out_of_service = true;
  const auto fresh = c.new_disk();
  ASSERT_TRUE(c.executor.run(rival.store->attach(1, std::make_shared<MemoryDrive>(fresh))));
  const placement::Map changed = map_in(c);
  EXPECT_EQ(changed.epoch, model::MapEpoch{2});
  c.drives[2]->faults.out_of_service = true;
  const auto other = c.new_disk();
  EXPECT_FALSE(c.executor.run(c.store->attach(2, std::make_shared<MemoryDrive>(other))));
  EXPECT_EQ(map_in(c), changed);
  EXPECT_TRUE(other->partitions.empty());
  // Nor is the end of a rebuild written over a map that it was not computed from.
  for (const auto& [partition, drive] : c.store->rebuilding())
    EXPECT_FALSE(c.executor.run(c.store->finish_rebuild(partition, drive)));
  EXPECT_EQ(map_in(c), changed);
}

// The end of a rebuild changes the map and not its epoch, perhaps just after the next leader read
// it: it must not hold that against every later change for ever.
TEST(Membership, TheEndOfARebuildThatTheLastLeaderRecordedIsTakenOver) {
  Cluster c(k22);
  store_map(c);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  c.drives[1]->faults.out_of_service = true;
  c.disks[1] = c.new_disk();
  ASSERT_TRUE(c.executor.run(c.store->attach(1, std::make_shared<MemoryDrive>(c.disks[1]))));
  ASSERT_TRUE(*c.executor.run(c.store->repair(Cluster::unit("k"))));
  const placement::Map read_early = map_in(c);
  const auto behind = c.store->rebuilding();
  ASSERT_GT(behind.size(), 1u);
  ASSERT_TRUE(c.executor.run(c.store->finish_rebuild(behind[0].first, behind[0].second)));
  ASSERT_NE(map_in(c), read_early);
  Rival next(c, read_early);
  for (const auto& [partition, drive] : next.store->rebuilding()) {
    const auto finished = c.executor.run(next.store->finish_rebuild(partition, drive));
    EXPECT_TRUE(finished) << finished.error().message;
  }
  EXPECT_TRUE(next.store->rebuilding().empty());
  const placement::Map after = map_in(c);
  for (const auto& entry : after.partitions)
    for (const auto& member : entry.members) EXPECT_FALSE(member.rebuilding);
}

TEST(Membership, ALeadThatCouldNotBeHadIsTakenWhenEnoughDrivesAreBack) {
  Cluster c(k22);
  store_map(c);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  c.rest(1s);
  for (const std::size_t i : {1u, 2u, 3u}) c.drives[i]->faults.out_of_service = true;
  // A change of the map is begun that only two members of four can be fenced for.
  const auto fresh = std::make_shared<MemoryDrive>(c.new_disk());
  ASSERT_TRUE(c.executor.run(c.store->attach(3, fresh)));
  EXPECT_EQ(map_in(c).epoch, model::MapEpoch{2});
  EXPECT_FALSE(c.commit(c.put("k", "b")));
  c.rest(10s);
  EXPECT_FALSE(c.commit(c.put("k", "b")));
  // Nobody attaches anything to slot 3 again.
  ASSERT_TRUE(c.executor.run(c.store->attach(1, std::make_shared<MemoryDrive>(c.disks[1]))));
  c.rest(3s);
  EXPECT_EQ(c.etag("k"), "a");
  ASSERT_TRUE(c.commit(c.put("k", "b")));
  EXPECT_FALSE(c.store->deposed());
}

TEST(Membership, ADriveThatKnowsANewerTermThanTheControlStoreRaisesTheCounter) {
  Cluster c(k22);
  store_map(c);
  c.drives[2]->faults.out_of_service = true;
  // 7.1: the control store went back to a time before the term that this drive promised.
  for (auto& [partition, state] : c.disks[2]->partitions) {
    state.promised = model::Term{50};
    state.leader = 4711;
  }
  ASSERT_TRUE(c.executor.run(c.store->attach(2, std::make_shared<MemoryDrive>(c.disks[2]))));
  c.rest(2s);
  EXPECT_FALSE(c.store->deposed());
  const auto done = c.commit(c.put("k", "a"));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_GT(done->stamp.term, 50u);
}

TEST(Membership, AnOldCopyOfADriveIsRefused) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  c.rest(1s);
  const auto copy = std::make_shared<Disk>(*c.disks[1]);
  ASSERT_TRUE(c.commit(c.put("k", "b")));
  c.rest(1s);
  EXPECT_GT(c.store->acked_batch(1), copy->batch);
  c.drives[1]->faults.out_of_service = true;
  const Disk before = *copy;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto attached = c.executor.run(c.store->attach(1, std::make_shared<MemoryDrive>(copy)));
    EXPECT_EQ(attached.code(), Code::wrong_drive);
  }
  // Nothing was sent to it: trying makes it no younger.
  EXPECT_EQ(copy->batch, before.batch);
  // Two others away: the copy would make up the read quorum, and know nothing of b.
  for (const std::size_t i : {0u, 2u}) c.drives[i]->faults.out_of_service = true;
  EXPECT_NE(c.etag("k"), "a");
  for (const std::size_t i : {0u, 2u}) c.drives[i]->faults.out_of_service = false;
  // The drive itself is welcome, and so is an empty one.
  ASSERT_TRUE(c.executor.run(c.store->attach(1, std::make_shared<MemoryDrive>(c.disks[1]))));
  EXPECT_EQ(c.etag("k"), "b");
}

TEST(Membership, WhatADriveAcknowledgedIsKnownAlsoWhenItWasLetGo) {
  Cluster c(k22);
  const auto copy = std::make_shared<Disk>(*c.disks[1]);
  ASSERT_TRUE(c.commit(c.put("k", "b")));
  c.rest(1s);
  c.drives[1]->faults.out_of_service = true;
  ASSERT_TRUE(c.executor.run(c.store->detach(1, "gone")));
  EXPECT_GT(c.store->acked_batch(1), copy->batch);
  EXPECT_EQ(c.executor.run(c.store->attach(1, std::make_shared<MemoryDrive>(copy))).code(),
            Code::wrong_drive);
}

TEST(AckRecord, ALateAnswerOfTheMountBeforeEndsAnOldCopy) {
  AckRecord record;
  const auto disk = std::make_shared<Disk>();
  const auto drive = std::make_shared<MemoryDrive>(disk);
  record.note({1, 7});
  ASSERT_TRUE(record.admit(drive, {2, 7, 7}));
  record.note({2, 9});
  record.note({1, 7});
  EXPECT_FALSE(drive->failed());
  // Spoken to anew, the same mount: what it found when it was mounted says nothing.
  ASSERT_TRUE(record.admit(drive, {2, 7, 9}));
  record.note({1, 8});
  EXPECT_TRUE(drive->failed());
  EXPECT_FALSE(record.admit(drive, {3, 8, 20}));
  EXPECT_TRUE(record.admit(drive, {3, 9, 9}));
}

TEST(Membership, TheOthersOfADriveAreCountedWhereTheyAreFewest) {
  Cluster c(k22);
  store_map(c);
  EXPECT_EQ(c.store->others(1).in_service, 3u);
  EXPECT_EQ(c.store->others(1).voters, 3u);
  c.drives[2]->faults.out_of_service = true;
  EXPECT_EQ(c.store->others(1).in_service, 2u);
  EXPECT_EQ(c.store->others(2).in_service, 3u);
  c.disks[2] = c.new_disk();
  ASSERT_TRUE(c.executor.run(c.store->attach(2, std::make_shared<MemoryDrive>(c.disks[2]))));
  EXPECT_EQ(c.store->others(1).in_service, 3u);
  EXPECT_EQ(c.store->others(1).voters, 2u) << "the new one is rebuilding";
}

TEST(Membership, WithOneDriveOfAMirrorAnOperatorRetiresTheOther) {
  Cluster c(k11);
  store_map(c);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  c.stop();
  // 7.6: nobody leads on one drive alone.
  EXPECT_FALSE(c.try_start({1}));
  const model::DriveId lost = c.disks[1]->id;
  c.disks[1] = c.new_disk();
  ASSERT_TRUE(c.executor.run(retire_drive(c.control, lost, c.disks[1]->id)));
  // 8.1: not twice before it is fenced.
  EXPECT_EQ(c.executor.run(retire_drive(c.control, c.disks[0]->id, c.new_disk()->id)).code(),
            Code::conflict);
  EXPECT_EQ(c.executor.run(retire_drive(c.control, lost, c.new_disk()->id)).code(),
            Code::not_found);
  c.map = map_in(c);
  c.start();
  EXPECT_EQ(c.etag("k"), "a");
  EXPECT_FALSE(c.store->rebuilding().empty());
  ASSERT_TRUE(c.commit(c.put("k", "b")));
}

}  // namespace
}  // namespace cairn::store
