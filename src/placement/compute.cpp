// Maps: weighted rendezvous hashing in integers, so that every compiler and processor computes the
// same map.
#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>

#include "base/assert.h"
#include "crypto/digest.h"
#include "placement/placement.h"

namespace cairn::placement {
namespace {

__extension__ typedef unsigned __int128 Wide;

constexpr std::size_t kMaxPartitions = 65'536;
constexpr int kFractionBits = 40;
constexpr std::uint64_t kWeightUnit = 1u << 20;

// -log2(h / 2^64) with kFractionBits bits after the point; above zero.
std::uint64_t negative_log2(std::uint64_t h) {
  if (h == 0) h = 1;
  const auto zeros = static_cast<unsigned>(std::countl_zero(h));
  // mantissa / 2^63 is in [1, 2). Squaring it doubles its logarithm: each time, one bit comes out.
  std::uint64_t mantissa = h << zeros, fraction = 0;
  for (int bit = 0; bit < kFractionBits; ++bit) {
    const Wide square = static_cast<Wide>(mantissa) * mantissa;  // in [2^126, 2^128)
    const bool one = (square >> 127) != 0;
    fraction = fraction << 1 | (one ? 1 : 0);
    mantissa = static_cast<std::uint64_t>(square >> (one ? 64 : 63));
  }
  return (static_cast<std::uint64_t>(zeros + 1) << kFractionBits) - fraction;
}

std::uint64_t hash_of(model::DriveId drive, std::uint32_t partition) {
  std::array<std::uint8_t, 20> input;
  std::copy(drive.bytes.begin(), drive.bytes.end(), input.begin());
  for (std::size_t i = 0; i < 4; ++i)
    input[16 + i] = static_cast<std::uint8_t>(partition >> (8 * (3 - i)));
  return crypto::xxh3_64(std::as_bytes(std::span(input)));
}

// What the computation needs of one drive.
struct Candidate {
  model::DriveId drive{};
  std::uint64_t weight = 0;  // 1 to kWeightUnit
  std::size_t node = 0;
  std::size_t index = 0;  // in the caller's list
};

Result<std::vector<Candidate>> candidates_of(const std::vector<DriveWeight>& drives) {
  double heaviest = 0;
  for (const auto& d : drives) {
    if (!std::isfinite(d.weight) || d.weight <= 0)
      return Error{Code::invalid_argument, "a drive's weight is a positive number"};
    heaviest = std::max(heaviest, d.weight);
  }
  std::vector<Candidate> out;
  std::unordered_map<std::string, std::size_t> nodes;
  std::unordered_map<model::DriveId, std::size_t> seen;
  for (const auto& d : drives) {
    if (!seen.try_emplace(d.drive, 0).second)
      return Error{Code::invalid_argument, "drive " + d.drive.hex() + " is named twice"};
    // One rounded division and one multiplication by a power of two: the same on every IEEE
    // machine.
    const auto scaled =
        static_cast<std::uint64_t>(d.weight / heaviest * static_cast<double>(kWeightUnit));
    out.push_back({d.drive, std::max<std::uint64_t>(scaled, 1),
                   nodes.try_emplace(d.node, nodes.size()).first->second, out.size()});
  }
  return out;
}

// Candidates from the most to the least wanted for `partition`: an exponential draw with rate
// `weight` for each.
std::vector<const Candidate*> ranking(const std::vector<Candidate>& candidates,
                                      std::uint32_t partition) {
  struct Ranked {
    std::uint64_t cost;
    const Candidate* candidate;
  };
  std::vector<Ranked> ranked;
  ranked.reserve(candidates.size());
  for (const auto& c : candidates) {
    const Wide draw = static_cast<Wide>(negative_log2(hash_of(c.drive, partition)));
    ranked.push_back({static_cast<std::uint64_t>(draw * (kWeightUnit >> 3) / c.weight), &c});
  }
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    if (a.cost != b.cost) return a.cost < b.cost;
    return a.candidate->drive < b.candidate->drive;
  });
  std::vector<const Candidate*> out;
  out.reserve(ranked.size());
  for (const auto& r : ranked) out.push_back(r.candidate);
  return out;
}

