// A whole drive in memory, by the letter of the protocol, for tests of the leader: units, promises,
// blobs, the repair queue, and faults to switch on. One executor.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "drive/drive.h"
#include "io/executor.h"
#include "io/sync.h"
#include "store/decide.h"
#include "store/judge.h"
#include "store/load.h"
#include "store/testing/data_drive.h"

namespace cairn::store::testing {

// What survives a restart of the process; several MemoryDrives may be opened on it one after the
// other.
struct Disk {
  struct Unit {
    drive::UnitState state{};
  };
  model::DriveId id{};
  std::map<model::UnitKey, Unit> units{};
  std::map<model::PartitionId, drive::PartitionState> partitions{};
  std::map<model::PartitionId, std::uint64_t> connections{};
  std::map<drive::BlobName, std::string> blobs{};
  std::map<model::ValueId, std::string> inlined{};
  std::set<model::UnitKey> repairs{};
  std::uint64_t batch = 0;  // each message that is acknowledged is a batch of its own
};

struct Faults {
  bool out_of_service = false;
  bool full = false;
  unsigned lose_mutates = 0;  // so many mutates do not arrive; the caller gets no answer
  unsigned lose_acks = 0;     // so many are done, and the answer is lost
  bool lose_settles = false;  // settle is taken in and forgotten (6.1: harmless)
  io::Duration delay{};       // of every call
};

class MemoryDrive : public drive::Drive {
 public:
  explicit MemoryDrive(std::shared_ptr<Disk> disk)
      : disk_(std::move(disk)), batch_at_open_(disk_->batch), mount_(++last_mount) {}
  Faults faults{};
  Disk& disk() { return *disk_; }
  std::uint64_t reads = 0, inspects = 0, mutates = 0, scans = 0;

  model::DriveId id() const override { return disk_->id; }
  bool failed() const override { return faults.out_of_service; }
  void retire(std::string) override { faults.out_of_service = true; }

  io::Task<Result<drive::SyncedBatches>> synced() override {
    CAIRN_CO_TRY(co_await begin());
    co_return drive::SyncedBatches{mount_, batch_at_open_, disk_->batch};
  }
  io::Task<Result<drive::PromiseReply>> promise(drive::PromiseRequest r) override {
    CAIRN_CO_TRY(co_await begin());
    drive::PromiseReply reply;
    if (r.drive != id()) reply.refusal = drive::Refusal::wrong_drive;
    for (const auto& entry : r.entries) {
      const auto& p = disk_->partitions[entry.partition];
      if (r.map_epoch < p.map_epoch) reply.refusal = drive::Refusal::stale_map;
      const bool other = r.term == p.promised && r.leader != p.leader;
      if (r.term < p.promised || other) reply.refusal = drive::Refusal::stale_term;
      const bool older = r.term == p.promised && r.connection < disk_->connections[entry.partition];
      if (!other && older) reply.refusal = drive::Refusal::cut_off;
    }
    for (const auto& entry : r.entries) {
      auto& p = disk_->partitions[entry.partition];
      if (reply.refusal == drive::Refusal::none) {
        const bool joined = p.since != entry.since;
        p = {entry.partition,
             r.term,
             r.leader,
             entry.since,
             entry.map_entry,
             r.map_epoch,
             p.rebuilding || (joined && entry.since.value > 1)};
        disk_->connections[entry.partition] = r.connection;
      }
      reply.states.push_back(p);
    }
    reply.ack = {mount_, ++disk_->batch};
    co_return reply;
  }
  io::Task<Result<drive::PartitionState>> partition_state(model::PartitionId p) override {
    CAIRN_CO_TRY(co_await begin());
    co_return disk_->partitions[p];
  }
  std::optional<HeldPromise> held_promise(model::PartitionId p) const override {
    if (faults.out_of_service || faults.delay > io::Duration{}) return std::nullopt;
    const auto& state = disk_->partitions[p];
    return HeldPromise{state.promised, state.leader, state.rebuilding};
  }
  io::Task<Result<drive::Refusal>> mark_rebuilt(drive::Fence fence) override {
    CAIRN_CO_TRY(co_await begin());
    const auto refusal = check(fence);
    if (refusal == drive::Refusal::none) disk_->partitions[fence.partition].rebuilding = false;
    co_return refusal;
  }

