#include "placement/placement.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "crypto/digest.h"

namespace cairn::placement {
namespace {

using model::DriveId;
using model::ErasureProfile;
using model::MapEpoch;

DriveId drive(unsigned i) {
  DriveId id;
  const auto hash = crypto::xxh3_64(as_bytes("drive"), i);
  std::memcpy(id.bytes.data(), &hash, 8);
  id.bytes[15] = static_cast<std::uint8_t>(i);
  return id;
}

std::vector<DriveWeight> drives(unsigned count, unsigned per_node = 0) {
  std::vector<DriveWeight> out;
  for (unsigned i = 0; i < count; ++i)
    out.push_back({drive(i), 1.0, per_node != 0 ? "node" + std::to_string(i / per_node) : ""});
  return out;
}

Map map_of(ErasureProfile profile, const std::vector<DriveWeight>& list,
           std::size_t partitions = kDefaultPartitions) {
  auto map = compute_map(MapEpoch{1}, profile, partitions, list);
  EXPECT_TRUE(map.has_value());
  return *map;
}

std::map<DriveId, unsigned> slots_per_drive(const Map& map) {
  std::map<DriveId, unsigned> out;
  for (const auto& entry : map.partitions)
    for (const auto& member : entry.members) ++out[member.drive];
  return out;
}

TEST(Placement, EveryPartitionHasDistinctDrives) {
  for (unsigned count = 1; count <= 20; ++count) {
    const auto profile = ErasureProfile::for_drives(count);
    const auto map = map_of(profile, drives(count));
    ASSERT_EQ(map.partitions.size(), kDefaultPartitions);
    for (const auto& entry : map.partitions) {
      ASSERT_EQ(entry.members.size(), profile.drives());
      std::set<DriveId> distinct;
      for (const auto& m : entry.members) {
        distinct.insert(m.drive);
        EXPECT_EQ(m.since, MapEpoch{1});
        EXPECT_FALSE(m.rebuilding);
      }
      EXPECT_EQ(distinct.size(), entry.members.size());
    }
  }
}

TEST(Placement, SlotsRotateEvenlyWhenAllDrivesAreUsed) {
  const auto map = map_of({12, 4}, drives(16));
  std::map<std::pair<DriveId, std::size_t>, unsigned> seen;
  for (const auto& entry : map.partitions)
    for (std::size_t slot = 0; slot < entry.members.size(); ++slot)
      ++seen[{entry.members[slot].drive, slot}];
  EXPECT_EQ(seen.size(), 16u * 16u);
  for (const auto& [key, count] : seen) EXPECT_EQ(count, kDefaultPartitions / 16);
}

TEST(Placement, BalancedByWeight) {
  auto list = drives(20);
  for (unsigned i = 10; i < 20; ++i) list[i].weight = 2.0;
  const auto map = map_of({2, 1}, list, 8192);
  const auto slots = slots_per_drive(map);
  const double unit = 8192.0 * 3 / 30;
  for (unsigned i = 0; i < 20; ++i)
    EXPECT_NEAR(slots.at(drive(i)), unit * list[i].weight, unit * list[i].weight * 0.12) << i;
}

TEST(Placement, DataAndParityAreSpreadWithSpareDrives) {
  const auto map = map_of({4, 2}, drives(9), 4096);
  std::map<DriveId, unsigned> parity;
  for (const auto& entry : map.partitions)
    for (std::size_t slot = 4; slot < 6; ++slot) ++parity[entry.members[slot].drive];
  for (unsigned i = 0; i < 9; ++i)
    EXPECT_NEAR(parity[drive(i)], 4096 * 2 / 9.0, 4096 * 2 / 9.0 * 0.2);
}

TEST(Placement, NodesShareEachPartitionAsEvenlyAsTheyCan) {
  const auto most_per_node = [](const Map& map, const std::vector<DriveWeight>& list) {
    std::map<DriveId, std::string> node_of;
    for (const auto& d : list) node_of[d.drive] = d.node;
    unsigned most = 0;
    for (const auto& entry : map.partitions) {
      std::map<std::string, unsigned> count;
      for (const auto& m : entry.members) most = std::max(most, ++count[node_of[m.drive]]);
    }
    return most;
  };
  const auto six = drives(12, 2);  // 6 nodes
  EXPECT_EQ(most_per_node(map_of({4, 2}, six), six), 1u);
  const auto four = drives(16, 4);  // 4 nodes
  EXPECT_EQ(most_per_node(map_of({4, 2}, four), four), 2u);
  // One node of one drive beside one of seven: the second takes what the first cannot.
  auto uneven = drives(8);
  for (unsigned i = 0; i < 8; ++i) uneven[i].node = i == 0 ? "small" : "large";
  EXPECT_EQ(most_per_node(map_of({4, 2}, uneven), uneven), 5u);
}

TEST(Placement, ADriveMoreMovesLittle) {
  constexpr std::size_t partitions = 2048;
  for (const unsigned count : {7u, 12u, 30u}) {
    const auto before = map_of({4, 2}, drives(count), partitions);
    const auto after = map_of({4, 2}, drives(count + 1), partitions);
    std::size_t moved = 0, members_changed = 0;
    for (std::size_t p = 0; p < partitions; ++p) {
      std::set<DriveId> old_members;
      for (std::size_t slot = 0; slot < 6; ++slot) {
        old_members.insert(before.partitions[p].members[slot].drive);
        moved +=
            before.partitions[p].members[slot].drive != after.partitions[p].members[slot].drive;
      }
      std::size_t changed = 0;
      for (const auto& m : after.partitions[p].members) {
        if (old_members.contains(m.drive)) continue;
        ++changed;
        EXPECT_EQ(m.drive, drive(count));  // nothing moves between drives that were there
      }
      EXPECT_LE(changed, 1u);
      members_changed += changed;
    }
    const double ideal = partitions * 6.0 / (count + 1);
    EXPECT_NEAR(static_cast<double>(members_changed), ideal, ideal * 0.15);
    EXPECT_LT(static_cast<double>(moved), ideal * 2.5);
  }
}

TEST(Placement, IsPinned) {
  // Computed by the first version: a node that computes another map would look for data on the
  // wrong drives.
  auto list = drives(9, 2);
  list[3].weight = 3.5;
  const auto bytes = encode_map(map_of({4, 2}, list));
  EXPECT_EQ(crypto::xxh3_64(as_bytes(bytes)), 14693095866568719114ull);
  const auto map = map_of({4, 2}, list);
  EXPECT_EQ(map.partition_of(model::UnitKey::object(model::BucketId{7}, "a/key")).value, 129u);
}

TEST(Placement, PartitionIsThatOfTheLockKeyAndSpread) {
  const auto map = map_of({1, 0}, drives(1));
  std::vector<unsigned> count(kDefaultPartitions);
  for (int i = 0; i < 25'600; ++i) {
    const auto key = "k" + std::to_string(i);
    const auto p = map.partition_of(model::UnitKey::object(model::BucketId{1}, key));
    EXPECT_EQ(p,
              map.partition_of(model::UnitKey::upload(model::BucketId{1}, key, model::UploadId{})));
    EXPECT_EQ(
        p, map.partition_of(model::UnitKey::part(model::BucketId{1}, key, model::UploadId{}, 3)));
    ++count[p.value];
  }
  for (const auto c : count) EXPECT_NEAR(c, 100, 60);
}

TEST(Placement, RefusesWhatCannotBe) {
  const auto refused = [](ErasureProfile profile, std::size_t partitions,
                          const std::vector<DriveWeight>& list) {
    const auto map = compute_map(MapEpoch{1}, profile, partitions, list);
    return !map && map.code() == Code::invalid_argument;
  };
  EXPECT_TRUE(refused({4, 2}, 256, drives(5)));
  EXPECT_TRUE(refused({1, 0}, 0, drives(1)));
  EXPECT_TRUE(refused({1, 0}, 100, drives(1)));
  EXPECT_TRUE(refused({1, 0}, 1u << 17, drives(1)));
  EXPECT_TRUE(refused({0, 1}, 256, drives(3)));
  auto twice = drives(2);
  twice[1].drive = twice[0].drive;
  EXPECT_TRUE(refused({1, 0}, 256, twice));
  for (const double weight : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN()}) {
    auto odd = drives(2);
    odd[1].weight = weight;
    EXPECT_TRUE(refused({1, 0}, 256, odd));
  }
  // Weights of any size are relative.
  auto huge = drives(3);
  for (auto& d : huge) d.weight = 1e300;
  huge[0].weight = 1e-300;
  EXPECT_EQ(map_of({1, 2}, huge).partitions.size(), 256u);
}

TEST(ReplaceDrive, ChangesOnlyItsSlots) {
  const auto map = map_of({2, 2}, drives(6));
  const auto next = replace_drive(map, drive(2), drive(100));
  EXPECT_EQ(next.epoch, MapEpoch{2});
  unsigned replaced = 0;
  for (std::size_t p = 0; p < map.partitions.size(); ++p)
    for (std::size_t slot = 0; slot < 4; ++slot) {
      const auto& before = map.partitions[p].members[slot];
      const auto& after = next.partitions[p].members[slot];
      if (before.drive == drive(2)) {
        EXPECT_EQ(after, (Member{drive(100), MapEpoch{2}, true}));
        ++replaced;
      } else {
        EXPECT_EQ(after, before);
      }
    }
  EXPECT_EQ(replaced, slots_per_drive(map).at(drive(2)));
}

TEST(MapCodec, RoundTripAndEveryCutAndFlip) {
  const auto map = replace_drive(map_of({2, 1}, drives(4), 16), drive(1), drive(77));
  const auto bytes = encode_map(map);
  EXPECT_EQ(*decode_map(bytes), map);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(decode_map(std::string_view(bytes).substr(0, n)).code(), Code::corrupt);
    auto flipped = bytes;
    flipped[n] = static_cast<char>(flipped[n] ^ 0x10);
    EXPECT_EQ(decode_map(flipped).code(), Code::corrupt);
  }
}

TEST(EntryCodec, RoundTripAndCuts) {
  const auto map = replace_drive(map_of({2, 1}, drives(3), 1), drive(1), drive(77));
  const auto bytes = encode_entry(map.partitions[0]);
  EXPECT_EQ(*decode_entry(bytes), map.partitions[0]);
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(decode_entry(std::string_view(bytes).substr(0, n)).has_value());
  EXPECT_FALSE(decode_entry(bytes + "x").has_value());
}

}  // namespace
}  // namespace cairn::placement
