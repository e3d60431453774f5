#include "cluster/retire.h"

#include <algorithm>

#include "placement/placement.h"

namespace cairn::cluster {

using drive::PartitionState;
using model::DriveId;
using model::PartitionId;

namespace {

struct Promise {
  DriveId drive{};
  PartitionState state{};
};

// Of drives that have left service: nothing.
io::Task<std::vector<Promise>> promises_of(Drives drives, PartitionId partition) {
  std::vector<Promise> out;
  for (const auto& drive : drives) {
    auto state = co_await drive->partition_state(partition);
    if (state && state->map_epoch.value != 0) out.push_back({drive->id(), std::move(*state)});
  }
  co_return out;
}

// The members of one partition under the newest map that was promised for it.
Result<std::set<DriveId>> members_of(const std::vector<Promise>& promises) {
  std::set<DriveId> members;
  const auto newest = std::ranges::max_element(
      promises, {}, [](const Promise& p) { return p.state.map_epoch.value; });
  if (newest == promises.end()) return members;
  CAIRN_ASSIGN(const auto entry, placement::decode_entry(newest->state.map_entry));
  for (const auto& member : entry.members) members.insert(member.drive);
  return members;
}

}  // namespace

io::Task<Result<Known>> known_members(Drives drives) {
  Known known;
  known.voters = drives.size();
  for (std::uint32_t p = 0; p < placement::kDefaultPartitions; ++p) {
    const auto promises = co_await promises_of(drives, PartitionId{p});
    CAIRN_CO_ASSIGN(const auto members, members_of(promises));
    const auto voters = std::ranges::count_if(promises, [&](const Promise& promise) {
      return members.contains(promise.drive) && !promise.state.rebuilding;
    });
    known.voters = std::min(known.voters, static_cast<std::size_t>(voters));
    known.members.insert(members.begin(), members.end());
  }
  co_return known;
}

io::Task<Result<bool>> is_blank(std::shared_ptr<drive::Drive> drive) {
  for (std::uint32_t p = 0; p < placement::kDefaultPartitions; ++p) {
    CAIRN_CO_ASSIGN(const auto state, co_await drive->partition_state(PartitionId{p}));
    if (state.promised.value != 0 || state.map_epoch.value != 0) co_return false;
  }
  co_return true;
}

std::size_t needed_without(model::ErasureProfile profile) {
  return std::max(
      {profile.read_quorum(), static_cast<unsigned>(profile.data), profile.fence_quorum() - 1});
}

io::Task<std::string> retirement_hint(Drives drives, model::ErasureProfile profile) {
  const auto known = co_await known_members(drives);
  if (!known || known->voters < needed_without(profile)) co_return std::string();
  std::string missing;
  for (const DriveId id : known->members) {
    if (std::ranges::any_of(drives, [&](const auto& d) { return d->id() == id; })) continue;
    missing += (missing.empty() ? "" : " or ") + id.hex();
  }
  if (missing.empty()) co_return std::string();
  co_return "bring back drive " + missing +
      " if you can. If it is lost for good: put an empty directory in its place and start once "
      "with "
      "--retire-drive and its id; what only that drive acknowledged is given up then";
}

}  // namespace cairn::cluster
