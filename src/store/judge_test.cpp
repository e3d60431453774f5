#include "store/judge.h"

#include <gtest/gtest.h>

#include <deque>

#include "model/record.h"

namespace cairn::store {
namespace {

using drive::Mutation;
using drive::UnitState;
using model::Stamp;
using Kind = Verdict::Kind;

constexpr Quorums k12{3, 1, 2, 2};
constexpr Quorums k22{4, 2, 3, 2};

drive::Row row(Stamp stamp, std::uint8_t value, bool data) {
  model::Record record;
  record.value.bytes[0] = value;
  record.data_kind = data ? model::Record::DataKind::inline_ : model::Record::DataKind::none;
  record.data.data_id.bytes[0] = value;
  return {stamp, stamp, model::encode_record(record), {}};
}

Mutation mutation(Stamp stamp, std::uint8_t value, std::optional<Stamp> base, bool data = true) {
  Mutation m;
  m.stamp = stamp;
  m.base = base;
  m.value.bytes[0] = value;
  m.whole = true;
  m.brings_data = data;
  m.puts = {row(stamp, value, data)};
  return m;
}

struct Case {
  std::deque<UnitState> states{};
  std::vector<Witness> witnesses{};
  UnitState& add(bool rebuilding = false) {
    states.emplace_back();
    witnesses.push_back({static_cast<unsigned>(witnesses.size()), rebuilding, &states.back()});
    return states.back();
  }
  void settled(Stamp stamp, std::uint8_t value) {
    UnitState& s = add();
    s.settled_head = stamp;
    s.rows = {row(stamp, value, true)};
  }
  void pending(Mutation m, std::optional<Stamp> settled_head = std::nullopt,
               bool incomplete = false, bool rebuilding = false) {
    UnitState& s = add(rebuilding);
    if (settled_head) {
      s.settled_head = settled_head;
      s.rows = {row(*settled_head, 1, true)};
    }
    s.pendings.push_back({m, {}});
    if (incomplete) s.pendings.back().missing.push_back({m.value, 0});
  }
};

constexpr Stamp s0{1, 1}, s1{1, 2}, s2{1, 3};

TEST(Judge, NothingAnywhereIsEmpty) {
  Case c;
  c.add();
  c.add();
  EXPECT_EQ(judge(k12, c.witnesses).kind, Kind::empty);
}

TEST(Judge, KnownSettledIsCurrent) {
  Case c;
  c.settled(s0, 1);
  c.add();
  const Verdict v = judge(k12, c.witnesses);
  EXPECT_EQ(v.kind, Kind::settled);
  EXPECT_EQ(v.stamp, s0);
}

TEST(Judge, NewestOnWIsCurrent) {
  Case c;
  c.pending(mutation(s1, 2, s0), s0);
  c.pending(mutation(s1, 2, s0), s0);
  c.pending(mutation(s1, 2, s0), s0);
  const Verdict v = judge(k22, c.witnesses);
  EXPECT_EQ(v.kind, Kind::quorum);
  EXPECT_EQ(v.stamp, s1);
}

TEST(Judge, ReadableIsRestamped) {
  Case c;
  c.pending(mutation(s1, 2, s0), s0);
  c.pending(mutation(s1, 2, s0), s0);
  c.settled(s0, 1);
  c.settled(s0, 1);
  const Verdict v = judge(k22, c.witnesses);
  EXPECT_EQ(v.kind, Kind::restamp);
  EXPECT_EQ(v.stamp, s1);
}

TEST(Judge, HoldersUnderAnyStampCount) {
  Case c;
  c.pending(mutation(s1, 2, s0), s0);
  c.pending(mutation(s2, 2, s0), s0);
  c.settled(s0, 1);
  EXPECT_EQ(judge(k22, c.witnesses).kind, Kind::restamp);
  EXPECT_EQ(judge(k22, c.witnesses).stamp, s2);
}

TEST(Judge, FewerThanWIsPassedOver) {
  Case c;
  c.pending(mutation(s1, 2, s0), s0);
  c.settled(s0, 1);
  c.settled(s0, 1);
  const Verdict v = judge(k22, c.witnesses);  // one may have it beside: 1 + 1 < 3
  EXPECT_EQ(v.kind, Kind::settled);
  EXPECT_EQ(v.stamp, s0);
}

TEST(Judge, UnreachableIsNoAbsence) {
  Case c;
  c.pending(mutation(s1, 2, s0), s0);
  c.settled(s0, 1);
  EXPECT_EQ(judge(k22, c.witnesses).kind, Kind::undecided);  // 1 + 2 >= 3
}

TEST(Judge, RebuildingMemberWithoutItIsUnknown) {
  Case c;
  c.pending(mutation(s1, 2, s0), s0);
  c.settled(s0, 1);
  c.settled(s0, 1);
  c.add(true);
  EXPECT_EQ(judge(k22, c.witnesses).kind, Kind::settled);  // 1 + 1 < 3
  Case d;
  d.pending(mutation(s1, 2, s0), s0);
  d.settled(s0, 1);
  d.add(true);
  d.add(true);
  EXPECT_EQ(judge(k22, d.witnesses).kind, Kind::undecided);  // 1 + 2 >= 3
}

TEST(Judge, IncompleteIsNoHolderAndNoProofOfAbsenceEither) {
  Case c;
  c.pending(mutation(s1, 2, s0), s0);
  c.pending(mutation(s1, 2, s0), s0, true);
  c.pending(mutation(s1, 2, s0), s0, true);
  c.settled(s0, 1);
  EXPECT_EQ(judge(k22, c.witnesses).kind, Kind::incomplete);
  Case d;
  d.pending(mutation(s1, 2, s0), s0);
  d.pending(mutation(s1, 2, s0), s0, true);
  d.settled(s0, 1);
  d.settled(s0, 1);
  EXPECT_EQ(judge(k22, d.witnesses).kind, Kind::settled);  // two with the rows: never acknowledged
}

TEST(Judge, ValuesThatBringNoDataNeedOneHolder) {
  Case c;
  c.pending(mutation(s1, 2, s0, false), s0);
  c.settled(s0, 1);
  c.settled(s0, 1);
  c.settled(s0, 1);
  EXPECT_EQ(judge(k22, c.witnesses).kind, Kind::restamp);
}

TEST(Judge, PassedOverValueIsNotTriedUnderItsOlderStamp) {
  Case c;
  c.pending(mutation(s2, 2, s0), s0);
  c.states.back().pendings.push_back({mutation(s1, 2, s0), {}});
  c.settled(s0, 1);
  c.settled(s0, 1);
  c.settled(s0, 1);
  EXPECT_EQ(judge(k22, c.witnesses).kind, Kind::settled);
}

TEST(RowsAsOf, ChangesStandOnTheirBase) {
  UnitState state;
  state.settled_head = s0;
  state.rows = {row(s0, 1, false)};
  Mutation change = mutation(s1, 2, s0, false);
  change.whole = false;
  state.pendings.push_back({change, {}});
  Mutation purge;
  purge.stamp = s2;
  purge.base = s1;
  purge.removes = {s0};
  state.pendings.insert(state.pendings.begin(), {purge, {}});
  EXPECT_EQ(head_of(state), s2);
  ASSERT_TRUE(rows_as_of(state, s1));
  EXPECT_EQ(rows_as_of(state, s1)->size(), 2u);
  ASSERT_EQ(rows_as_of(state, s2)->size(), 1u);
  EXPECT_EQ((*rows_as_of(state, s2))[0].order, s1);
  EXPECT_FALSE(rows_as_of(state, Stamp{9, 9}));
}

}  // namespace
}  // namespace cairn::store
