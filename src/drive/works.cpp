#include "drive/works.h"

#include "base/assert.h"
#include "drive/sweep.h"
#include "drive/wipe.h"

namespace cairn::drive {
namespace {

Refusal admit(Round& round, const Fence& fence, bool raise, PartitionState* state = nullptr) {
  const auto admission = round.core.partitions.admit(fence, raise);
  if (state != nullptr) *state = admission.state;
  // Its promise is synced with this batch, whatever becomes of the message itself.
  if (admission.raised) round.partitions.push_back(fence.partition);
  return admission.refusal;
}

Result<UnitView> load(Round& round, const std::string& unit) {
  auto look = round.core.mirror.look(unit);
  if (!round.records) round.records = round.reader.cursor(Family::records, Walk::unit);
  return UnitView::load(round.reader, unit,
                        {std::move(look.pendings), std::move(look.settled), round.records.get()});
}

// The base of a mutation is settled (10.5). Written ahead of the batch, which then rests on it;
// needs no sync (6.1).
Result<void> settle_ahead(Round& round, const std::string& unit, const Stamp& stamp) {
  CAIRN_ASSIGN(UnitView view, load(round, unit));
  auto batch = round.core.index->batch();
  DataChanges data(*batch, round.reader, round.core.marks);
  UnitChanges units{*batch, data};
  CAIRN_ASSIGN(const bool settled, settle_pending(units, view, stamp));
  CAIRN_ASSERT(settled);
  round.core.journal.append(*batch, std::move(units.events), round.core.mirror);
  CAIRN_TRY(round.core.committer->write(*batch, false));
  data.written();
  round.core.committer->free_after_sync(data.freed());
  publish(round.core.mirror, units.pendings);
  round.records.reset();  // it does not see what was written
  round.candidates.insert(round.candidates.end(), data.unnamed().begin(), data.unnamed().end());
  round.needs_sync = true;
  return {};
}

void refused(MutateReply& reply, Refusal refusal, const PartitionState& state) {
  reply.refusal = refusal;
  reply.promised = state.promised;
  reply.map_epoch = state.map_epoch;
}

// What was refused named nothing. (A repetition that needed no shard leaves its place in the shard
// log to the next mount.)
void give_places_back(Round& round, const PreparedRows& rows, const MutateReply& reply) {
  if (reply.refusal != Refusal::none) round.core.committer->free_after_sync(rows.places());
}

}  // namespace

Result<void> MutateWork::apply(Round& round) {
  PartitionState state;
  if (const auto refusal = admit(round, request_.fence, true, &state); refusal != Refusal::none) {
    refused(reply_, refusal, state);
    give_places_back(round, rows_, reply_);
    return {};
  }
  const std::string& unit = request_.mutation->unit.encoded();
  for (;;) {
    CAIRN_ASSIGN(UnitView view, load(round, unit));
    CAIRN_ASSIGN(Accepted accepted, accept_mutation(round.units, view, request_, rows_));
    if (accepted.settle_first) {
      CAIRN_TRY(settle_ahead(round, unit, *accepted.settle_first));
      continue;
    }
    round.needs_sync |= accepted.changed;
    reply_ = std::move(accepted.reply);
    give_places_back(round, rows_, reply_);
    return {};
  }
}

Result<void> InstallWork::apply(Round& round) {
  PartitionState state;
  if (const auto refusal = admit(round, request_->fence, true, &state); refusal != Refusal::none) {
    refused(reply_, refusal, state);
    give_places_back(round, rows_, reply_);
    return {};
  }
  CAIRN_ASSIGN(UnitView view, load(round, request_->unit.encoded()));
  CAIRN_ASSIGN(Accepted accepted, accept_install(round.units, view, *request_, rows_));
  round.needs_sync |= accepted.changed;
  reply_ = std::move(accepted.reply);
  give_places_back(round, rows_, reply_);
  return {};
}

Result<void> SettleWork::apply(Round& round) {
  reply_ = admit(round, request_.fence, false);
  if (reply_ != Refusal::none) return {};
  flight_.emplace(round.core.mirror.enter(request_.unit.encoded()));
  flight_->submitted();
  CAIRN_ASSIGN(UnitView view, load(round, request_.unit.encoded()));
  if (request_.forget) {
    CAIRN_TRY(settle_and_forget(round.units, view, request_.stamp));
  } else {
    CAIRN_TRY(settle_pending(round.units, view, request_.stamp));
  }
  return {};
}

Result<void> ForgetWork::apply(Round& round) {
  reply_ = admit(round, fence_, true);
  if (reply_ != Refusal::none) return {};
  CAIRN_ASSIGN(UnitView view, load(round, unit_.encoded()));
  CAIRN_ASSIGN(reply_, forget_unit(round.units, view, head_));
  return {};
}

Result<void> InspectWork::apply(Round& round) {
  reply_.first = admit(round, fence_, true);
  if (reply_.first != Refusal::none) return {};
  const std::string& unit = unit_.encoded();
  auto look = round.core.mirror.look(unit);
  CAIRN_ASSIGN(reply_.second,
               unit_state(round.core, round.reader, unit_,
                          {std::move(look.pendings), std::move(look.settled)}, want_parts_));
  return {};
}

Result<void> PromiseWork::apply(Round& round) {
  core_ = &round.core;
  auto promised = round.core.partitions.promise(request_);
  reply_.refusal = promised.refusal;
  if (promised.refusal != Refusal::none) return {};
  if (!promised.wipe.empty()) {
    auto wiped = wipe_partitions(round.core, promised.wipe);
    round.records.reset();  // it does not see what is gone
    // Half wiped and half not is no state to go on from.
    if (!wiped) round.core.fail("a partition cannot be wiped: " + wiped.error().message);
    CAIRN_TRY(wiped);
    spawn_sweep(round.core.shared_from_this());
  }
  round.partitions.insert(round.partitions.end(), promised.changed.begin(), promised.changed.end());
  return {};
}

void PromiseWork::finish(const Error* error) {
  if (error == nullptr) {
    CAIRN_ASSERT(core_ != nullptr);
    for (const auto& entry : request_.entries)
      reply_.states.push_back(core_->partitions.state(entry.partition));
  }
  Answering::finish(error);
}

Result<void> RebuiltWork::apply(Round& round) {
  reply_ = admit(round, fence_, true);
  if (reply_ != Refusal::none) return {};
  round.core.partitions.set_rebuilt(fence_.partition);
  round.partitions.push_back(fence_.partition);
  return {};
}

Result<void> RepairQueueWork::apply(Round& round) {
  std::int64_t delta = 0;
  for (const auto& unit : units_) {
    const std::string& key = unit.encoded();
    const auto changed = round.repairs.find(key);
    bool there = changed != round.repairs.end() && changed->second;
    if (changed == round.repairs.end()) {
      std::string value;
      CAIRN_ASSIGN(there, round.reader.get(Family::repair, key, value));
    }
    if (there == add_) continue;
    if (add_) {
      round.batch.put(Family::repair, key, {});
    } else {
      round.batch.remove(Family::repair, key);
    }
    round.repairs[key] = add_;
    delta += add_ ? 1 : -1;
  }
  round.core.repair_entries += delta;
  round.core.metrics.repair_entries.set(static_cast<double>(round.core.repair_entries.load()));
  round.needs_sync = true;  // also when it was there: that may not be synced yet
  reply_ = true;
  return {};
}

Result<void> UnlinkWork::apply(Round& round) {
  round.candidates.insert(round.candidates.end(), names_.begin(), names_.end());
  reply_ = true;
  return {};
}

Result<void> ShardMarkWork::apply(Round& round) {
  reply_ = true;
  if (what_ == What::blob_here) {
    CAIRN_TRY(round.data.unmark(name_));
    round.needs_sync = true;
    return {};
  }
  if (what_ == What::inline_gone) {
    CAIRN_ASSIGN(const bool there, round.data.drop_inline(name_.data_id));
    if (!there) return {};
  } else {
    auto cursor = round.reader.cursor(Family::refs, Walk::unit);
    const auto prefix = blob_key(name_);
    cursor->seek(prefix);
    CAIRN_TRY(cursor->status());
    if (!cursor->valid() || !cursor->key().starts_with(prefix)) return {};
  }
  CAIRN_TRY(round.data.mark(name_));
  round.needs_sync = true;
  return {};
}

namespace {

Result<void> attach_parts(Reader& reader, const RowInfo& info, Row& row) {
  if (info.kind != model::Record::DataKind::parts) return {};
  std::string table;
  CAIRN_ASSIGN(const bool found, reader.get(Family::parts, info.data_id.raw(), table));
  if (found) row.parts = std::move(table);
  return {};
}

Result<PendingMutation> pending_mutation(Core& core, Reader& reader, UnitView& view,
                                         const model::UnitKey& unit, const Pending& pending,
                                         bool want_parts) {
  PendingMutation out;
  auto& m = out.mutation;
  m.unit = unit;
  m.stamp = pending.stamp;
  m.base = pending.base;
  m.value = pending.value;
  m.whole = pending.whole;
  m.brings_data = pending.brings_data;
  m.removes = pending.removes;
  for (const auto& put : pending.puts) {
    CAIRN_ASSIGN(Row row, view.row(put.info.id));
    if (want_parts) CAIRN_TRY(attach_parts(reader, put.info, row));
    m.puts.push_back(std::move(row));
    CAIRN_ASSIGN(const auto missing, missing_of_row(reader, core.marks, put.info));
    out.missing.insert(out.missing.end(), missing.begin(), missing.end());
  }
  return out;
}

}  // namespace

Result<UnitState> unit_state(Core& core, Reader& reader, const model::UnitKey& unit,
                             UnitView::Known known, bool want_parts) {
  UnitState out;
  CAIRN_ASSIGN(UnitView view, UnitView::load(reader, unit.encoded(), std::move(known)));
  out.settled_head = view.settled().head;
  Result<void> inner;
  CAIRN_TRY(view.settled_rows([&](const RowInfo& info, std::string_view record) {
    Row row;
    row.order = info.id.order;
    row.stamp = info.id.stamp;
    row.record = record;
    if (want_parts) inner = attach_parts(reader, info, row);
    out.rows.push_back(std::move(row));
    auto missing = missing_of_row(reader, core.marks, info);
    if (!missing) inner = missing.error();
    if (missing) out.missing.insert(out.missing.end(), missing->begin(), missing->end());
    return inner.has_value();
  }));
  CAIRN_TRY(inner);
  for (const auto& pending : view.pendings()) {
    CAIRN_ASSIGN(auto mutation, pending_mutation(core, reader, view, unit, *pending, want_parts));
    out.pendings.push_back(std::move(mutation));
  }
  return out;
}

}  // namespace cairn::drive
