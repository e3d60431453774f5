// The commit protocol end to end, over drives in memory.
#include <gtest/gtest.h>

#include "store/testing/cluster.h"

namespace cairn::store {
namespace {

using testing::Cluster;
using namespace std::chrono_literals;

constexpr model::ErasureProfile k10{1, 0}, k12{1, 2}, k21{2, 1}, k22{2, 2}, k42{4, 2};

Commit remove(std::string_view key, model::VersionId version = {}) {
  return {Cluster::unit(key), {}, RemoveVersion{version}, {}, {}};
}
std::uint64_t pendings(const Cluster& c, std::string_view key) {
  std::uint64_t n = 0;
  for (const auto& disk : c.disks) {
    const auto it = disk->units.find(Cluster::unit(key));
    if (it != disk->units.end()) n += it->second.state.pendings.size();
  }
  return n;
}

TEST(Leader, PutIsOnAllDrivesAndSettled) {
  for (const auto profile : {k10, k12, k22, k42}) {
    Cluster c(profile);
    const auto done = c.commit(c.put("k", "a"));
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(c.etag("k"), "a");
    EXPECT_EQ(c.etag("other"), "not_found");
    c.rest(100ms);
    EXPECT_EQ(c.holders("k"), profile.drives());
    EXPECT_EQ(pendings(c, "k"), 0u);
    for (const auto& disk : c.disks) EXPECT_TRUE(disk->repairs.empty());
  }
}

TEST(Leader, DataComesBackFromAnyDrives) {
  Cluster c(k22);
  const std::string data(5000, 'x');
  ASSERT_TRUE(c.commit(c.put_inline("k", "a", data)));
  EXPECT_EQ(*c.read("k"), data);
  c.rest(100ms);
  for (std::size_t a = 0; a < 4; ++a) {
    c.drives[a]->faults.out_of_service = true;
    c.drives[(a + 1) % 4]->faults.out_of_service = true;
    const auto got = c.read("k");
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, data);
    c.drives[a]->faults.out_of_service = false;
    c.drives[(a + 1) % 4]->faults.out_of_service = false;
  }
}

TEST(Leader, ADamagedInlineShardIsReadAroundAndQueued) {
  Cluster c(k22);
  const std::string data(5000, 'y');
  const Commit commit = c.put_inline("k", "a", data);
  ASSERT_TRUE(c.commit(commit));
  c.rest(100ms);
  for (std::size_t i = 0; i < 2; ++i) c.disks[i]->inlined.clear();
  c.stop();
  c.start();  // nothing is remembered: the read goes to the drives
  EXPECT_EQ(*c.read("k"), data);
  c.rest(100ms);
  EXPECT_EQ(c.executor.run(c.store->repair_queue(10))->size(), 1u);
  EXPECT_TRUE(*c.executor.run(c.store->repair(Cluster::unit("k"))));
  for (const auto& disk : c.disks) EXPECT_EQ(disk->inlined.size(), 1u);
  EXPECT_TRUE(c.executor.run(c.store->repair_queue(10))->empty());
}

TEST(Leader, ATableOfPartsThatSomeDrivesLackIsReadFromOthers) {
  Cluster c(k22);
  Commit commit = c.put("k", "a");
  auto& put = std::get<PutVersion>(commit.intent);
  put.record.data_kind = model::Record::DataKind::parts;
  put.record.data.data_id = commit.value;
  put.record.size = 0;
  model::DataPart part;
  part.data_id = c.value();
  part.layout = {k22, 4096};
  put.parts = {part};
  for (const auto& disk : c.disks)
    for (std::uint8_t shard = 0; shard < 4; ++shard) disk->blobs[{part.data_id, shard}] = "there";
  const auto done = c.commit(std::move(commit));
  ASSERT_TRUE(done) << done.error().message;
  c.rest(100ms);
  Selector selector;
  selector.want_parts = true;
  for (unsigned lacking = 0; lacking < 15; ++lacking) {
    std::vector<testing::Disk> before;
    for (const auto& disk : c.disks) before.push_back(*disk);
    for (std::size_t i = 0; i < 4; ++i)
      if (lacking >> i & 1)
        for (auto& [unit, state] : c.disks[i]->units)
          for (auto& row : state.state.rows) row.parts.clear();
    c.stop();
    c.start();  // nothing is remembered: the read goes to the drives
    const auto found = c.find("k", selector);
    ASSERT_TRUE(found) << lacking << ": " << found.error().message;
    EXPECT_EQ(found->parts.size(), 1u) << lacking;
    for (std::size_t i = 0; i < 4; ++i) c.disks[i]->units = before[i].units;
  }
}

TEST(Leader, VerifyingFindsAShardWhoseChecksumLies) {
  Cluster c(k22);
  const std::string data(5000, 'z');
  ASSERT_TRUE(c.commit(c.put_inline("k", "a", data)));
  c.rest(100ms);
  for (const auto& disk : c.disks) {
    const auto before = disk->inlined;
    disk->inlined.begin()->second[7] ^= 1;
    auto verified = c.executor.run(c.store->verify(Cluster::unit("k")));
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->damaged_shards, 1u);
    EXPECT_TRUE(verified->whole);
    EXPECT_EQ(disk->inlined, before) << "the wrong shard was not made anew";
    verified = c.executor.run(c.store->verify(Cluster::unit("k")));
    ASSERT_TRUE(verified);
    EXPECT_EQ(verified->damaged_shards, 0u);
    EXPECT_TRUE(verified->whole);
  }
}

