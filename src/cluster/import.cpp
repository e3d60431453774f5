#include "cluster/import.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"

namespace cairn::cluster {

using model::MapEpoch;
using model::PartitionId;

namespace {

// What one drive promised for one partition under the newest map.
struct Copy {
  model::DriveId drive{};
  placement::Entry entry{};
};

struct Promises {
  MapEpoch epoch{};
  model::Term term{};
  std::vector<std::vector<Copy>> copies{};  // by partition
};

io::Task<Result<Promises>> collect(Drives drives, std::size_t partitions) {
  Promises out;
  CAIRN_CO_ASSIGN(out.epoch, co_await newest_promised(drives));
  out.copies.resize(partitions);
  for (std::size_t p = 0; p < partitions; ++p) {
    for (const auto& drive : drives) {
      const auto state =
          co_await drive->partition_state(PartitionId{static_cast<std::uint32_t>(p)});
      if (!state) continue;  // it left service: as if it were not here
      out.term = std::max(out.term, state->promised);
      if (state->map_epoch != out.epoch) continue;
      CAIRN_CO_ASSIGN(auto entry, placement::decode_entry(state->map_entry));
      out.copies[p].push_back({drive->id(), std::move(entry)});
    }
  }
  co_return out;
}

bool same_members(const placement::Entry& a, const placement::Entry& b) {
  return std::ranges::equal(a.members, b.members, [](const auto& x, const auto& y) {
    return x.drive == y.drive && x.since == y.since;
  });
}

// One partition's members. F of them promised under this map and were members before it as well: so
// F of this map's and F of the one before it are fenced (8.2), whoever led when.
Result<placement::Entry> entry_of(const std::vector<Copy>& copies, MapEpoch epoch,
                                  model::ErasureProfile profile) {
  if (copies.empty()) return Error{Code::unavailable, "no drive has a copy of it"};
  placement::Entry entry = copies.front().entry;
  if (entry.members.size() != profile.drives())
    return Error{Code::corrupt, "a copy of it has another number of members"};
  unsigned fenced = 0;
  for (const Copy& copy : copies) {
    if (!same_members(copy.entry, entry))
      return Error{Code::corrupt, "its copies contradict each other"};
    for (std::size_t slot = 0; slot < entry.members.size(); ++slot) {
      placement::Member& member = entry.members[slot];
      // Who was rebuilding when somebody promised is looked at again: that costs time and no more.
      member.rebuilding |= copy.entry.members[slot].rebuilding;
      fenced += member.drive == copy.drive && (epoch == MapEpoch{1} || member.since < epoch);
    }
  }
  if (fenced < profile.fence_quorum())
    return Error{Code::unavailable, std::to_string(fenced) + " of the " +
                                        std::to_string(profile.fence_quorum()) +
                                        " members it takes have promised under it"};
  return entry;
}

Result<placement::Map> put_together(const Promises& promises, model::ErasureProfile profile) {
  placement::Map map;
  map.epoch = promises.epoch;
  map.profile = profile;
  for (std::size_t p = 0; p < promises.copies.size(); ++p) {
    auto entry = entry_of(promises.copies[p], promises.epoch, profile);
    if (!entry)
      return Error{entry.code(), "the cluster map of epoch " +
                                     std::to_string(promises.epoch.value) +
                                     " cannot be imported from the drives: partition " +
                                     std::to_string(p) + ": " + entry.error().message};
    map.partitions.push_back(std::move(*entry));
  }
  return map;
}

io::Task<Result<control::Change>> raised_term(control::Store& control, model::Term promised,
                                              std::vector<control::Condition>* conditions) {
  CAIRN_CO_ASSIGN(const auto entry, co_await control.get("term"));
  std::uint64_t counter = 0;
  if (entry) {
    const char* end = entry->value.data() + entry->value.size();
    const auto parsed = std::from_chars(entry->value.data(), end, counter);
    if (parsed.ec != std::errc{} || parsed.ptr != end)
      co_return Error{Code::corrupt, "the term in the control store is no number"};
  }
  conditions->push_back({"term", entry ? entry->mod_revision : 0});
  co_return control::Change{"term", std::to_string(std::max(counter, promised.value))};
}

}  // namespace

io::Task<Result<MapEpoch>> newest_promised(Drives drives) {
  MapEpoch newest;
  for (const auto& drive : drives) {
    for (std::uint32_t p = 0; p < placement::kDefaultPartitions; ++p) {
      const auto state = co_await drive->partition_state(PartitionId{p});
      if (!state) break;  // it left service: as if it were not here
      newest = std::max(newest, state->map_epoch);
    }
  }
  co_return newest;
}

io::Task<Result<placement::Map>> import_map(control::Store& control, Drives drives,
                                            placement::Map stored) {
  CAIRN_CO_ASSIGN(const Promises promises, co_await collect(drives, stored.partitions.size()));
  CAIRN_CO_ASSIGN(placement::Map map, put_together(promises, stored.profile));
  CAIRN_CO_ASSIGN(const auto entry, co_await control.get("map"));
  std::vector<control::Condition> same{{"map", entry ? entry->mod_revision : 0}};
  CAIRN_CO_ASSIGN(control::Change term, co_await raised_term(control, promises.term, &same));
  std::vector<control::Change> changes{{"map", placement::encode_map(map)},
                                       {"map/fenced", std::to_string(map.epoch.value)},
                                       {"map/previous", std::nullopt},
                                       {"map/replaced", std::nullopt},
                                       std::move(term)};
  CAIRN_CO_TRY(co_await control.commit(std::move(same), std::move(changes)));
  log::warn(
      "imported the cluster map from the drives: the control store was older; buckets and "
      "settings changed since are as it has them",
      {{"imported_epoch", map.epoch.value},
       {"stored_epoch", stored.epoch.value},
       {"term", promises.term.value}});
  co_return map;
}

}  // namespace cairn::cluster
