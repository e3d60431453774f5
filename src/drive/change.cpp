#include "drive/change.h"

#include <algorithm>
#include <set>

#include "base/assert.h"
#include "base/log.h"

namespace cairn::drive {
namespace {

using Kind = model::Record::DataKind;

// The settled state that a unit is to have.
struct Target {
  Stamp head{};
  bool whole = false;
  std::vector<RowInfo> puts{};
  std::vector<RowInfo> drops{};  // unless whole
  Summary after{};
};

bool contains(const std::vector<RowInfo>& rows, const RowId& id) {
  return std::ranges::any_of(rows, [&](const auto& row) { return row.id == id; });
}

Error broken(const UnitView& view, const char* what) {
  log::error("a message breaks the commit protocol and is refused",
             {{"what", what}, {"unit_bytes", view.unit().size()}});
  return Error{Code::internal, std::string("the message breaks the commit protocol: ") + what};
}

// The pendings that stay above the new settled head, with `fresh` as it is then; those that changed
// are stored anew.
Result<Pendings> pendings_above(UnitChanges& c, const UnitView& view, const Target& target) {
  std::set<RowId> put_ids;
  for (const auto& put : target.puts) put_ids.insert(put.id);
  Pendings out;
  for (const auto& pending : view.pendings()) {
    if (pending->stamp <= target.head) continue;
    if (!pending->whole && pending->base != target.head)
      return broken(view, "a pending would lose its base");
    Pending next = *pending;
    bool changed = false;
    for (auto& put : next.puts) {
      const bool was_settled = !put.fresh;
      const bool settled = put_ids.contains(put.info.id) ||
                           (!target.whole && was_settled && !contains(target.drops, put.info.id));
      changed |= put.fresh == settled;
      put.fresh = !settled;
    }
    if (!changed) {
      out.push_back(pending);
      continue;
    }
    c.events.push_back({view.unit(), next.stamp, encode_pending(next)});
    out.push_back(std::make_shared<const Pending>(std::move(next)));
  }
  return out;
}

// Rows that nothing has after the change: settled ones that go, and those of pendings that go.
Result<std::vector<RowInfo>> rows_to_delete(UnitView& view, const Target& target,
                                            const Pendings& above) {
  std::set<RowId> keep;
  for (const auto& put : target.puts) keep.insert(put.id);
  for (const auto& pending : above)
    for (const auto& put : pending->puts) keep.insert(put.info.id);
  std::vector<RowInfo> out;
  std::set<RowId> seen;
  const auto consider = [&](const RowInfo& row) {
    if (!keep.contains(row.id) && seen.insert(row.id).second) out.push_back(row);
  };
  if (target.whole) {
    CAIRN_TRY(view.settled_infos(consider));
  } else {
    for (const auto& row : target.drops) consider(row);
  }
  for (const auto& pending : view.pendings()) {
    if (pending->stamp > target.head) continue;
    for (const auto& put : pending->puts)
      if (put.fresh) consider(put.info);
  }
  return out;
}

// Deletes rows, and the data that no row of the unit names any more (L4).
Result<void> delete_rows(UnitChanges& c, UnitView& view, const std::vector<RowInfo>& rows,
                         const Target& target, const Pendings& above) {
  std::set<model::ValueId> named;
  const auto note = [&](const RowInfo& row) {
    if (row.kind != Kind::none) named.insert(row.data_id);
  };
  if (!rows.empty()) {
    for (const auto& put : target.puts) note(put);
    for (const auto& pending : above)
      for (const auto& put : pending->puts) note(put.info);
  }
  if (!target.whole) {
    // Settled rows stay. The one of the same version may name the same data: a pending that goes
    // had only changed it.
    for (const auto& row : rows) {
      CAIRN_ASSIGN(const auto settled, view.settled_version(row.id.order));
      if (settled && !contains(rows, settled->id)) note(*settled);
    }
  }
  const auto unit = unit_hash(view.unit());
  for (const auto& row : rows) {
    c.batch.remove(Family::records, row_key(view.unit(), row.id));
    if (row.kind == Kind::none || !named.insert(row.data_id).second) continue;
    CAIRN_TRY(c.data.drop(unit, row));
  }
  return {};
}

Result<void> move_settled(UnitChanges& c, UnitView& view, const Target& target) {
  CAIRN_ASSIGN(Pendings above, pendings_above(c, view, target));
  CAIRN_ASSIGN(const auto gone, rows_to_delete(view, target, above));
  CAIRN_TRY(delete_rows(c, view, gone, target, above));
  for (const auto& pending : view.pendings())
    if (pending->stamp <= target.head) c.events.push_back({view.unit(), pending->stamp, {}});
  // L2.
  const bool row_is_head =
      target.whole && target.puts.size() == 1 && target.puts[0].id.stamp == target.head;
  if (!row_is_head) {
    c.batch.put(Family::records, view.unit(), {encode_head({target.head, target.after})});
  } else if (view.settled().head_row) {
    c.batch.remove(Family::records, view.unit());
  }
  SettledState settled{target.head, target.after, !row_is_head};
  if (row_is_head) settled.lone = target.puts[0];
  c.pendings.push_back({view.unit(), std::make_shared<const Pendings>(std::move(above)), settled});
  return {};
}

Summary summary_of(const std::vector<PreparedRow>& rows) {
  Summary out;
  out.rows = rows.size();
  for (const auto& row : rows)
    if (row.info.null_version) out.null_row = row.info.id;
  return out;
}

bool names_data(const UnitView& view, const std::vector<RowInfo>& drops, const RowInfo& row) {
  if (row.kind == Kind::none) return false;
  for (const auto& drop : drops)
    if (drop.kind == row.kind && drop.data_id == row.data_id) return true;
  for (const auto& pending : view.pendings())
    for (const auto& put : pending->puts)
      if (put.info.kind == row.kind && put.info.data_id == row.data_id) return true;
  return false;
}

// Settled rows that a mutation that is not whole replaces or removes.
Result<std::vector<RowInfo>> find_drops(UnitView& view, const Mutation& mutation,
                                        const PreparedRows& rows) {
  std::vector<RowInfo> out;
  std::set<Stamp> orders(mutation.removes.begin(), mutation.removes.end());
  for (const auto& row : rows.rows) orders.insert(row.info.id.order);
  for (const auto& order : orders) {
    CAIRN_ASSIGN(const auto settled, view.settled_version(order));
    if (!settled) continue;
    const bool kept = std::ranges::any_of(
        rows.rows, [&](const PreparedRow& row) { return row.info.id == settled->id; });
    if (!kept) out.push_back(*settled);
  }
  return out;
}

// Takes in what a repetition brings (data that was missing); what is here already stays as it is.
Result<Accepted> complete(UnitChanges& c, UnitView& view, std::uint8_t shard,
                          const PreparedRows& rows, const std::vector<InlineShard>& shards) {
  Accepted out;
  const auto unit = unit_hash(view.unit());
  for (const auto& row : rows.rows) {
    CAIRN_ASSIGN(const bool here, view.has_row(row.info.id));
    if (!here) continue;
    CAIRN_ASSIGN(const Row stored, view.row(row.info.id));
    CAIRN_ASSIGN(const RowInfo info, info_of(stored));
    if (info != row.info) continue;  // no leader sends that: data of another row is not taken in
    CAIRN_TRY(c.data.name(unit, shard, row, true, rows.absent, shards, out.reply.missing));
  }
  out.changed = !c.empty();
  return out;
}

Accepted refuse(const UnitView& view, Refusal refusal) {
  Accepted out;
  out.reply.refusal = refusal;
  out.reply.head = view.head();
  return out;
}

// Writes the rows of a pending or an install and what they name.
Result<void> put_rows(UnitChanges& c, UnitView& view, std::uint8_t shard, const PreparedRows& rows,
                      const std::vector<RowInfo>& drops, const std::vector<InlineShard>& shards,
                      std::vector<MissingShard>& missing) {
  const auto unit = unit_hash(view.unit());
  for (const auto& row : rows.rows) {
    const auto key = row_key(view.unit(), row.info.id);
    c.batch.put(Family::records, key, {row_prefix(row.info), row.row->record});
    const bool known = names_data(view, drops, row.info);
    CAIRN_TRY(c.data.name(unit, shard, row, known, rows.absent, shards, missing));
  }
  return {};
}

// The pending that a mutation becomes over the settled state of `view`.
Result<Pending> make_pending(UnitView& view, const Mutation& m, const PreparedRows& rows) {
  Pending p;
  p.stamp = m.stamp;
  p.base = m.base;
  p.value = m.value;
  p.whole = m.whole;
  p.brings_data = m.brings_data;
  p.removes = m.removes;
  std::uint64_t new_rows = 0;
  for (const auto& row : rows.rows) {
    bool settled = false;
    if (row.info.id.stamp != m.stamp) {  // else it is new: nothing had this stamp before
      CAIRN_ASSIGN(const auto other, view.settled_version(row.info.id.order));
      settled = other && other->id == row.info.id;
    }
    if (!settled) ++new_rows;
    p.puts.push_back({row.info, !settled});
  }
  if (m.whole) {
    p.after = summary_of(rows.rows);
    return p;
  }
  CAIRN_ASSIGN(p.drops, find_drops(view, m, rows));
  p.after = view.settled().summary;
  if (p.after.rows + new_rows < p.drops.size())
    return Error{Code::corrupt, "index: a head with too few versions"};
  p.after.rows += new_rows - p.drops.size();
  if (p.after.null_row && contains(p.drops, *p.after.null_row)) p.after.null_row.reset();
  for (const auto& row : rows.rows)
    if (row.info.null_version) p.after.null_row = row.info.id;
  return p;
}

bool too_many_values(const UnitView& view, const model::ValueId& value) {
  std::set<model::ValueId> values;
  for (const auto& pending : view.pendings()) values.insert(pending->value);
  return values.size() >= kMaxPendingValues && !values.contains(value);
}

}  // namespace

Result<Accepted> accept_mutation(UnitChanges& c, UnitView& view, const MutateRequest& request,
                                 const PreparedRows& rows) {
  const Mutation& m = *request.mutation;
  const auto settled = view.settled().head;
  for (const auto& pending : view.pendings()) {
    if (pending->stamp != m.stamp) continue;
    if (pending->value != m.value) return broken(view, "one stamp names two values");
    return complete(c, view, request.shard, rows, request.inline_shards);
  }
  if (settled == m.stamp) return complete(c, view, request.shard, rows, request.inline_shards);
  if (const auto head = view.head(); head && m.stamp <= *head)
    return refuse(view, Refusal::stale_stamp);
  if (m.base && m.base != settled) {
    for (const auto& pending : view.pendings()) {
      if (pending->stamp != *m.base) continue;
      Accepted out;
      out.settle_first = m.base;
      return out;
    }
  }
  if (!m.whole && m.base != settled) return refuse(view, Refusal::no_base);
  if (too_many_values(view, m.value)) return refuse(view, Refusal::too_many_pending);
  CAIRN_ASSIGN(Pending pending, make_pending(view, m, rows));
  // Data of the rows that a change of metadata replaces is kept by the new row.
  std::vector<RowInfo> replaced = pending.drops;
  for (const auto& put : pending.puts)
    if (!put.fresh) replaced.push_back(put.info);  // itself
  if (m.whole) CAIRN_TRY(view.settled_infos([&](const RowInfo& row) { replaced.push_back(row); }));
  Accepted out;
  CAIRN_TRY(
      put_rows(c, view, request.shard, rows, replaced, request.inline_shards, out.reply.missing));
  c.events.push_back({view.unit(), m.stamp, encode_pending(pending)});
  auto next = std::make_shared<Pendings>(view.pendings());
  next->insert(next->begin(), std::make_shared<const Pending>(std::move(pending)));
  c.pendings.push_back({view.unit(), std::move(next), view.settled()});
  out.changed = true;
  return out;
}

Result<bool> settle_pending(UnitChanges& c, UnitView& view, const Stamp& stamp) {
  const Pending* found = nullptr;
  for (const auto& pending : view.pendings())
    if (pending->stamp == stamp) found = pending.get();
  if (found == nullptr) return false;
  if (!found->whole && found->base != view.settled().head)
    return broken(view, "a pending is settled on another base than its own");
  Target target{stamp, found->whole, {}, found->drops, found->after};
  for (const auto& put : found->puts) target.puts.push_back(put.info);
  CAIRN_TRY(move_settled(c, view, target));
  return true;
}

Result<bool> settle_and_forget(UnitChanges& c, UnitView& view, const Stamp& stamp) {
  if (view.head() != stamp) return settle_pending(c, view, stamp);
  if (view.summary().rows != 0) return broken(view, "a unit with versions is to be forgotten");
  CAIRN_TRY(wipe_unit(c, view));
  return true;
}

Result<Accepted> accept_install(UnitChanges& c, UnitView& view, const InstallRequest& request,
                                const PreparedRows& rows) {
  const auto settled = view.settled().head;
  if (settled && request.head < *settled) return refuse(view, Refusal::stale_stamp);
  Target target{request.head, true, {}, {}, summary_of(rows.rows)};
  for (const auto& row : rows.rows) target.puts.push_back(row.info);
  std::vector<RowInfo> before;
  CAIRN_TRY(view.settled_infos([&](const RowInfo& row) { before.push_back(row); }));
  Accepted out;
  // Removals first: in a batch the last change of a key counts.
  CAIRN_TRY(move_settled(c, view, target));
  CAIRN_TRY(
      put_rows(c, view, request.shard, rows, before, request.inline_shards, out.reply.missing));
  out.changed = true;
  return out;
}

Result<Refusal> forget_unit(UnitChanges& c, UnitView& view, const Stamp& head) {
  if (!view.head()) return Refusal::none;
  if (!view.pendings().empty() || view.settled().head != head || view.settled().summary.rows != 0)
    return Refusal::stale_stamp;
  CAIRN_ASSERT(view.settled().head_row);  // L2: no row, so the head has one of its own
  c.batch.remove(Family::records, view.unit());
  c.pendings.push_back({view.unit(), std::make_shared<const Pendings>(), {}});
  return Refusal::none;
}

Result<void> wipe_unit(UnitChanges& c, UnitView& view) {
  std::vector<RowInfo> rows;
  CAIRN_TRY(view.settled_infos([&](const RowInfo& row) { rows.push_back(row); }));
  for (const auto& pending : view.pendings()) {
    for (const auto& put : pending->puts)
      if (put.fresh && !contains(rows, put.info.id)) rows.push_back(put.info);
    c.events.push_back({view.unit(), pending->stamp, {}});
  }
  Target nothing;
  nothing.whole = true;
  CAIRN_TRY(delete_rows(c, view, rows, nothing, Pendings{}));
  if (view.settled().head_row) c.batch.remove(Family::records, view.unit());
  c.pendings.push_back({view.unit(), std::make_shared<const Pendings>(), {}});
  return {};
}

}  // namespace cairn::drive