TEST(Leader, VerifyingDoesNotCallWholeWhatContradictsItself) {
  Cluster c(k21);
  ASSERT_TRUE(c.commit(c.put_inline("k", "a", std::string(5000, 'z'))));
  c.rest(100ms);
  c.disks[1]->inlined.begin()->second[7] ^= 1;
  const auto verified = c.executor.run(c.store->verify(Cluster::unit("k")));
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->damaged_shards, 1u);
  EXPECT_FALSE(verified->whole) << "one parity shard shows that something is wrong, not what";
  for (const auto& disk : c.disks) EXPECT_EQ(disk->inlined.size(), 1u) << "put aside on a guess";
}

TEST(Leader, FewerThanWIsAnErrorAndDecidedLater) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  c.rest(100ms);
  for (std::size_t i = 1; i < 4; ++i) c.drives[i]->faults.lose_mutates = 1;
  EXPECT_EQ(c.commit(c.put("k", "b")).code(), Code::unavailable);
  c.rest(5s);
  // One of four held it: it brings no data, so one holder completes it.
  EXPECT_EQ(c.etag("k"), "b");
  c.rest(5s);
  EXPECT_EQ(pendings(c, "k"), 0u);
}

TEST(Leader, ADoomedValueIsNeverSeen) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put_inline("k", "a", "old")));
  c.rest(100ms);
  for (std::size_t i = 1; i < 4; ++i) c.drives[i]->faults.lose_mutates = 1;
  EXPECT_FALSE(c.commit(c.put_inline("k", "b", "new")));
  c.rest(5s);
  EXPECT_EQ(*c.read("k"), "old");  // one shard of two
  Precondition unchanged;
  unchanged.if_match = "a";
  Commit next = c.put("k", "c");
  next.precondition = unchanged;
  ASSERT_TRUE(c.commit(next));
  EXPECT_EQ(c.etag("k"), "c");
}

TEST(Leader, LostAcksDoNotMakeASecondWrite) {
  Cluster c(k12);
  for (auto& drive : c.drives) drive->faults.lose_acks = 1;
  Commit commit = c.put("k", "a", Versioning::enabled);
  EXPECT_EQ(c.commit(commit).code(), Code::unavailable);
  c.rest(5s);
  const auto again = c.commit(commit);
  ASSERT_TRUE(again) << again.error().message;
  Selector selector;
  selector.latest = false;
  selector.version = again->version;
  EXPECT_TRUE(c.find("k", selector));
  ScanRequest all;
  all.all_rows = true;
  all.begin = "";
  all.end = "\xff";
  const auto page = c.executor.run(c.store->scan(all));
  ASSERT_TRUE(page);
  ASSERT_EQ(page->units.size(), 1u);
  EXPECT_EQ(page->units[0].rows().size(), 1u);
}

