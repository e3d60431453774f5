// Placement: which drives hold a key. Pure functions of (map, key); never the standard library's hashing or shuffling.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "model/profile.h"
#include "model/unit_key.h"

namespace cairn::placement {

struct Member {
  model::DriveId drive{};
  model::MapEpoch since{};   // map epoch at which it took this slot
  bool rebuilding = false;   // joined and not yet complete
  bool operator==(const Member&) const = default;
};

// One partition's drives: slot i holds shard i.
struct Entry {
  std::vector<Member> members{};
  bool operator==(const Entry&) const = default;
};

struct Map {
  model::MapEpoch epoch{};
  model::ErasureProfile profile{};
  std::vector<Entry> partitions{};   // size is a power of two, fixed at creation

  model::PartitionId partition_of(const model::UnitKey& unit) const;  // XXH3 of the lock key
  const Entry& entry(model::PartitionId p) const { return partitions[p.value]; }
  bool operator==(const Map&) const = default;
};

inline constexpr std::size_t kDefaultPartitions = 256;

// The partition of a lock key (model::UnitKey::lock_key), for whoever has no map. `partitions` is a power of two.
model::PartitionId partition_of(std::string_view lock_key, std::size_t partitions);

struct DriveWeight {
  model::DriveId drive{};
  double weight = 1.0;       // capacity
  std::string node{};        // failure domain
};

// A map over `drives` (at least profile.drives()), by weighted rendezvous hashing per partition; slots are rotated so
// that data and parity spread evenly. No node gets more slots of a partition than it must. Deterministic, on every
// platform and for good. The order of `drives` matters: a drive that comes later is appended, so that the others keep
// most of their slots. invalid_argument: too few drives, one twice, a weight that is no positive number, or a number of
// partitions that is no power of two up to 65536.
Result<Map> compute_map(model::MapEpoch epoch, model::ErasureProfile profile, std::size_t partitions,
                        const std::vector<DriveWeight>& drives);
// The map after `old_drive` is replaced by `new_drive` in all its slots: nothing else moves. The new members are
// rebuilding, their `since` is the new epoch. REQUIRES: new_drive has no slot yet.
Map replace_drive(const Map& map, model::DriveId old_drive, model::DriveId new_drive);

std::string encode_map(const Map& map);            // versioned envelope, docs/format/map.md
Result<Map> decode_map(std::string_view bytes);    // corrupt
std::string encode_entry(const Entry& entry);
Result<Entry> decode_entry(std::string_view bytes);  // corrupt

}  // namespace cairn::placement
