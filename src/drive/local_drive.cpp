// The messages that change units, as they come in: prepared on the caller's thread, then handed to
// the committer.
#include <algorithm>

#include "base/assert.h"
#include "base/log.h"
#include "drive/blob_store.h"
#include "drive/local_drive_impl.h"
#include "drive/sweep.h"
#include "drive/works.h"

namespace cairn::drive {
namespace {

template <class T>
io::Task<Result<T>> submit(std::shared_ptr<Core> core, std::unique_ptr<Answering<T>> work) {
  auto answer = work->answer();
  core->committer->submit(std::move(work));
  co_return co_await answer.get();
}

MutateReply wrong_drive_reply() {
  MutateReply reply;
  reply.refusal = Refusal::wrong_drive;
  return reply;
}

// invalid_argument: what no leader sends.
Result<void> check_mutation(const MutateRequest& request) {
  const auto bad = [](const char* what) { return Error{Code::invalid_argument, what}; };
  if (!request.mutation) return bad("a message without a mutation");
  const Mutation& m = *request.mutation;
  if (m.stamp.is_zero()) return bad("a mutation without a stamp");
  if (m.base && *m.base >= m.stamp) return bad("a mutation with a base that is not older");
  if (m.whole && !m.removes.empty()) return bad("a whole mutation that removes");
  for (const auto& row : m.puts)
    if (row.stamp > m.stamp || row.order > row.stamp)
      return bad("a row that is newer than its mutation");
  if (unit_key_length(m.unit.encoded()) != m.unit.encoded().size())
    return bad("a mutation without a unit");
  return {};
}

std::vector<BlobName> blobs_of(const PreparedRows& rows) {
  std::vector<BlobName> out;
  for (const auto& row : rows.rows) out.insert(out.end(), row.blobs.begin(), row.blobs.end());
  return out;
}

// The large ones of the inline shards that came along are for the shard log. `rows` and `shards`
// outlive the call.
io::Task<Result<void>> prepare_shards(std::shared_ptr<Core> core, PreparedRows* rows,
                                      const std::vector<InlineShard>* shards, std::uint8_t shard) {
  for (PreparedRow& row : rows->rows) {
    if (row.info.kind != model::Record::DataKind::inline_) continue;
    const auto came = std::ranges::find(*shards, row.info.data_id, &InlineShard::data_id);
    if (came == shards->end() || io::size_of(came->pieces) < core->logged_from) continue;
    auto room = co_await core->log->make_room();
    if (!room && room.code() == Code::slow_down) co_return room;  // short of descriptors, say
    if (!room) co_return write_error(*core, std::move(room.error()));
    row.to_log = came->pieces;
    row.logged = logged_shard(shard, *came);
  }
  co_return Result<void>{};
}

// Sends a message that names blobs or not: pins, looks, commits, lets go.
template <class MakeWork>
io::Task<Result<MutateReply>> commit_rows(std::shared_ptr<Core> core, PendingMirror::Flight* flight,
                                          PreparedRows rows, MakeWork make) {
  const std::vector<BlobName> blobs = blobs_of(rows);
  BlobPins pins(core->blobs);
  if (!blobs.empty()) co_await find_absent(core, &pins, &rows);
  auto work = make(std::move(rows));
  const auto answer = work->answer();
  core->committer->submit(std::move(work));
  flight->submitted();
  auto reply = co_await answer.get();
  if (!blobs.empty()) {
    const bool committed = reply && reply->refusal == Refusal::none;
    release_blobs(*core, pins, blobs, committed);
  }
  co_return reply;
}

struct MakeMutate {
  MutateRequest request;
  std::unique_ptr<Answering<MutateReply>> operator()(PreparedRows rows) {
    return std::make_unique<MutateWork>(std::move(request), std::move(rows));
  }
};
struct MakeInstall {
  std::shared_ptr<const InstallRequest> request;
  std::unique_ptr<Answering<MutateReply>> operator()(PreparedRows rows) {
    return std::make_unique<InstallWork>(std::move(request), std::move(rows));
  }
};

io::Task<void> close_core(std::shared_ptr<Core> core) {
  Core* const c = core.get();
  // The committer's end may wait for its thread.
  co_await core->pool.run([c] {
    c->committer->stop(false);
    return true;
  });
  co_await core->background.close();
  if (core->failed()) co_return;
  const auto closed = co_await core->pool.run([c] { return c->index->close(); });
  if (!closed)  // the next mount reads its log
    log::warn("the index of a drive could not be closed",
              {{"path", core->path}, {"reason", closed.error().message}});
}

}  // namespace

io::Task<Result<std::unique_ptr<LocalDrive>>> LocalDrive::open(CoreParts parts) {
  const std::uint64_t configured_reserve = parts.reserve_bytes;
  auto core = std::make_shared<Core>(std::move(parts));
  CAIRN_CO_ASSIGN(const auto space, co_await core->files.space(core->path));
  core->space.set_reserve(configured_reserve, space.total_bytes);
  core->space.seen(space);
  Core* const c = core.get();
  auto loaded = co_await core->pool.run([c] { return c->load(); });
  CAIRN_CO_TRY(loaded);
  CAIRN_CO_TRY(co_await core->log->load());
  core->log->when_left([weak = std::weak_ptr<Core>(core)] {
    if (auto alive = weak.lock()) spawn_give_back(std::move(alive));
  });
  core->committer->start();
  spawn_sweep(core);
  spawn_reclaim(core);
  co_return std::unique_ptr<LocalDrive>(new LocalDrive(std::move(core)));
}

LocalDrive::~LocalDrive() {
  core_->stopping = true;
  if (!closed_) core_->committer->stop(true);
}

io::Task<void> LocalDrive::close() {
  if (std::exchange(closed_, true)) co_return;
  core_->stopping = true;
  co_await close_core(core_);
  core_->shut();
}

io::Task<Result<MutateReply>> LocalDrive::mutate(MutateRequest request) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  if (request.fence.drive != core->id) co_return wrong_drive_reply();
  CAIRN_CO_TRY(check_mutation(request));
  const Mutation& m = *request.mutation;
  auto flight = core->mirror.enter(m.unit.encoded());
  if (m.brings_data) {
    co_await refresh_space(core);
    if (core->space.full()) co_return Error{Code::no_space, "the drive is full"};
  }
  CAIRN_CO_ASSIGN(PreparedRows rows, prepare_rows(m.puts, request.shard));
  CAIRN_CO_TRY(co_await prepare_shards(core, &rows, &request.inline_shards, request.shard));
  co_return co_await commit_rows(core, &flight, std::move(rows), MakeMutate{std::move(request)});
}