  io::Task<Result<drive::MutateReply>> mutate(drive::MutateRequest r) override {
    ++mutates;
    CAIRN_CO_TRY(co_await begin());
    if (faults.lose_mutates > 0) {
      --faults.lose_mutates;
      co_return lost();
    }
    drive::MutateReply reply;
    const drive::Mutation& m = *r.mutation;
    if (faults.full && m.brings_data) co_return Error{Code::no_space, "full"};
    reply.refusal = check(r.fence);
    if (reply.refusal != drive::Refusal::none) co_return reply;
    drive::UnitState& unit = disk_->units[m.unit].state;
    reply.head = head_of(unit);
    auto held = std::ranges::find_if(unit.pendings, [&](const auto& p) {
      return p.mutation.stamp == m.stamp && p.mutation.value == m.value;
    });
    if (held == unit.pendings.end()) {
      if (reply.head && m.stamp <= *reply.head) {
        reply.refusal = drive::Refusal::stale_stamp;
        co_return reply;
      }
      if (!m.whole && (!m.base || !rows_as_of(unit, *m.base))) {
        reply.refusal = drive::Refusal::no_base;
        co_return reply;
      }
      if (m.base) settle_at(unit, *m.base);
      unit.pendings.insert(unit.pendings.begin(), {m, {}});
      held = unit.pendings.begin();
    }
    for (const auto& s : r.inline_shards)
      disk_->inlined[s.data_id] = io::as_text(io::joined(s.pieces).bytes);
    held->missing = missing_of(m.puts, r.shard);
    shard_of_[m.unit] = r.shard;
    reply.missing = held->missing;
    reply.ack = {mount_, ++disk_->batch};
    if (faults.lose_acks > 0) {
      --faults.lose_acks;
      co_return lost();
    }
    co_return reply;
  }
  io::Task<Result<drive::MutateReply>> install(drive::InstallRequest r) override {
    CAIRN_CO_TRY(co_await begin());
    drive::MutateReply reply;
    reply.refusal = check(r.fence);
    if (reply.refusal != drive::Refusal::none) co_return reply;
    drive::UnitState& unit = disk_->units[r.unit].state;
    if (!unit.settled_head || *unit.settled_head <= r.head) {
      unit.settled_head = r.head;
      unit.rows = r.rows;
      std::erase_if(unit.pendings, [&](const auto& p) { return p.mutation.stamp <= r.head; });
    }
    for (const auto& s : r.inline_shards)
      disk_->inlined[s.data_id] = io::as_text(io::joined(s.pieces).bytes);
    unit.missing = missing_of(unit.rows, r.shard);
    shard_of_[r.unit] = r.shard;
    reply.missing = unit.missing;
    reply.ack = {mount_, ++disk_->batch};
    co_return reply;
  }
  io::Task<Result<SettleReplies>> settle_all(std::vector<drive::SettleRequest> requests) override {
    CAIRN_CO_TRY(co_await begin());
    SettleReplies replies;
    for (const auto& one : requests) {
      const auto refusal = check(one.fence);
      if (refusal == drive::Refusal::none && !faults.lose_settles) {
        drive::UnitState& unit = disk_->units[one.unit].state;
        const bool newest = head_of(unit) == one.stamp;
        settle_at(unit, one.stamp);
        if (one.forget && newest) disk_->units.erase(one.unit);
      }
      replies.push_back(refusal);
    }
    co_return replies;
  }
  io::Task<Result<drive::Refusal>> forget(drive::Fence fence, model::UnitKey unit,
                                          model::Stamp head) override {
    CAIRN_CO_TRY(co_await begin());
    const auto refusal = check(fence);
    if (refusal != drive::Refusal::none) co_return refusal;
    const auto it = disk_->units.find(unit);
    if (it != disk_->units.end() && it->second.state.settled_head == head &&
        it->second.state.rows.empty() && it->second.state.pendings.empty()) {
      disk_->units.erase(it);
    }
    co_return refusal;
  }