TEST(Leader, ADriveThatIsAwayIsBroughtUpByRepair) {
  Cluster c(k22);
  const std::string data(3000, 'z');
  c.drives[2]->faults.out_of_service = true;
  ASSERT_TRUE(c.commit(c.put_inline("k", "a", data)));
  c.rest(1s);
  EXPECT_EQ(c.holders("k"), 3u);
  EXPECT_FALSE(*c.executor.run(c.store->repair(Cluster::unit("k"))));
  EXPECT_EQ(c.executor.run(c.store->repair_queue(10))->size(), 1u);
  // It comes back, the same drive.
  c.drives[2] = std::make_shared<testing::MemoryDrive>(c.disks[2]);
  ASSERT_TRUE(c.executor.run(c.store->attach(2, c.drives[2])));
  const auto whole = c.executor.run(c.store->repair(Cluster::unit("k")));
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ(c.holders("k"), 4u);
  EXPECT_TRUE(c.executor.run(c.store->repair_queue(10))->empty());
  for (const std::size_t i : {0u, 1u}) c.drives[i]->faults.out_of_service = true;
  EXPECT_EQ(*c.read("k"), data);
}

TEST(Leader, WritesStopBelowWAndReadsBelowR) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  EXPECT_TRUE(c.store->can_write());
  c.drives[0]->faults.out_of_service = true;
  EXPECT_TRUE(c.commit(c.put("k", "b")));
  c.drives[1]->faults.out_of_service = true;
  EXPECT_FALSE(c.store->can_write());
  EXPECT_TRUE(c.store->can_read());
  EXPECT_EQ(c.commit(c.put("l", "x")).code(), Code::unavailable);
  EXPECT_EQ(c.etag("k"), "b");
  c.drives[2]->faults.out_of_service = true;
  EXPECT_FALSE(c.store->can_read());
  EXPECT_EQ(c.etag("k"), "unavailable");
  EXPECT_EQ(c.etag("never"), "unavailable");  // never "not found"
}

TEST(Leader, AFullDriveRefusesDataOnly) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  const Commit data = c.put_inline("l", "x", "data");
  for (auto& drive : c.drives) drive->faults.full = true;
  EXPECT_EQ(c.commit(data).code(), Code::no_space);
  EXPECT_TRUE(c.commit(remove("k")));
  EXPECT_EQ(c.etag("k"), "not_found");
}

TEST(Leader, ARestartKeepsWhatWasAcknowledgedAndEndsDoubts) {
  Cluster c(k22);
  c.drives[3]->faults.lose_mutates = 1;
  for (auto& drive : c.drives) drive->faults.lose_settles = true;
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  c.stop();
  EXPECT_GE(pendings(c, "k"), 3u);
  c.start();
  EXPECT_EQ(c.etag("k"), "a");
  c.rest(10s);
  EXPECT_EQ(pendings(c, "k"), 0u);
  EXPECT_EQ(c.executor.run(c.store->repair_queue(10))->size(), 1u);
  EXPECT_TRUE(*c.executor.run(c.store->repair(Cluster::unit("k"))));
  EXPECT_EQ(c.holders("k"), 4u);
}

TEST(Leader, AnotherLeaderFencesTheFirst) {
  Cluster c(k12);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  auto first = std::move(c.store);
  c.start();
  ASSERT_TRUE(c.commit(c.put("k", "b")));
  // The old one neither writes nor answers from memory.
  EXPECT_FALSE(c.executor.run(first->commit(c.put("k", "old"))));
  const auto read = c.executor.run(first->find(Cluster::unit("k"), {}));
  if (read) EXPECT_EQ(read->record.etag, "b");
  EXPECT_EQ(c.etag("k"), "b");
  c.executor.run(Cluster::stop_task(first.get()));
}