io::Task<Result<MutateReply>> LocalDrive::install(InstallRequest request) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  if (request.fence.drive != core->id) co_return wrong_drive_reply();
  for (const auto& row : request.rows) {
    if (row.stamp > request.head || row.order > row.stamp)
      co_return Error{Code::invalid_argument, "a row that is newer than the state it belongs to"};
  }
  const auto shared = std::make_shared<const InstallRequest>(std::move(request));
  auto flight = core->mirror.enter(shared->unit.encoded());
  if (!shared->inline_shards.empty()) {
    co_await refresh_space(core);
    if (core->space.full()) co_return Error{Code::no_space, "the drive is full"};
  }
  CAIRN_CO_ASSIGN(PreparedRows rows, prepare_rows(shared->rows, shared->shard));
  CAIRN_CO_TRY(co_await prepare_shards(core, &rows, &shared->inline_shards, shared->shard));
  co_return co_await commit_rows(core, &flight, std::move(rows), MakeInstall{shared});
}

io::Task<Result<Drive::SettleReplies>> LocalDrive::settle_all(std::vector<SettleRequest> requests) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  if (requests.empty()) co_return SettleReplies{};
  const auto together = std::make_shared<SettleTogether>(requests.size());
  std::vector<std::unique_ptr<Work>> works;
  works.reserve(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const bool here = requests[i].fence.drive == core->id;
    if (here) works.push_back(std::make_unique<SettleWork>(std::move(requests[i]), together, i));
    if (!here) together->set(i, Refusal::wrong_drive);
  }
  const auto answer = together->answer;
  core->committer->submit(std::move(works));
  co_return co_await answer.get();
}

io::Task<Result<Refusal>> LocalDrive::forget(Fence fence, model::UnitKey unit, Stamp head) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  if (fence.drive != core->id) co_return Refusal::wrong_drive;
  const auto flight = core->mirror.enter(unit.encoded());
  co_return co_await submit<Refusal>(core,
                                     std::make_unique<ForgetWork>(fence, std::move(unit), head));
}

io::Task<Result<SyncedBatches>> LocalDrive::synced() {
  if (core_->failed()) co_return core_->failure();
  co_return SyncedBatches{core_->mount, core_->batch_at_open, core_->synced_batch.load()};
}

io::Task<Result<PromiseReply>> LocalDrive::promise(PromiseRequest request) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  if (request.drive != core->id) {
    PromiseReply reply;
    reply.refusal = Refusal::wrong_drive;
    co_return reply;
  }
  co_return co_await submit<PromiseReply>(core, std::make_unique<PromiseWork>(std::move(request)));
}

io::Task<Result<PartitionState>> LocalDrive::partition_state(model::PartitionId partition) {
  if (core_->failed()) co_return core_->failure();
  co_return core_->partitions.state(partition);
}

std::optional<Drive::HeldPromise> LocalDrive::held_promise(model::PartitionId partition) const {
  if (core_->failed()) return std::nullopt;
  return core_->partitions.held(partition);
}

io::Task<Result<Refusal>> LocalDrive::mark_rebuilt(Fence fence) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  if (fence.drive != core->id) co_return Refusal::wrong_drive;
  co_return co_await submit<Refusal>(core, std::make_unique<RebuiltWork>(fence));
}

io::Task<Result<void>> LocalDrive::repair_add(std::vector<model::UnitKey> units) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  auto done =
      co_await submit<bool>(core, std::make_unique<RepairQueueWork>(std::move(units), true));
  CAIRN_CO_TRY(done);
  co_return Result<void>{};
}

io::Task<Result<void>> LocalDrive::repair_remove(std::vector<model::UnitKey> units) {
  const auto core = core_;
  if (core->failed()) co_return core->failure();
  auto done =
      co_await submit<bool>(core, std::make_unique<RepairQueueWork>(std::move(units), false));
  CAIRN_CO_TRY(done);
  co_return Result<void>{};
}

io::Task<Result<std::unique_ptr<BlobWriter>>> LocalDrive::create_blob(BlobName name) {
  if (core_->failed()) co_return core_->failure();
  co_return co_await drive::create_blob(core_, name);
}

io::Task<Result<std::unique_ptr<ShardReader>>> LocalDrive::open_blob(BlobName name) {
  if (core_->failed()) co_return core_->failure();
  co_return co_await drive::open_blob(core_, name);
}

io::Task<Result<void>> LocalDrive::discard_blob(BlobName name) {
  if (core_->failed()) co_return core_->failure();
  co_return co_await drive::discard_blob(core_, name);
}

io::Task<Result<void>> LocalDrive::quarantine(BlobName name, bool is_inline) {
  if (core_->failed()) co_return core_->failure();
  co_return co_await drive::quarantine(core_, name, is_inline);
}

}  // namespace cairn::drive
