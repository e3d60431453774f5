#include "drive/wipe.h"

#include <algorithm>

#include "base/log.h"
#include "drive/committer.h"

namespace cairn::drive {
namespace {

constexpr std::size_t kUnitsPerBatch = 256;

Result<void> store_states(Core& core, const std::vector<model::PartitionId>& partitions) {
  auto batch = core.index->batch();
  for (const auto& partition : partitions)
    batch->put(Family::state, partition_key(partition),
               {encode_partition(core.partitions.accepted(partition))});
  CAIRN_TRY(core.committer->write(*batch, true));
  for (const auto& partition : partitions) core.partitions.publish(partition);
  return {};
}

Result<void> wipe_units(Core& core, const std::vector<std::string>& keys) {
  auto batch = core.index->batch();
  auto reader = core.index->latest(Reads::blocking);
  DataChanges data(*batch, *reader, core.marks);
  UnitChanges units{*batch, data};
  std::int64_t repairs = 0;
  for (const auto& key : keys) {
    CAIRN_ASSIGN(UnitView view, UnitView::load(*reader, key, core.mirror.look(key).pendings));
    CAIRN_TRY(wipe_unit(units, view));
    std::string value;
    CAIRN_ASSIGN(const bool queued, reader->get(Family::repair, key, value));
    if (!queued) continue;
    batch->remove(Family::repair, key);
    ++repairs;
  }
  core.journal.append(*batch, std::move(units.events), core.mirror);
  // The files of blobs that lost their names here are the sweep's: a wipe is followed by one.
  CAIRN_TRY(core.committer->write(*batch, false));
  data.written();
  core.committer->free_after_sync(data.freed());
  core.repair_entries -= repairs;
  publish(core.mirror, units.pendings);
  return {};
}

bool belongs(const Core& core, const model::UnitKey& unit,
             const std::vector<model::PartitionId>& partitions) {
  return std::ranges::find(partitions, core.partition_of(unit.lock_key())) != partitions.end();
}

// Units with rows, from `from` on, that belong to one of the partitions; at most a batch of them.
Result<std::vector<std::string>> find_units(Core& core, std::string& from,
                                            const std::vector<model::PartitionId>& partitions) {
  std::vector<std::string> out;
  auto reader = core.index->latest(Reads::blocking);
  auto cursor = reader->cursor(Family::records, Walk::all);
  cursor->seek(from);
  std::string last;
  for (; cursor->valid() && out.size() < kUnitsPerBatch; cursor->next()) {
    const auto key = cursor->key();
    const auto encoded = key.substr(0, unit_key_length(key));
    if (encoded == last) continue;
    last = encoded;
    CAIRN_ASSIGN(const auto unit, model::UnitKey::decode(encoded));
    if (belongs(core, unit, partitions)) out.push_back(last);
  }
  CAIRN_TRY(cursor->status());
  from = cursor->valid() ? std::string(cursor->key()) : std::string{};
  return out;
}

// Units that have nothing but pendings.
Result<void> wipe_pendings(Core& core, const std::vector<model::PartitionId>& partitions) {
  CAIRN_ASSIGN(const auto pendings, load_pendings(*core.index->latest(Reads::blocking)));
  std::vector<std::string> units;
  for (const auto& [key, unused] : pendings) {
    CAIRN_ASSIGN(const auto unit, model::UnitKey::decode(key));
    if (belongs(core, unit, partitions)) units.push_back(key);
    if (units.size() < kUnitsPerBatch) continue;
    CAIRN_TRY(wipe_units(core, units));
    units.clear();
  }
  return units.empty() ? Result<void>{} : wipe_units(core, units);
}

}  // namespace

Result<void> wipe_partitions(Core& core, const std::vector<model::PartitionId>& partitions) {
  if (!core.partition_of)
    return Error{Code::internal,
                 "partitions must be wiped, but the drive was not told what belongs to them"};
  log::warn("a drive joins partitions again that it had left: what it has of them is removed",
            {{"path", core.path}, {"partitions", partitions.size()}});
  CAIRN_TRY(store_states(core, partitions));
  std::string from;
  do {
    CAIRN_ASSIGN(const auto units, find_units(core, from, partitions));
    if (!units.empty()) CAIRN_TRY(wipe_units(core, units));
  } while (!from.empty());
  CAIRN_TRY(wipe_pendings(core, partitions));
  for (const auto& partition : partitions) core.partitions.set_wiped(partition);
  return store_states(core, partitions);
}

}  // namespace cairn::drive
