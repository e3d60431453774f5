// The reads of a local drive. What memory holds is answered on the caller's thread; what may need
// the disk runs on the pool. A read is of one state of the unit: see mirror.h.
#include "drive/blob_store.h"
#include "drive/inline_shards.h"
#include "drive/local_drive_impl.h"
#include "drive/read_unit.h"
#include "drive/works.h"

namespace cairn::drive {
namespace {

// Reads a unit in one consistent state: `read(Reader&, known)`, over the newest state if nothing
// changes the unit meanwhile, else over a snapshot. Blocking unless `reads` says otherwise, and
// then `unavailable` where it would.
template <class F>
auto read_consistent(Core& core, const std::string& unit, Reads reads, F read)
    -> decltype(read(std::declval<Reader&>(), UnitView::Known{})) {
  const auto look = core.mirror.look(unit);
  if (!look.in_flight) {
    const auto reader = core.index->latest(reads);
    auto result = read(*reader, UnitView::Known{look.pendings, look.settled});
    if (core.mirror.unchanged(unit, look.version)) return result;
  }
  if (reads == Reads::cached) return Error{Code::unavailable, {}};
  core.metrics.snapshot_reads.add();
  const auto first = core.journal.first();
  const auto snapshot = core.index->snapshot();
  CAIRN_ASSIGN(Pendings pendings, load_pendings(*snapshot, first, unit));
  return read(*snapshot, UnitView::Known{std::make_shared<const Pendings>(std::move(pendings))});
}

Result<ReadReply> read_on(Core& core, const ReadRequest& request, Reads reads) {
  return read_consistent(core, request.unit.encoded(), reads,
                         [&](Reader& reader, UnitView::Known known) {
                           return read_unit(reader, request, std::move(known));
                         });
}

Result<UnitState> inspect_on(Core& core, const model::UnitKey& unit, bool want_parts, Reads reads) {
  return read_consistent(core, unit.encoded(), reads, [&](Reader& reader, UnitView::Known known) {
    return unit_state(core, reader, unit, std::move(known), want_parts);
  });
}

// Answers at once from memory, else on the pool. A unit that is changing is read from a snapshot,
// on the pool.
bool needs_pool(const Error& error) {
  return error.code == Code::unavailable;
}

io::Task<Result<UnitState>> inspect_now(std::shared_ptr<Core> core, model::UnitKey unit,
                                        bool want_parts) {
  auto state = inspect_on(*core, unit, want_parts, Reads::cached);
  if (state || !needs_pool(state.error())) co_return state;
  Core* const c = core.get();
  co_return co_await core->pool.run([c, u = std::move(unit), want_parts] {
    return inspect_on(*c, u, want_parts, Reads::blocking);
  });
}

Result<std::vector<model::UnitKey>> list_pending(Core& core, const std::string& after,
                                                 std::size_t limit) {
  std::vector<model::UnitKey> out;
  CAIRN_ASSIGN(const PendingUnits units, load_pendings(*core.index->snapshot()));
  for (auto it = units.upper_bound(after); it != units.end() && out.size() < limit; ++it) {
    CAIRN_ASSIGN(auto unit, model::UnitKey::decode(it->first));
    out.push_back(std::move(unit));
  }
  return out;
}

Result<std::vector<model::UnitKey>> list_repair(Core& core, const std::string& after,
                                                std::size_t limit) {
  std::vector<model::UnitKey> out;
  const auto reader = core.index->snapshot();
  auto cursor = reader->cursor(Family::repair, Walk::all);
  for (cursor->seek(after); cursor->valid() && out.size() < limit; cursor->next()) {
    if (cursor->key() == after) continue;
    CAIRN_ASSIGN(auto unit, model::UnitKey::decode(cursor->key()));
    out.push_back(std::move(unit));
  }
  CAIRN_TRY(cursor->status());
  return out;
}

}  // namespace

io::Task<Result<ReadReply>> LocalDrive::read(ReadRequest request) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  ReadReply refused;
  if (request.drive != core->id) {
    refused.refusal = Refusal::wrong_drive;
    co_return refused;
  }
  const PartitionState partition = core->partitions.state(request.partition);
  if (request.map_epoch < partition.map_epoch) {
    refused.refusal = Refusal::stale_map;  // 4.2
    refused.map_epoch = partition.map_epoch;
    refused.promised = partition.promised;
    co_return refused;
  }
  auto reply = read_on(*core, request, Reads::cached);
  if (!reply && needs_pool(reply.error())) {
    Core* const c = core.get();
    reply = co_await core->pool.run(
        [c, r = std::move(request)] { return read_on(*c, r, Reads::blocking); });
  }
  if (!reply) co_return reply;
  reply->map_epoch = partition.map_epoch;
  reply->promised = partition.promised;
  // Asked again after the read: rebuilding may have begun meanwhile, and then what was read counts
  // for nothing.
  reply->rebuilding = partition.rebuilding ||
                      core->partitions.state(partition.partition).rebuilding ||
                      partition.promised == model::Term{};
  co_return reply;
}