TEST(Leader, TooFewDrivesDoNotLead) {
  Cluster c(k22);
  c.stop();
  const auto started = c.try_start({0, 1});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.code(), Code::unavailable);
  EXPECT_NE(started.error().message.find(c.disks[0]->id.hex()), std::string::npos);
  EXPECT_TRUE(c.try_start({0}));
}

TEST(Leader, VersionsAndConditions) {
  Cluster c(k22);
  const auto v1 = c.commit(c.put("k", "1", Versioning::enabled));
  const auto v2 = c.commit(c.put("k", "2", Versioning::enabled));
  ASSERT_TRUE(v1 && v2);
  EXPECT_EQ(c.etag("k"), "2");
  Commit conditional = c.put("k", "3", Versioning::enabled);
  conditional.precondition.if_none_match = "*";
  EXPECT_EQ(c.commit(conditional).code(), Code::precondition_failed);
  Selector old;
  old.latest = false;
  old.version = v1->version;
  const auto found = c.find("k", old);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->record.etag, "1");
  EXPECT_FALSE(found->is_latest);
  ASSERT_TRUE(c.commit(remove("k", v2->version)));
  EXPECT_EQ(c.etag("k"), "1");
}

TEST(Leader, ManyVersionsGoAsChanges) {
  Cluster c(k12);
  constexpr int kVersions = 90;
  std::vector<model::VersionId> ids;
  for (int i = 0; i < kVersions; ++i) {
    if (i == 40)
      c.drives[1]->faults.lose_mutates = 1;  // it lacks the base from here: all rows are sent
    const auto done = c.commit(c.put("k", std::to_string(i), Versioning::enabled));
    ASSERT_TRUE(done) << i;
    ids.push_back(done->version);
    c.rest(20ms);
  }
  EXPECT_EQ(c.etag("k"), std::to_string(kVersions - 1));
  c.rest(100ms);
  for (const auto& disk : c.disks) {
    EXPECT_EQ(disk->units[Cluster::unit("k")].state.rows.size(),
              static_cast<std::size_t>(kVersions));
  }
  c.stop();
  c.start();
  for (int i = kVersions - 1; i >= 0; --i)
    ASSERT_TRUE(c.commit(remove("k", ids[static_cast<std::size_t>(i)]))) << i;
  EXPECT_EQ(c.etag("k"), "not_found");
}

TEST(Leader, EmptyUnitsAreForgottenByAll) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  ASSERT_TRUE(c.commit(remove("k")));
  EXPECT_EQ(c.etag("k"), "not_found");
  c.rest(10s);
  EXPECT_EQ(c.holders("k"), 0u);
  ASSERT_TRUE(c.commit(c.put("k", "b")));
  EXPECT_EQ(c.etag("k"), "b");
}

TEST(Leader, WhatAllHoldIsForgottenAsItIsSettled) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  ASSERT_TRUE(c.commit(remove("k")));
  c.rest(100ms);
  EXPECT_EQ(c.holders("k"), 0u);
  for (const auto& drive : c.drives) EXPECT_EQ(drive->inspects, 0u);
  EXPECT_EQ(c.etag("k"), "not_found");
  ASSERT_TRUE(c.commit(c.put("k", "b")));
  EXPECT_EQ(c.etag("k"), "b");
  // Written again before the drives were told.
  ASSERT_TRUE(c.commit(remove("k")));
  ASSERT_TRUE(c.commit(c.put("k", "c")));
  c.rest(100ms);
  EXPECT_EQ(c.etag("k"), "c");
  EXPECT_EQ(c.holders("k"), 4u);
  EXPECT_EQ(pendings(c, "k"), 0u);
}

TEST(Leader, AMessageUnderWayKeepsTheHead) {
  Cluster c(k12);
  c.drives[2]->faults.delay = 60s;
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  c.drives[2]->faults.delay = {};
  ASSERT_TRUE(c.commit(remove("k")));
  c.rest(100s);  // the put arrives
  EXPECT_EQ(c.etag("k"), "not_found");
  EXPECT_EQ(pendings(c, "k"), 0u);
  c.stop();
  c.start({0});  // with the drive that it came to
  EXPECT_EQ(c.etag("k"), "not_found");
}

