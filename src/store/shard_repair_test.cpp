// Rebuilding and checking shards.
#include "store/shard_repair.h"

#include <gtest/gtest.h>

#include "store/testing/data_fixture.h"

namespace cairn::store::testing {
namespace {

const model::UnitKey kUnit = model::UnitKey::object(model::BucketId{1}, "key");

struct RepairCell : Cell {
  explicit RepairCell(model::ErasureProfile profile) : Cell(profile) { publish(view); }
  void publish(std::shared_ptr<const PartitionView> v) {
    placement::Map map;
    map.profile = v->profile;
    map.partitions.resize(1);
    members.publish(map, {v});
  }
  Result<void> rebuild(const model::DataPart& part, unsigned slot) {
    return executor.run(repair.rebuild_blob(kUnit, part, slot));
  }
  ShardRebuilder::Finding check(const model::DataPart& part, bool is_inline, unsigned slot) {
    auto checked = executor.run(repair.check(kUnit, part, is_inline, slot));
    EXPECT_TRUE(checked);
    return checked->finding;
  }
  Members members;
  ShardRepair repair{*memory, members, options};
};

using Finding = ShardRebuilder::Finding;

class RepairProfiles : public ::testing::TestWithParam<model::ErasureProfile> {};
INSTANTIATE_TEST_SUITE_P(Profiles, RepairProfiles, ::testing::ValuesIn(kProfiles),
                         [](const auto& i) {
                           return std::to_string(i.param.data) + "_" +
                                  std::to_string(i.param.parity);
                         });

TEST_P(RepairProfiles, EveryShardIsRebuiltBitForBit) {
  if (GetParam().parity == 0) GTEST_SKIP() << "without parity nothing can be rebuilt";
  RepairCell cell(GetParam());
  const auto put = cell.put(random_bytes(700'001));
  ASSERT_TRUE(put);
  const model::DataPart part = put->record.data;
  for (unsigned slot = 0; slot < GetParam().drives(); ++slot) {
    const drive::BlobName name{part.data_id, static_cast<std::uint8_t>(slot)};
    const std::string original = cell.drives[slot]->blobs[name];
    // Missing.
    cell.drives[slot]->blobs.clear();
    EXPECT_EQ(cell.check(part, false, slot), Finding::missing);
    ASSERT_TRUE(cell.rebuild(part, slot));
    EXPECT_TRUE(cell.drives[slot]->blobs[name] == original);
    // Damaged in its last block.
    cell.drives[slot]->bad_blocks.insert({name, (original.size() - 1) / drive::kShardBlockBytes});
    EXPECT_EQ(cell.check(part, false, slot), Finding::damaged);
    ASSERT_TRUE(cell.rebuild(part, slot));
    EXPECT_EQ(cell.check(part, false, slot), Finding::whole);
    // Cut short, with checksums that hold.
    cell.drives[slot]->blobs[name].pop_back();
    EXPECT_EQ(cell.check(part, false, slot), Finding::damaged);
    ASSERT_TRUE(cell.rebuild(part, slot));
    EXPECT_TRUE(cell.drives[slot]->blobs[name] == original);
    EXPECT_EQ(cell.drives[slot]->quarantined, 2u);
    // Whole: left alone.
    ASSERT_TRUE(cell.rebuild(part, slot));
    EXPECT_EQ(cell.drives[slot]->quarantined, 2u);
  }
  EXPECT_EQ(cell.memory->used(), 0u);
}

TEST_P(RepairProfiles, EveryInlineShardIsRebuiltBitForBit) {
  if (GetParam().parity == 0) GTEST_SKIP() << "without parity nothing can be rebuilt";
  RepairCell cell(GetParam());
  const auto put = cell.put(random_bytes(9'001));
  ASSERT_TRUE(put);
  cell.commit(*put);
  const model::DataPart part = put->record.data;
  for (unsigned slot = 0; slot < GetParam().drives(); ++slot) {
    const std::string original = cell.drives[slot]->inlined[part.data_id];
    cell.drives[slot]->bad_inline.insert(part.data_id);
    EXPECT_EQ(cell.check(part, true, slot), Finding::damaged);
    const auto bytes = cell.executor.run(cell.repair.rebuild_inline(kUnit, part, slot));
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(io::as_text(bytes->bytes), original);
    EXPECT_EQ(cell.check(part, true, slot),
              Finding::missing);  // quarantined; the install brings the new one
    cell.drives[slot]->inlined[part.data_id] = original;
    EXPECT_EQ(cell.check(part, true, slot), Finding::whole);
  }
}

TEST(ShardRepair, TooFewShardsNowIsToldFromTooFewForGood) {
  RepairCell cell({2, 2});
  const auto put = cell.put(random_bytes(300'000));
  ASSERT_TRUE(put);
  const model::DataPart part = put->record.data;
  cell.drives[0]->blobs.clear();
  cell.drives[1]->blobs.clear();
  cell.drives[2]->faults.out_of_service = true;
  auto rebuilt = cell.rebuild(part, 0);
  ASSERT_FALSE(rebuilt);
  EXPECT_EQ(rebuilt.code(), Code::unavailable);
  cell.drives[2]->faults.out_of_service = false;
  cell.drives[2]->blobs.clear();
  rebuilt = cell.rebuild(part, 0);
  ASSERT_FALSE(rebuilt);
  EXPECT_EQ(rebuilt.code(), Code::corrupt);
  EXPECT_TRUE(cell.drives[0]->blobs.empty());
}

TEST(ShardRepair, TooFewInlineShardsNowIsToldFromTooFewForGood) {
  RepairCell cell({2, 2});
  const auto put = cell.put(random_bytes(3'000));
  ASSERT_TRUE(put);
  cell.commit(*put);
  const model::DataPart part = put->record.data;
  cell.drives[0]->inlined.clear();
  cell.drives[1]->inlined.clear();
  cell.drives[2]->faults.out_of_service = true;
  auto rebuilt = cell.executor.run(cell.repair.rebuild_inline(kUnit, part, 0));
  ASSERT_FALSE(rebuilt);
  EXPECT_EQ(rebuilt.code(), Code::unavailable);
  cell.drives[2]->faults.out_of_service = false;
  cell.drives[2]->inlined.clear();
  rebuilt = cell.executor.run(cell.repair.rebuild_inline(kUnit, part, 0));
  ASSERT_FALSE(rebuilt);
  EXPECT_EQ(rebuilt.code(), Code::corrupt);
}

TEST(ShardRepair, TheShardOfAFormerMemberServes) {
  RepairCell cell({2, 1});
  const auto put = cell.put(random_bytes(300'000));
  ASSERT_TRUE(put);
  const model::DataPart part = put->record.data;
  // Slot 0 moved to an empty drive; one more is away, so that only the former member makes up the
  // quorum of shards.
  auto moved = std::make_shared<PartitionView>(*cell.view);
  auto fresh = std::make_shared<DataDrive>(std::uint8_t{50});
  moved->sources.push_back({0, moved->members[0].device});
  moved->members[0].id = fresh->id();
  moved->members[0].device = std::make_shared<Device>(fresh->id(), "", fresh, "");
  moved->members[0].rebuilding = true;
  cell.view = moved;
  cell.publish(moved);
  cell.drives[1]->faults.out_of_service = true;
  const Found found = cell.commit(*put);
  const auto back = cell.read(found);
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_TRUE(*back == random_bytes(300'000));
  EXPECT_TRUE(cell.damage.empty());  // what a rebuilding member lacks is not damage
  ASSERT_TRUE(cell.rebuild(part, 0));
  EXPECT_TRUE(fresh->blobs == cell.drives[0]->blobs);
}

TEST(ShardRepair, ADriveThatFailsWhileItIsRebuiltIsNotCalledWhole) {
  RepairCell cell({2, 1});
  const auto put = cell.put(random_bytes(900'000));
  ASSERT_TRUE(put);
  cell.drives[0]->blobs.clear();
  cell.drives[0]->faults.append_fails_after = 100'000;
  EXPECT_FALSE(cell.rebuild(put->record.data, 0));
  cell.drives[0]->faults = {};
  cell.drives[0]->faults.write_delay = std::chrono::hours(1);
  const auto late = cell.rebuild(put->record.data, 0);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.code(), Code::timeout);
}

TEST(ShardRepair, DamageIsPutAsideOnlyWhenItCanBeMadeGood) {
  RepairCell cell({2, 1});
  const auto put = cell.put(random_bytes(900'000));
  ASSERT_TRUE(put);
  const model::DataPart part = put->record.data;
  const drive::BlobName name{part.data_id, 0};
  const auto aside = [&](bool is_inline) {
    return cell.executor.run(cell.repair.put_aside(kUnit, part, is_inline, 0));
  };
  auto done = aside(false);
  ASSERT_TRUE(done);
  EXPECT_FALSE(*done) << "a whole shard was put aside";
  cell.drives[0]->bad_blocks.insert({name, 2});
  cell.drives[1]->faults.out_of_service = true;
  done = aside(false);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.code(), Code::unavailable);
  EXPECT_TRUE(cell.drives[0]->blobs.contains(name))
      << "its other blocks are needed until k others are there";
  EXPECT_FALSE(cell.rebuild(part, 0));
  EXPECT_TRUE(cell.drives[0]->blobs.contains(name));
  cell.drives[1]->faults.out_of_service = false;
  done = aside(false);
  ASSERT_TRUE(done);
  EXPECT_TRUE(*done);
  EXPECT_EQ(cell.drives[0]->quarantined, 1u);
  // Missing: the drive is told all the same, it may not know.
  done = aside(false);
  ASSERT_TRUE(done);
  EXPECT_TRUE(*done);
  EXPECT_EQ(cell.drives[0]->quarantined, 2u);
}

TEST(ShardRepair, ALyingShardIsFoundByComparing) {
  RepairCell cell({4, 2});
  const auto put = cell.put(random_bytes(900'000));
  ASSERT_TRUE(put);
  const model::DataPart part = put->record.data;
  auto compared = cell.executor.run(cell.repair.compare(kUnit, part, false));
  ASSERT_TRUE(compared) << compared.error().message;
  EXPECT_TRUE(compared->consistent);
  EXPECT_GE(compared->bytes, 900'000u);
  for (unsigned slot = 0; slot < 6; ++slot) {
    std::string& shard = cell.drives[slot]->blobs.begin()->second;
    shard[shard.size() - 2] ^= 1;  // its checksum holds all the same
    compared = cell.executor.run(cell.repair.compare(kUnit, part, false));
    shard[shard.size() - 2] ^= 1;
    ASSERT_TRUE(compared);
    EXPECT_FALSE(compared->consistent);
    EXPECT_EQ(compared->odd, slot);
  }
  // Two that lie in different places: putting one aside would rebuild it from the other.
  std::string& first = cell.drives[0]->blobs.begin()->second;
  std::string& second = cell.drives[3]->blobs.begin()->second;
  first.front() ^= 1;
  second.back() ^= 1;
  compared = cell.executor.run(cell.repair.compare(kUnit, part, false));
  ASSERT_TRUE(compared);
  EXPECT_FALSE(compared->consistent);
  EXPECT_EQ(compared->odd, std::nullopt);
  first.front() ^= 1;
  second.back() ^= 1;
  // Condemned and made anew.
  second.back() ^= 1;
  ASSERT_TRUE(cell.executor.run(cell.repair.condemn(kUnit, part, false, 3)));
  EXPECT_EQ(cell.check(part, false, 3), Finding::missing);
  ASSERT_TRUE(cell.rebuild(part, 3));
  compared = cell.executor.run(cell.repair.compare(kUnit, part, false));
  ASSERT_TRUE(compared);
  EXPECT_TRUE(compared->consistent);
  // With as many shards as it takes to notice, but not to tell which.
  cell.drives[5]->faults.out_of_service = true;
  cell.drives[1]->blobs.begin()->second[0] ^= 1;
  compared = cell.executor.run(cell.repair.compare(kUnit, part, false));
  ASSERT_TRUE(compared);
  EXPECT_FALSE(compared->consistent);
  EXPECT_EQ(compared->odd, std::nullopt);
}

}  // namespace
}  // namespace cairn::store::testing
