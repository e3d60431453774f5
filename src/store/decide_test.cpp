#include "store/decide.h"

#include <gtest/gtest.h>

namespace cairn::store {
namespace {

using model::Record;
using model::Stamp;

constexpr std::int64_t kNow = 1'700'000'000'000;

struct Unit {
  std::vector<drive::Row> rows{};  // newest first
  std::uint64_t sequence = 0;

  Current current(const Commit& commit) const {
    Current c;
    c.row_count = rows.size();
    if (!rows.empty()) c.latest = &rows[0];
    const auto addressed = addressed_version(commit);
    for (const auto& row : rows) {
      const auto record = *model::decode_record(row.record);
      if (record.version.null) c.null_row = &row;
      if (addressed && record.version == *addressed) c.addressed = &row;
    }
    return c;
  }
  Result<Effect> run(const Commit& commit, std::int64_t now = kNow) {
    auto effect = decide(current(commit), commit, Stamp{1, ++sequence}, now);
    if (effect && effect->wrote()) {
      rows = effect->all ? std::vector<drive::Row>{}
                         : apply(std::move(rows), effect->puts, effect->removes);
      EXPECT_EQ(rows.size(), effect->rows_after);
    }
    return effect;
  }
  Record latest() const { return *model::decode_record(rows.at(0).record); }
};

Commit put(std::string etag, Versioning versioning = Versioning::unversioned,
           std::uint8_t value = 1) {
  PutVersion intent;
  intent.versioning = versioning;
  intent.record.etag = std::move(etag);
  Commit commit{model::UnitKey::object(model::BucketId{1}, "k"), {}, std::move(intent), {}, {}};
  commit.value.bytes[0] = value;
  return commit;
}
Commit marker(Versioning versioning) {
  Commit commit = put("", versioning);
  std::get<PutVersion>(commit.intent).record.delete_marker = true;
  return commit;
}
Commit with(Commit commit, Precondition precondition) {
  commit.precondition = std::move(precondition);
  return commit;
}
Commit remove(model::VersionId version) {
  return {model::UnitKey::object(model::BucketId{1}, "k"), {}, RemoveVersion{version}, {}, {}};
}

TEST(Decide, UnversionedPutReplacesTheNullVersion) {
  Unit unit;
  ASSERT_TRUE(unit.run(put("a")));
  ASSERT_TRUE(unit.run(put("b")));
  ASSERT_EQ(unit.rows.size(), 1u);
  EXPECT_EQ(unit.latest().etag, "b");
  EXPECT_TRUE(unit.latest().version.null);
}

TEST(Decide, EnabledKeepsVersionsAndSuspendedReplacesNullOnly) {
  Unit unit;
  ASSERT_TRUE(unit.run(put("null1")));
  const auto named = unit.run(put("v1", Versioning::enabled));
  ASSERT_TRUE(named);
  EXPECT_EQ(named->reply.version, model::VersionId::of(Stamp{1, 2}));
  EXPECT_EQ(unit.rows.size(), 2u);
  ASSERT_TRUE(unit.run(put("null2", Versioning::suspended)));
  ASSERT_EQ(unit.rows.size(), 2u);
  EXPECT_EQ(unit.latest().etag, "null2");
  EXPECT_EQ(model::decode_record(unit.rows[1].record)->etag, "v1");
}

TEST(Decide, IfMatch) {
  Unit unit;
  EXPECT_EQ(unit.run(with(put("x"), {.if_match = "*"})).code(), Code::no_such_key);
  ASSERT_TRUE(unit.run(put("a")));
  EXPECT_EQ(unit.run(with(put("x"), {.if_match = "b"})).code(), Code::precondition_failed);
  EXPECT_TRUE(unit.run(with(put("b"), {.if_match = "a"})));
  EXPECT_TRUE(unit.run(with(put("c"), {.if_match = "*"})));
  ASSERT_TRUE(unit.run(marker(Versioning::enabled)));
  EXPECT_EQ(unit.run(with(put("x"), {.if_match = "c"})).code(), Code::no_such_key);
}

TEST(Decide, IfNoneMatch) {
  Unit unit;
  ASSERT_TRUE(unit.run(with(put("a"), {.if_none_match = "*"})));
  const auto refused = unit.run(with(put("b"), {.if_none_match = "*"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.code(), Code::precondition_failed);
  ASSERT_FALSE(refused.error().details.empty());
  EXPECT_EQ(refused.error().details[0].second, "If-None-Match");
  EXPECT_TRUE(unit.run(with(put("b"), {.if_none_match = "z"})));
  EXPECT_EQ(unit.run(with(put("c"), {.if_none_match = "b"})).code(), Code::precondition_failed);
  // A latest delete marker is no object.
  ASSERT_TRUE(unit.run(marker(Versioning::enabled)));
  EXPECT_TRUE(unit.run(with(put("d"), {.if_none_match = "*"})));
}

TEST(Decide, SizeAndTime) {
  Unit unit;
  Commit sized = put("a");
  std::get<PutVersion>(sized.intent).record.size = 7;
  ASSERT_TRUE(unit.run(sized));
  EXPECT_EQ(unit.run(with(remove({}), {.if_size = 8})).code(), Code::precondition_failed);
  EXPECT_EQ(unit.run(with(remove({}), {.if_modified_ms = kNow + 1000})).code(),
            Code::precondition_failed);
  EXPECT_TRUE(unit.run(with(remove({}), {.if_modified_ms = kNow / 1000 * 1000, .if_size = 7})));
  EXPECT_TRUE(unit.rows.empty());
}

TEST(Decide, LastModifiedNeverFalls) {
  Unit unit;
  ASSERT_TRUE(unit.run(put("a"), kNow));
  ASSERT_TRUE(unit.run(put("b"), kNow - 5000));
  EXPECT_EQ(unit.latest().modified_ms, kNow);
}

TEST(Decide, RemoveVersion) {
  Unit unit;
  ASSERT_TRUE(unit.run(put("a", Versioning::enabled)));
  const auto marked = unit.run(marker(Versioning::enabled));
  ASSERT_TRUE(marked);
  const auto unknown = unit.run(remove(model::VersionId::of(Stamp{9, 9})));
  ASSERT_TRUE(unknown);
  EXPECT_FALSE(unknown->wrote());
  const auto undone = unit.run(remove(marked->reply.version));
  ASSERT_TRUE(undone);
  EXPECT_TRUE(undone->reply.removed_delete_marker);
  EXPECT_EQ(unit.latest().etag, "a");
}

TEST(Decide, UpdateIsCompareAndSwapOnTheRow) {
  Unit unit;
  const auto made = unit.run(put("a"));
  ASSERT_TRUE(made);
  Commit update{put("").unit, {}, UpdateVersion{{}, made->reply.stamp, "tags"}, {}, {}};
  update.value.bytes[0] = 9;
  const auto updated = unit.run(update);
  ASSERT_TRUE(updated);
  EXPECT_EQ(unit.latest().meta, "tags");
  EXPECT_EQ(unit.rows[0].order, made->reply.stamp);
  EXPECT_GT(unit.rows[0].stamp, made->reply.stamp);
  EXPECT_EQ(unit.run(update).code(), Code::conflict);
  const auto first = already_done(unit.current(update), update);
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->stamp, updated->reply.stamp);
  std::get<UpdateVersion>(update.intent).version = model::VersionId::of(Stamp{9, 9});
  EXPECT_EQ(unit.run(update).code(), Code::not_found);
}

TEST(Decide, RepeatedPutIsRecognisedAlsoAfterATagChange) {
  Unit unit;
  Commit commit = put("a", Versioning::enabled, 5);
  std::get<PutVersion>(commit.intent).record.data_kind = Record::DataKind::inline_;
  std::get<PutVersion>(commit.intent).record.data.data_id = commit.value;
  const auto made = unit.run(commit);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->brings_data);
  Commit update{
      commit.unit, {}, UpdateVersion{made->reply.version, made->reply.stamp, "tags"}, {}, {}};
  update.value.bytes[0] = 9;
  ASSERT_TRUE(unit.run(update));
  const auto done = already_done(unit.current(commit), commit);
  ASSERT_TRUE(done && *done);
  EXPECT_EQ((*done)->version, made->reply.version);
  EXPECT_FALSE(*already_done(unit.current(commit), put("a", Versioning::enabled, 6)));
}

TEST(Decide, BlindOnlyWhenNothingMatters) {
  EXPECT_TRUE(is_blind(put("a")));
  EXPECT_FALSE(is_blind(put("a", Versioning::enabled)));
  EXPECT_FALSE(is_blind(with(put("a"), {.if_none_match = "*"})));
  EXPECT_FALSE(is_blind(remove({})));
}

}  // namespace
}  // namespace cairn::store