TEST(Leader, ADriveThatWasNotToldToForgetIsToldLater) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  c.rest(100ms);
  c.drives[1]->faults.lose_settles = true;
  ASSERT_TRUE(c.commit(remove("k")));
  c.rest(100ms);
  EXPECT_EQ(c.holders("k"), 1u);
  EXPECT_EQ(c.etag("k"), "not_found");
  c.drives[1]->faults.lose_settles = false;
  c.rest(200s);  // its pending is seen twice
  EXPECT_EQ(c.holders("k"), 0u);
  EXPECT_EQ(c.etag("k"), "not_found");
}

TEST(Leader, RepairOfAnEmptyUnitLeavesNothing) {
  Cluster c(k22);
  for (const std::size_t i : {0u, 1u, 2u}) c.drives[i]->faults.lose_mutates = 1;
  // A value that is passed over, and stays on one drive.
  EXPECT_FALSE(c.commit(c.put_inline("k", "a", "data")));
  c.rest(1s);
  EXPECT_EQ(c.etag("k"), "not_found");
  EXPECT_EQ(c.holders("k"), 1u);
  // Slower than the leader gathers what is settled: the drives forget while they are looked at.
  for (auto& drive : c.drives) drive->faults.delay = 10ms;
  const auto whole = c.executor.run(c.store->repair(Cluster::unit("k")));
  EXPECT_TRUE(whole && *whole);
  c.rest(100ms);
  EXPECT_EQ(c.etag("k"), "not_found");
  EXPECT_EQ(c.holders("k"), 0u);
}

TEST(Leader, AHeadThatOthersHaveForgottenGoesToo) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  ASSERT_TRUE(c.commit(remove("k")));
  c.rest(100ms);
  ASSERT_EQ(c.holders("k"), 0u);
  c.disks[3]->units[Cluster::unit("k")].state.settled_head = model::Stamp{1, 2};
  c.rest(200s);  // the look for leftovers
  EXPECT_EQ(c.holders("k"), 0u);
  EXPECT_EQ(c.etag("k"), "not_found");
}

TEST(Leader, AHeadStaysWhileADriveIsAway) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  c.rest(100ms);
  c.drives[0]->faults.out_of_service = true;
  ASSERT_TRUE(c.commit(remove("k")));
  c.rest(30s);
  EXPECT_EQ(c.holders("k"), 4u);  // three heads, and the old value
  c.stop();
  c.start();
  EXPECT_EQ(c.etag("k"), "not_found");
}

TEST(Leader, GuardsAreCheckedAndRemoved) {
  Cluster c(k22);
  const model::UploadId upload = c.random.id<model::UploadId>();
  const auto unit = model::UnitKey::upload(model::BucketId{1}, "k", upload);
  Commit create = c.put("k", "upload");
  create.unit = unit;
  const auto created = c.commit(create);
  ASSERT_TRUE(created);
  Commit complete = c.put("k", "done");
  complete.guards.push_back({unit, model::Stamp{1, 99}, true});
  EXPECT_EQ(c.commit(complete).code(), Code::conflict);
  complete.guards[0].stamp = created->stamp;
  ASSERT_TRUE(c.commit(complete));
  EXPECT_EQ(c.executor.run(c.store->find(unit, {})).code(), Code::not_found);
  EXPECT_TRUE(c.commit(complete));  // repeated: the first outcome, though the upload is gone
  EXPECT_EQ(c.etag("k"), "done");
}