io::Task<Result<ScanReply>> LocalDrive::scan(ScanRequest request) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  if (request.drive != core->id) {
    ScanReply refused;
    refused.refusal = Refusal::wrong_drive;
    co_return refused;
  }
  if (request.map_epoch != model::MapEpoch{} &&
      request.map_epoch < core->partitions.newest_epoch()) {
    ScanReply refused;
    refused.refusal = Refusal::stale_map;
    co_return refused;
  }
  Core* const c = core.get();
  co_return co_await core->pool.run([c, r = std::move(request)] {
    const auto quiet = c->mirror.quiet();
    const auto first = c->journal.first();
    const auto snapshot = c->index->snapshot();
    if (c->mirror.still_quiet(quiet)) return scan_units(*snapshot, r, {});
    auto pendings = load_pendings(*snapshot, first);
    if (!pendings) return Result<ScanReply>(std::move(pendings.error()));
    return scan_units(*snapshot, r, *pendings);
  });
}

io::Task<Result<std::pair<Refusal, UnitState>>> LocalDrive::inspect(Fence fence,
                                                                    model::UnitKey unit,
                                                                    bool want_parts) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  if (fence.drive != core->id) co_return std::pair{Refusal::wrong_drive, UnitState{}};
  // Nothing is under way for the unit, and the promise is this leader's: no need to wait for a
  // sync. Whatever a newer leader did raised the accepted promise before it could be seen, so the
  // second look notices it.
  const auto look = core->mirror.look(unit.encoded());
  if (!look.in_flight && core->partitions.is_current(fence)) {
    auto state = co_await inspect_now(core, unit, want_parts);
    if (!state) co_return Error{std::move(state.error())};
    if (core->mirror.unchanged(unit.encoded(), look.version) && core->partitions.is_current(fence))
      co_return std::pair{Refusal::none, std::move(*state)};
  }
  co_await core->mirror.wait_submitted(unit.encoded());
  auto work = std::make_unique<InspectWork>(fence, std::move(unit), want_parts);
  auto answer = work->answer();
  core->committer->submit(std::move(work));
  co_return co_await answer.get();
}

io::Task<Result<std::vector<model::UnitKey>>> LocalDrive::pending_units(std::string after,
                                                                        std::size_t limit) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  Core* const c = core.get();
  co_return co_await core->pool.run(
      [c, a = std::move(after), limit] { return list_pending(*c, a, limit); });
}

io::Task<Result<std::vector<model::UnitKey>>> LocalDrive::repair_list(std::string after,
                                                                      std::size_t limit) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  Core* const c = core.get();
  co_return co_await core->pool.run(
      [c, a = std::move(after), limit] { return list_repair(*c, a, limit); });
}

io::Task<Result<io::Slice>> LocalDrive::read_inline(model::ValueId data_id) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  co_return co_await read_inline_shard(core, data_id);
}

io::Task<Result<std::unique_ptr<ShardReader>>> LocalDrive::open_inline(model::ValueId data_id) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  co_return co_await open_inline_shard(core, data_id);
}

io::Task<Result<Drive::Stats>> LocalDrive::stats() {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  co_await refresh_space(core);
  Stats out;
  out.total_bytes = core->space.total();
  out.available_bytes = core->space.available();
  out.repair_entries =
      static_cast<std::uint64_t>(std::max<std::int64_t>(core->repair_entries.load(), 0));
  out.pending_units = core->mirror.units();
  out.full = core->space.full();
  co_return out;
}

}  // namespace cairn::drive