  io::Task<Result<drive::ReadReply>> read(drive::ReadRequest r) override {
    ++reads;
    CAIRN_CO_TRY(co_await begin());
    drive::ReadReply out;
    const auto& p = disk_->partitions[r.partition];
    out.map_epoch = p.map_epoch;
    out.rebuilding = p.rebuilding;
    out.promised = p.promised;
    if (r.drive != id()) out.refusal = drive::Refusal::wrong_drive;
    if (r.map_epoch < p.map_epoch) out.refusal = drive::Refusal::stale_map;
    const auto it = disk_->units.find(r.unit);
    if (out.refusal != drive::Refusal::none || it == disk_->units.end()) co_return out;
    const drive::UnitState& unit = it->second.state;
    out.head = head_of(unit);
    if (!out.head) co_return out;
    out.settled = out.head == unit.settled_head;
    auto rows = *rows_as_of(unit, *out.head);
    out.row_count = rows.size();
    for (auto& row : rows) {
      const auto record = *model::decode_record(row.record);
      if (record.version.null) out.null_row = row;
      if (!r.want_parts) row.parts.clear();
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto record = *model::decode_record(rows[i].record);
      const bool named = r.select == drive::Select::version && record.version == r.version;
      if (r.select == drive::Select::all || named ||
          (r.select == drive::Select::latest && i == 0)) {
        out.latest_is_selected |= i == 0;
        out.rows.push_back(rows[i]);
      }
    }
    if (r.want_inline && !out.rows.empty()) {
      const auto record = *model::decode_record(out.rows[0].record);
      if (record.data_kind == model::Record::DataKind::inline_) {
        out.inline_shard.emplace(co_await read_inline(record.data.data_id));
      }
    }
    co_return out;
  }
  io::Task<Result<drive::ScanReply>> scan(drive::ScanRequest r) override {
    ++scans;
    CAIRN_CO_TRY(co_await begin());
    drive::ScanReply out;
    out.exhausted = true;
    std::string passed;
    for (const auto& [key, unit] : disk_->units) {
      if (key.encoded() < passed) continue;
      if (key.encoded() < r.begin || key.encoded() >= r.end || !head_of(unit.state)) continue;
      if (out.units.size() == std::min<std::size_t>(r.max_units, page_max)) {
        out.exhausted = false;
        out.resume = key.encoded();
        break;
      }
      const auto head = head_of(unit.state);
      auto rows = *rows_as_of(unit.state, *head);
      if (!r.all_rows && rows.size() > 1) rows.resize(1);
      out.units.add(key.encoded(), head, head == unit.state.settled_head);
      for (const auto& row : rows) out.units.add_row(row.order, row.stamp, row.record);
      if (!r.groups || head != unit.state.settled_head || rows.empty() ||
          (!r.groups->markers && model::is_delete_marker(rows[0].record))) {
        continue;
      }
      passed = drive::group_end(*r.groups, key.encoded());
      if (!passed.empty()) out.units.set_passes_group();
    }
    co_return out;
  }
  io::Task<Result<std::pair<drive::Refusal, drive::UnitState>>> inspect(drive::Fence fence,
                                                                        model::UnitKey unit,
                                                                        bool) override {
    ++inspects;
    CAIRN_CO_TRY(co_await begin());
    std::pair<drive::Refusal, drive::UnitState> out{check(fence), {}};
    const auto it = disk_->units.find(unit);
    if (out.first != drive::Refusal::none || it == disk_->units.end()) co_return out;
    it->second.state.missing = missing_of(it->second.state.rows, shard_of_[unit]);
    for (auto& p : it->second.state.pendings)
      p.missing = missing_of(p.mutation.puts, shard_of_[unit]);
    out.second = it->second.state;
    co_return out;
  }
  io::Task<Result<std::vector<model::UnitKey>>> pending_units(std::string after,
                                                              std::size_t limit) override {
    CAIRN_CO_TRY(co_await begin());
    std::vector<model::UnitKey> out;
    for (const auto& [key, unit] : disk_->units) {
      if (key.encoded() > after && !unit.state.pendings.empty() && out.size() < limit)
        out.push_back(key);
    }
    co_return out;
  }
  io::Task<Result<io::Slice>> read_inline(model::ValueId id) override {
    CAIRN_CO_TRY(co_await begin());
    const auto it = disk_->inlined.find(id);
    if (it == disk_->inlined.end()) co_return Error{Code::not_found, "no such shard"};
    co_return io::Slice::of(it->second);
  }

