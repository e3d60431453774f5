#include "store/judge.h"

#include <algorithm>
#include <set>

#include "base/assert.h"
#include "model/record.h"
#include "store/decide.h"

namespace cairn::store {
namespace {

using drive::PendingMutation;
using drive::Row;
using drive::UnitState;
using model::Stamp;
using model::ValueId;

// The data ids that a pending mutation brings: those of the row it wrote. Unknown (none) for a
// table of parts, of which the state may not carry the names.
std::optional<ValueId> brought(const drive::Mutation& mutation) {
  for (const Row& row : mutation.puts) {
    const auto record = model::decode_record(row.record);
    if (!record || record->value != mutation.value) continue;
    if (record->data_kind == model::Record::DataKind::parts) return std::nullopt;
    return record->data.data_id;
  }
  return std::nullopt;
}

// Whether a member with this pending is a holder (protocol.md 1): it has its shard of every blob
// the mutation brings.
bool is_complete(const PendingMutation& pending) {
  if (pending.missing.empty() || !pending.mutation.brings_data) return true;
  const auto id = brought(pending.mutation);
  if (!id) return false;
  return std::ranges::none_of(pending.missing, [&](const auto& m) { return m.data_id == *id; });
}

// Whether a member with this pending never was a holder: a shard that the mutation brings was never
// there. (Of a table of parts the names are not at hand: told only where nothing else is named.)
bool never_held(const PendingMutation& pending) {
  if (!pending.mutation.brings_data) return false;
  const auto id = brought(pending.mutation);
  if (!id && pending.mutation.puts.size() != 1) return false;
  return std::ranges::any_of(
      pending.missing, [&](const auto& m) { return m.never_here && (!id || m.data_id == *id); });
}

struct Candidate {
  Stamp stamp{};
  const drive::Mutation* mutation = nullptr;  // null: settled somewhere, pending nowhere
};

// Newest stamp first (5.2). A stamp names one value id (10.1).
std::vector<Candidate> candidates_of(std::span<const Witness> witnesses) {
  std::vector<Candidate> out;
  for (const Witness& witness : witnesses) {
    if (witness.state->settled_head) out.push_back({*witness.state->settled_head, nullptr});
    for (const auto& pending : witness.state->pendings) {
      out.push_back({pending.mutation.stamp, &pending.mutation});
    }
  }
  std::ranges::sort(out, [](const Candidate& a, const Candidate& b) {
    if (a.stamp != b.stamp) return a.stamp > b.stamp;
    return (a.mutation != nullptr) > (b.mutation != nullptr);
  });
  for (std::size_t i = 1; i < out.size(); ++i) {
    if (out[i].stamp != out[i - 1].stamp || !out[i].mutation) continue;
    CAIRN_ASSERT(out[i].mutation->value == out[i - 1].mutation->value);
  }
  const auto same = [](const Candidate& a, const Candidate& b) { return a.stamp == b.stamp; };
  out.erase(std::unique(out.begin(), out.end(), same), out.end());
  return out;
}

struct Count {
  unsigned holders = 0;  // h: with all shards
  unsigned rows = 0;     // with the rows, complete or not
  unsigned held = 0;     // of those, that may have been holders at some time
  unsigned newest = 0;   // holders whose newest mutation is that very stamp
  unsigned unknown = 0;  // u
  std::optional<std::size_t> source{};
};

Count count(Quorums quorums, std::span<const Witness> witnesses, const drive::Mutation& wanted,
            const std::set<Stamp>& stamps) {
  Count c;
  c.unknown = quorums.n - static_cast<unsigned>(witnesses.size());
  for (std::size_t i = 0; i < witnesses.size(); ++i) {
    const UnitState& state = *witnesses[i].state;
    bool has_rows = state.settled_head && stamps.contains(*state.settled_head);
    bool holds = has_rows && (!wanted.brings_data || state.missing.empty());
    bool held = has_rows;
    for (const auto& pending : state.pendings) {
      if (pending.mutation.value != wanted.value) continue;
      has_rows = true;
      held |= !never_held(pending);
      if (!is_complete(pending)) continue;
      holds = true;
      if (pending.mutation.stamp == wanted.stamp && head_of(state) == wanted.stamp) ++c.newest;
    }
    c.holders += holds;
    c.rows += has_rows;
    c.held += held;
    // 5.2: a rebuilding member without it says nothing; "cannot reach" is u, never absence.
    if (!has_rows && witnesses[i].rebuilding) ++c.unknown;
    if (has_rows && !c.source && rows_as_of(state, wanted.stamp)) c.source = i;
  }
  return c;
}

std::set<Stamp> stamps_of(std::span<const Witness> witnesses, ValueId value) {
  std::set<Stamp> out;
  for (const Witness& witness : witnesses) {
    for (const auto& pending : witness.state->pendings) {
      if (pending.mutation.value == value) out.insert(pending.mutation.stamp);
    }
  }
  return out;
}

}  // namespace

std::optional<Stamp> head_of(const UnitState& state) {
  std::optional<Stamp> head = state.settled_head;
  for (const auto& pending : state.pendings) {
    if (!head || pending.mutation.stamp > *head) head = pending.mutation.stamp;
  }
  return head;
}

std::optional<std::vector<Row>> rows_as_of(const UnitState& state, Stamp stamp) {
  if (state.settled_head == stamp) return state.rows;
  for (const auto& pending : state.pendings) {
    const drive::Mutation& m = pending.mutation;
    if (m.stamp != stamp) continue;
    if (m.whole) return apply({}, m.puts, {});
    if (!m.base || !(*m.base < stamp)) return std::nullopt;
    auto base = rows_as_of(state, *m.base);
    if (!base) return std::nullopt;
    return apply(std::move(*base), m.puts, m.removes);
  }
  return std::nullopt;
}

Verdict judge(Quorums quorums, std::span<const Witness> witnesses) {
  const auto voting =
      std::ranges::count_if(witnesses, [](const Witness& w) { return !w.rebuilding; });
  CAIRN_ASSERT(static_cast<unsigned>(voting) >= quorums.r);
  CAIRN_ASSERT(witnesses.size() <= quorums.n);
  std::set<ValueId> passed;
  for (const Candidate& candidate : candidates_of(witnesses)) {
    // 5.3a: known settled.
    for (std::size_t i = 0; i < witnesses.size(); ++i) {
      if (witnesses[i].state->settled_head == candidate.stamp) {
        return {Verdict::Kind::settled, candidate.stamp, {}, i};
      }
    }
    const drive::Mutation& m = *candidate.mutation;
    if (passed.contains(m.value)) continue;  // h counted it under any stamp
    const Count c = count(quorums, witnesses, m, stamps_of(witnesses, m.value));
    const unsigned need = m.brings_data ? quorums.k : 1;
    // 5.3b: that very stamp is the newest on W of A.
    if (c.newest >= quorums.w && c.source) {
      return {Verdict::Kind::quorum, m.stamp, m.value, *c.source};
    }
    // 5.3c: readable, so it is completed, under a new stamp (5.4).
    if (c.holders >= need && c.source) return {Verdict::Kind::restamp, m.stamp, m.value, *c.source};
    // 5.3d: fewer than W can ever have held it. A member with the rows and without a shard may have
    // lost the shard after it acknowledged, so it counts here although it is no holder; not where
    // the drive knows that the shard was never there.
    if (c.held + c.unknown < quorums.w) {
      passed.insert(m.value);
      continue;
    }
    // 5.3e.
    const bool may_be_completed = m.brings_data && c.rows > c.holders;
    return {may_be_completed ? Verdict::Kind::incomplete : Verdict::Kind::undecided, m.stamp,
            m.value, 0};
  }
  return {};
}

}  // namespace cairn::store