TEST(Leader, AnEmptyDriveTakesASlotAndIsRebuilt) {
  Cluster c(k22);
  const std::string data(3000, 'r');
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(c.commit(c.put_inline("k" + std::to_string(i), "a", data)));
  c.rest(100ms);
  c.drives[1]->faults.out_of_service = true;
  c.disks[1] = c.new_disk();
  c.drives[1] = std::make_shared<testing::MemoryDrive>(c.disks[1]);
  const auto attached = c.executor.run(c.store->attach(1, c.drives[1]));
  ASSERT_TRUE(attached) << attached.error().message;
  EXPECT_EQ(c.store->map().epoch, model::MapEpoch{2});
  EXPECT_FALSE(c.store->rebuilding().empty());
  EXPECT_EQ(c.etag("k0"), "a");  // the empty one is not believed
  ASSERT_TRUE(c.commit(c.put("new", "b")));
  for (int i = 0; i < 5; ++i) {
    const auto whole = c.executor.run(c.store->repair(Cluster::unit("k" + std::to_string(i))));
    ASSERT_TRUE(whole && *whole);
  }
  for (const auto& [partition, drive] : c.store->rebuilding()) {
    ASSERT_TRUE(c.executor.run(c.store->finish_rebuild(partition, drive)));
  }
  EXPECT_TRUE(c.store->rebuilding().empty());
  for (const std::size_t i : {0u, 2u}) c.drives[i]->faults.out_of_service = true;
  EXPECT_EQ(*c.read("k3"), data);
  for (const std::size_t i : {0u, 2u}) c.drives[i]->faults.out_of_service = false;
  c.stop();
  c.start();
  EXPECT_EQ(c.etag("new"), "b");
}

TEST(Scan, ListsInOrderOverPages) {
  Cluster c(k42);
  std::vector<std::string> keys;
  for (int i = 100; i < 180; ++i) {
    keys.push_back("k" + std::to_string(i));
    ASSERT_TRUE(c.commit(c.put(keys.back(), "e")));
  }
  for (auto& drive : c.drives) drive->page_max = 7;
  ScanRequest request;
  request.max_units = 9;
  EXPECT_EQ(c.list(request), keys);
  c.rest(1s);
  EXPECT_EQ(c.list(request), keys);
}

TEST(Scan, SeesWhatADriveMissedAndNotWhatItKept) {
  Cluster c(k22);
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(c.commit(c.put(key, "1")));
  c.rest(100ms);
  c.drives[0]->faults.lose_mutates = 3;
  ASSERT_TRUE(c.commit(c.put("bb", "1")));
  ASSERT_TRUE(c.commit(remove("b")));
  ASSERT_TRUE(c.commit(c.put("c", "2")));
  const std::vector<std::string> expected{"a", "bb", "c"};
  EXPECT_EQ(c.list(), expected);
  c.stop();
  c.start();
  EXPECT_EQ(c.list(), expected);
  EXPECT_EQ(c.etag("c"), "2");
}

// Which common prefixes there are must not depend on what single drives believe: one missed puts
// and deletes, and takes for the first of its group what is gone.
TEST(Scan, RollsUpByWhatIsAgreedNotByWhatADriveBelieves) {
  for (unsigned missing = 0; missing < 4; ++missing) {
    Cluster c(k22);
    for (const char* key : {"a/1", "a/2", "b/1", "c/1", "c/2", "d/2", "e"})
      ASSERT_TRUE(c.commit(c.put(key, "1")));
    c.rest(100ms);
    c.drives[missing]->faults.lose_mutates = 6;
    ASSERT_TRUE(c.commit(remove("a/1")));      // a/ stays, for a/2
    ASSERT_TRUE(c.commit(remove("b/1")));      // b/ goes
    ASSERT_TRUE(c.commit(c.put("c/1", "2")));  // c/ stays
    ASSERT_TRUE(c.commit(c.put("d/1", "1")));  // d/ stays
    ASSERT_TRUE(c.commit(c.put("f/1", "1")));  // f/ is new
    ASSERT_TRUE(c.commit(remove("f/1")));      // and goes again
    for (const std::size_t size : {1u, 3u, 100u}) {
      ScanRequest request;
      request.max_units = size;
      request.groups = drive::ScanRequest::Groups{
          "/", model::range_begin(model::UnitKind::object, model::BucketId{1}, "").size()};
      std::vector<std::string> groups;
      for (const std::string& key : c.list(request)) {
        std::string group = key.substr(0, key.find('/') + 1);
        if (groups.empty() || groups.back() != group) groups.push_back(std::move(group));
      }
      EXPECT_EQ(groups, (std::vector<std::string>{"a/", "c/", "d/", ""})) << missing << " " << size;
    }
  }
}