  io::Task<Result<std::unique_ptr<drive::BlobWriter>>> create_blob(drive::BlobName) override {
    co_return Error{Code::not_implemented, "no blobs here"};
  }
  io::Task<Result<std::unique_ptr<drive::ShardReader>>> open_blob(drive::BlobName) override {
    co_return Error{Code::not_found, "no blobs here"};
  }
  io::Task<Result<void>> discard_blob(drive::BlobName) override { co_return Result<void>{}; }
  io::Task<Result<void>> quarantine(drive::BlobName name, bool) override {
    disk_->inlined.erase(name.data_id);
    co_return Result<void>{};
  }
  io::Task<Result<void>> repair_add(std::vector<model::UnitKey> units) override {
    CAIRN_CO_TRY(co_await begin());
    disk_->repairs.insert(units.begin(), units.end());
    co_return Result<void>{};
  }
  io::Task<Result<std::vector<model::UnitKey>>> repair_list(std::string after,
                                                            std::size_t limit) override {
    CAIRN_CO_TRY(co_await begin());
    std::vector<model::UnitKey> out;
    for (const auto& unit : disk_->repairs) {
      if (unit.encoded() > after && out.size() < limit) out.push_back(unit);
    }
    co_return out;
  }
  io::Task<Result<void>> repair_remove(std::vector<model::UnitKey> units) override {
    CAIRN_CO_TRY(co_await begin());
    for (const auto& unit : units) disk_->repairs.erase(unit);
    co_return Result<void>{};
  }
  io::Task<Result<Stats>> stats() override {
    CAIRN_CO_TRY(co_await begin());
    Stats stats;
    stats.repair_entries = disk_->repairs.size();
    stats.full = faults.full;
    co_return stats;
  }

  std::size_t page_max = 1000;

 private:
  static inline std::uint64_t last_mount = 0;
  static Error lost() { return {Code::timeout, "the message was lost"}; }
  io::Task<Result<void>> begin() {
    co_await io::sleep_for(faults.delay);
    if (failed()) co_return Error{Code::drive_failed, "out of service"};
    co_return Result<void>{};
  }
  drive::Refusal check(const drive::Fence& fence) {
    auto& p = disk_->partitions[fence.partition];
    if (fence.drive != id()) return drive::Refusal::wrong_drive;
    if (fence.map_epoch != p.map_epoch) return drive::Refusal::stale_map;
    if (fence.term < p.promised) return drive::Refusal::stale_term;
    if (fence.term > p.promised) disk_->connections[fence.partition] = 0;
    p.promised = fence.term;
    auto& connection = disk_->connections[fence.partition];
    if (fence.connection < connection) return drive::Refusal::cut_off;
    connection = fence.connection;
    return drive::Refusal::none;
  }
  // A drive that holds exactly that stamp makes it the settled state and drops what is below (6.1).
  static void settle_at(drive::UnitState& unit, model::Stamp stamp) {
    if (unit.settled_head && *unit.settled_head >= stamp) return;
    auto rows = rows_as_of(unit, stamp);
    if (!rows) return;
    unit.rows = std::move(*rows);
    unit.settled_head = stamp;
    std::erase_if(unit.pendings, [&](const auto& p) { return p.mutation.stamp <= stamp; });
  }
  std::vector<drive::MissingShard> missing_of(const std::vector<drive::Row>& rows,
                                              std::uint8_t shard) {
    std::vector<drive::MissingShard> out;
    for (const auto& row : rows) {
      const auto named = data_of(row);
      if (!named) continue;
      for (const auto& one : *named) {
        const bool has = one.is_inline ? disk_->inlined.contains(one.part.data_id)
                                       : disk_->blobs.contains({one.part.data_id, shard});
        if (!has) out.push_back({one.part.data_id, shard});
      }
    }
    return out;
  }

  std::shared_ptr<Disk> disk_;
  const std::uint64_t batch_at_open_, mount_;
  std::map<model::UnitKey, std::uint8_t> shard_of_{};
};

}  // namespace cairn::store::testing