// The first `count` of the ranking, but no node more often than it must be.
std::vector<const Candidate*> choose(const std::vector<const Candidate*>& ranked, std::size_t count,
                                     std::size_t nodes) {
  std::vector<std::size_t> per_node(nodes);
  std::vector<bool> taken(ranked.size());
  std::vector<const Candidate*> chosen;
  for (std::size_t most = (count + nodes - 1) / nodes; chosen.size() < count; ++most) {
    // A node with fewer drives than its share leaves the rest to the others, at the next round.
    for (std::size_t i = 0; i < ranked.size() && chosen.size() < count; ++i) {
      if (taken[i] || per_node[ranked[i]->node] >= most) continue;
      taken[i] = true;
      ++per_node[ranked[i]->node];
      chosen.push_back(ranked[i]);
    }
  }
  return chosen;
}

// Each drive's wish moves on by one slot from partition to partition. If all drives are used, all
// wishes come true.
Entry assign_slots(const std::vector<const Candidate*>& chosen, std::uint32_t partition,
                   model::MapEpoch epoch) {
  const std::size_t n = chosen.size();
  std::vector<const Candidate*> slots(n);
  std::vector<const Candidate*> left;
  for (const auto* c : chosen) {
    auto& slot = slots[(c->index + partition) % n];
    if (slot == nullptr)
      slot = c;
    else
      left.push_back(c);
  }
  std::size_t next = 0;
  Entry entry;
  entry.members.reserve(n);
  for (const auto* c : slots)
    entry.members.push_back({(c != nullptr ? c : left[next++])->drive, epoch, false});
  return entry;
}

}  // namespace

model::PartitionId Map::partition_of(const model::UnitKey& unit) const {
  return placement::partition_of(unit.lock_key(), partitions.size());
}

model::PartitionId partition_of(std::string_view lock_key, std::size_t partitions) {
  CAIRN_ASSERT(std::has_single_bit(partitions));
  const std::uint64_t hash = crypto::xxh3_64(as_bytes(lock_key));
  return model::PartitionId{static_cast<std::uint32_t>(hash & (partitions - 1))};
}

Result<Map> compute_map(model::MapEpoch epoch, model::ErasureProfile profile,
                        std::size_t partitions, const std::vector<DriveWeight>& drives) {
  if (!std::has_single_bit(partitions) || partitions > kMaxPartitions)
    return Error{Code::invalid_argument, "the number of partitions is a power of two up to 65536"};
  if (!model::profile_is_allowed(profile.data, profile.parity))
    return Error{Code::invalid_argument, "the erasure profile is not one that is supported"};
  if (drives.size() < profile.drives())
    return Error{Code::invalid_argument, "erasure profile " + profile.text() + " needs " +
                                             std::to_string(profile.drives()) +
                                             " drives, there are " + std::to_string(drives.size())};
  CAIRN_ASSIGN(const auto candidates, candidates_of(drives));
  std::size_t nodes = 0;
  for (const auto& c : candidates) nodes = std::max(nodes, c.node + 1);
  Map map{epoch, profile, {}};
  map.partitions.reserve(partitions);
  for (std::uint32_t p = 0; p < partitions; ++p)
    map.partitions.push_back(
        assign_slots(choose(ranking(candidates, p), profile.drives(), nodes), p, epoch));
  return map;
}

Map replace_drive(const Map& map, model::DriveId old_drive, model::DriveId new_drive) {
  Map next = map;
  next.epoch = model::MapEpoch{map.epoch.value + 1};
  for (auto& entry : next.partitions)
    for (auto& member : entry.members) {
      CAIRN_ASSERT(member.drive != new_drive || member.since == next.epoch);
      if (member.drive == old_drive) member = {new_drive, next.epoch, true};
    }
  return next;
}

}  // namespace cairn::placement