TEST(Scan, APageIsOneCallPerDriveAsked) {
  Cluster c(k22);
  for (int i = 100; i < 200; ++i) ASSERT_TRUE(c.commit(c.put("k" + std::to_string(i), "e")));
  c.rest(1s);
  for (auto& drive : c.drives) drive->scans = 0;
  ScanRequest request;
  request.begin = model::range_begin(model::UnitKind::object, model::BucketId{1}, "");
  request.end = model::range_end(model::UnitKind::object, model::BucketId{1}, "");
  request.max_units = 50;
  const auto page = c.executor.run(c.store->scan(request));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->units.size(), 50u);
  EXPECT_FALSE(page->exhausted);
  EXPECT_EQ(page->resume, Cluster::unit("k150").encoded());
  std::uint64_t scans = 0;
  for (auto& drive : c.drives) scans += drive->scans;
  EXPECT_EQ(scans, 2u);  // R
}

TEST(Scan, DeleteMarkersHideAndAFailingDriveIsReplaced) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("a", "1", Versioning::enabled)));
  ASSERT_TRUE(c.commit(c.put("b", "1", Versioning::enabled)));
  Commit marker = c.put("a", "", Versioning::enabled);
  std::get<PutVersion>(marker.intent).record.delete_marker = true;
  ASSERT_TRUE(c.commit(marker));
  EXPECT_EQ(c.list(), std::vector<std::string>{"b"});
  ScanRequest with_markers;
  with_markers.include_delete_markers = true;
  EXPECT_EQ(c.list(with_markers).size(), 2u);
  c.drives[0]->faults.out_of_service = true;
  EXPECT_EQ(c.list(), std::vector<std::string>{"b"});
  for (const std::size_t i : {1u, 2u}) c.drives[i]->faults.out_of_service = true;
  EXPECT_EQ(c.list(), std::vector<std::string>{"unavailable"});  // never an early end
}

TEST(Slow, AHangingDriveIsNotWaitedFor) {
  Cluster c(k22);
  ASSERT_TRUE(c.commit(c.put("k", "a")));
  c.drives[1]->faults.delay = 60s;
  const auto before = c.executor.now();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(c.commit(c.put("k" + std::to_string(i), "b")));
  // The first few wait for the straggler; then it is suspect and nobody waits.
  EXPECT_LT(c.executor.now() - before, 3s);
  EXPECT_EQ(c.etag("k3"), "b");
  EXPECT_EQ(c.list().size(), 11u);
  c.drives[1]->faults.delay = 0s;
  c.rest(70s);
  ASSERT_TRUE(c.commit(c.put("k", "c")));
  c.rest(100ms);
  EXPECT_EQ(c.holders("k"), 4u);
}

TEST(Slow, ADriveThatIsAlwaysLateIsNotWaitedFor) {
  Cluster c(k22);
  c.drives[1]->faults.delay = c.options.straggler_deadline + 200ms;
  const auto before = c.executor.now();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(c.commit(c.put("k" + std::to_string(i), "b")));
  // It answers everything in the end; the first few writes wait for that, the others do not.
  EXPECT_LT(c.executor.now() - before, 3s);
  c.rest(5s);
  EXPECT_EQ(c.holders("k19"), 4u);
  // Prompt again, it is waited for again: the write is on all of them when it is answered.
  c.drives[1]->faults.delay = 0s;
  ASSERT_TRUE(c.commit(c.put("k", "c")));
  c.drives[1]->faults.delay = 100ms;
  ASSERT_TRUE(c.commit(c.put("again", "c")));
  EXPECT_EQ(c.holders("again"), 4u);
}

}  // namespace
}  // namespace cairn::store
