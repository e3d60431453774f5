// Inline shards: in the index or in the shard log, read whole and in ranges.
#include "drive/blob_format.h"
#include "drive/codec.h"
#include "drive/testing/drive_fixture.h"

namespace cairn::drive {
namespace {

using testing::kPartition;
using testing::make_row;
using testing::unit_of;
using testing::value_of;
using Kind = model::Record::DataKind;

// Small inline shards live in the index, larger ones in the shard log: all the same to everybody.
class InlineTest : public testing::DriveFixture, public ::testing::WithParamInterface<bool> {
 protected:
  bool logged() const { return GetParam(); }
  Family family() const { return logged() ? Family::logged : Family::inline_data; }
  std::string text(std::string out) const {
    if (logged()) out.resize(20'000, '.');
    return out;
  }
  Row inline_row(Stamp s, std::uint64_t data, Stamp order = {}, std::string meta = {}) {
    return make_row(order.is_zero() ? s : order, s,
                    {.kind = Kind::inline_, .data_id = value_of(data), .meta = std::move(meta)});
  }
  InlineShard shard(std::uint64_t data, const std::string& bytes) {
    return {value_of(data), {io::Slice::of(text(bytes))}};
  }
  std::size_t segments() { return executor.run(files.list(path + "/log"))->size(); }
  Result<std::string> read_range(std::uint64_t data, std::uint64_t offset, std::size_t length) {
    auto reader = executor.run(drive->open_inline(value_of(data)));
    if (!reader) return Error{std::move(reader.error())};
    std::string room(shard_read_room(offset, length), '\0');
    auto bytes =
        executor.run((*reader)->read(offset, length, std::as_writable_bytes(std::span(room))));
    if (!bytes) return Error{std::move(bytes.error())};
    return std::string(io::as_text(*bytes));
  }
  Result<std::string> read_back(std::uint64_t data) {
    auto slice = executor.run(drive->read_inline(value_of(data)));
    if (!slice) return Error{std::move(slice.error())};
    return std::string(io::as_text(slice->bytes));
  }
};

TEST_P(InlineTest, IsReadWithItsRowAndGoesWithIt) {
  const Stamp s1 = next(), s2 = next();
  EXPECT_TRUE(accept(whole(a, s1, {inline_row(s1, 1)}), {shard(1, "hello")}).held());
  EXPECT_EQ(*read_back(1), text("hello"));
  settle(a, s1);
  crash_losing_all();
  promise(2);
  ReadRequest request;
  request.drive = id;
  request.partition = kPartition;
  request.map_epoch = testing::kEpoch;
  request.unit = a;
  request.want_inline = true;
  auto reply = executor.run(drive->read(request));
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->inline_shard.has_value(), !logged());  // a large one does not come along
  if (!logged()) {
    ASSERT_TRUE(*reply->inline_shard);
    EXPECT_EQ(io::as_text((*reply->inline_shard)->bytes), text("hello"));
  }
  EXPECT_EQ(*read_back(1), text("hello"));
  const Stamp s3{2, s2.sequence};
  EXPECT_TRUE(accept(whole(a, s3, {inline_row(s3, 2)}), {shard(2, "world")}).held());
  settle(a, s3);
  EXPECT_EQ(read_back(1).code(), Code::not_found);
  EXPECT_EQ(*read_back(2), text("world"));
  EXPECT_EQ(keys(family()).size(), 1u);
}

TEST_P(InlineTest, AChangeOfMetadataAndARestampKeepTheShard) {
  const Stamp s1 = next(), s2 = next(), s3 = next();
  accept(whole(a, s1, {inline_row(s1, 1)}), {shard(1, "hello")});
  settle(a, s1);
  EXPECT_TRUE(accept(whole(a, s2, {inline_row(s2, 1, s1, "tags")}, s1)).held());
  EXPECT_TRUE(accept(whole(a, s3, {inline_row(s3, 1, s1, "tags")})).held());
  settle(a, s3);
  EXPECT_EQ(*read_back(1), text("hello"));
  EXPECT_EQ(keys(family()).size(), 1u);
  EXPECT_EQ(read(a).row_count, 1u);
}

TEST_P(InlineTest, MissingShardsComeWithARepetitionOrAnInstall) {
  const Stamp s1 = next();
  const auto m = whole(a, s1, {inline_row(s1, 1)});
  EXPECT_EQ(accept(m).missing.size(), 1u);
  EXPECT_TRUE(accept(m, {shard(1, "late")}).held());
  EXPECT_EQ(*read_back(1), text("late"));
  const model::UnitKey b = unit_of("b");
  const Stamp s2 = next();
  accept(whole(b, s2, {inline_row(s2, 2)}));
  settle(b, s2);
  EXPECT_EQ(inspect(b).missing.size(), 1u);
  InstallRequest request{fence(), 0, b, s2, {inline_row(s2, 2)}, {shard(2, "repaired")}};
  auto reply = executor.run(drive->install(request));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->held());
  EXPECT_TRUE(inspect(b).missing.empty());
  EXPECT_TRUE(keys(Family::missing).empty());
}

TEST_P(InlineTest, AnOpenShardIsReadInRanges) {
  EXPECT_EQ(executor.run(drive->open_inline(value_of(1))).code(), Code::not_found);
  std::string bytes(logged() ? 3 * kShardBlockBytes + 777 : 9'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
  const Stamp s1 = next();
  accept(whole(a, s1, {inline_row(s1, 1)}), {{value_of(1), {io::Slice::of(bytes)}}});
  EXPECT_EQ(keys(family()).size(), 1u);
  EXPECT_EQ(executor.run(drive->open_inline(value_of(1))).value()->size(), bytes.size());
  for (int i = 0; i < 200; ++i) {
    const std::size_t offset = random->next_u64() % bytes.size();
    const std::size_t length = random->next_u64() % (bytes.size() - offset + 1);
    const auto back = read_range(1, offset, length);
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_TRUE(*back == bytes.substr(offset, length)) << offset << "+" << length;
  }
  EXPECT_EQ(read_range(1, bytes.size(), 1).code(), Code::invalid_argument);
  auto reader = executor.run(drive->open_inline(value_of(1)));
  std::vector<std::byte> small(10);
  EXPECT_EQ(executor.run((*reader)->read(5, 11, small)).code(), Code::invalid_argument);
}

TEST_P(InlineTest, ADamagedShardIsNeverServedAndCanBeQuarantined) {
  const Stamp s1 = next();
  accept(whole(a, s1, {inline_row(s1, 1)}), {shard(1, "hello")});
  settle(a, s1);
  if (logged()) {
    auto names = executor.run(files.list(path + "/log"));
    ASSERT_EQ(names->size(), 1u);
    auto segment = executor.run(
        files.open(path + "/log/" + names->at(0).name, io::FileSystem::Open::read_write));
    must(executor.run((*segment)->write_at(kLogPage + 100, {io::as_bytes("x")})));
  } else {
    auto index = disk.open();
    auto batch = index->batch();
    std::string value =
        disk.tables()[static_cast<std::size_t>(Family::inline_data)]->begin()->second;
    value.back() ^= 1;
    batch->put(Family::inline_data, value_of(1).raw(), {value});
    must(index->write(*batch, true));
  }
  EXPECT_EQ(read_back(1).code(), Code::corrupt);
  must(executor.run(drive->quarantine({value_of(1), 0}, true)));
  EXPECT_EQ(read_back(1).code(), Code::not_found);
  EXPECT_EQ(executor.run(files.list(path + "/quarantine"))->size(), 1u);
  EXPECT_EQ(inspect(a).missing.size(), 1u);
  EXPECT_TRUE(keys(family()).empty());
}

INSTANTIATE_TEST_SUITE_P(Kinds, InlineTest, ::testing::Bool(), [](const auto& each) {
  return std::string(each.param ? "logged" : "indexed");
});

class LoggedTest : public InlineTest {};

TEST_P(LoggedTest, WhatIsAcknowledgedSurvivesAPowerCut) {
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const model::UnitKey unit = unit_of("k" + std::to_string(i));
    const Stamp s = next();
    EXPECT_TRUE(
        accept(whole(unit, s, {inline_row(s, i)}), {shard(i, "v" + std::to_string(i))}).held());
    if (i % 5 == 0) {
      crash_losing_all();
      promise(term + 1);
    }
  }
  for (std::uint64_t i = 1; i <= 20; ++i) EXPECT_EQ(*read_back(i), text("v" + std::to_string(i)));
}

TEST_P(LoggedTest, TheSpaceOfWhatWentIsGivenBack) {
  const Stamp s1 = next(), s2 = next();
  accept(whole(a, s1, {inline_row(s1, 1)}), {shard(1, "one")});
  settle(a, s1);
  EXPECT_EQ(segments(), 1u);
  // The next mount appends to a segment of its own.
  crash_losing_all();
  promise(2);
  executor.run_until_idle();
  EXPECT_EQ(*read_back(1), text("one"));
  EXPECT_EQ(segments(), 1u);
  const Stamp s3{2, s2.sequence};
  accept(whole(a, s3, {inline_row(s3, 2)}), {shard(2, "two")});
  EXPECT_EQ(segments(), 2u);
  EXPECT_EQ(*read_back(1), text("one"));  // not settled over yet
  settle(a, s3);
  executor.run_until_idle();
  EXPECT_EQ(segments(), 1u);
  EXPECT_EQ(*read_back(2), text("two"));
}

TEST_P(LoggedTest, WhatACrashLeftUnnamedIsGivenBackAtTheNextMount) {
  const Stamp s1 = next();
  auto old = whole(a, s1, {inline_row(s1, 1)});
  // An old leader: refused after the shard was written.
  MutateRequest request{fence(), 0, old, {shard(1, "one")}};
  request.fence.term = model::Term{0};
  auto reply = executor.run(drive->mutate(request));
  ASSERT_TRUE(reply);
  EXPECT_NE(reply->refusal, Refusal::none);
  EXPECT_EQ(read_back(1).code(), Code::not_found);
  EXPECT_EQ(segments(), 1u);
  crash_losing_all();
  executor.run_until_idle();
  EXPECT_EQ(segments(), 0u);
}

TEST_P(LoggedTest, OnlyWhatTouchesADamagedBlockFails) {
  const std::string bytes(3 * kShardBlockBytes, 'b');
  const Stamp s1 = next();
  accept(whole(a, s1, {inline_row(s1, 1)}), {{value_of(1), {io::Slice::of(bytes)}}});
  auto names = executor.run(files.list(path + "/log"));
  auto segment = executor.run(
      files.open(path + "/log/" + names->at(0).name, io::FileSystem::Open::read_write));
  must(executor.run((*segment)->write_at(kLogPage + kShardBlockBytes + 9, {io::as_bytes("x")})));
  EXPECT_TRUE(read_range(1, 0, kShardBlockBytes));
  EXPECT_TRUE(read_range(1, 2 * kShardBlockBytes, kShardBlockBytes));
  EXPECT_EQ(read_range(1, 0, kShardBlockBytes + 1).code(), Code::corrupt);
  EXPECT_EQ(read_range(1, kShardBlockBytes + 5'000, 1).code(), Code::corrupt);
  EXPECT_EQ(read_back(1).code(), Code::corrupt);
}

// 7.5: what is open stays readable, whoever opens it after it went does not find it.
TEST_P(LoggedTest, AnOpenShardStaysReadableWhenItIsReplaced) {
  const Stamp s1 = next(), s2 = next();
  accept(whole(a, s1, {inline_row(s1, 1)}), {shard(1, "one")});
  settle(a, s1);
  crash_losing_all();  // the next shard goes to another segment
  promise(2);
  auto reader = executor.run(drive->open_inline(value_of(1)));
  ASSERT_TRUE(reader);
  const Stamp s3{2, s2.sequence};
  accept(whole(a, s3, {inline_row(s3, 2)}), {shard(2, "two")});
  settle(a, s3);
  executor.run_until_idle();
  EXPECT_EQ(executor.run(drive->open_inline(value_of(1))).code(), Code::not_found);
  std::vector<std::byte> room(kShardBlockBytes);
  const auto bytes = executor.run((*reader)->read(0, 100, room));
  ASSERT_TRUE(bytes);
  EXPECT_EQ(io::as_text(*bytes), text("one").substr(0, 100));
  EXPECT_EQ(segments(), 2u);
  reader->reset();
  executor.run_until_idle();
  EXPECT_EQ(segments(), 1u);  // also if nothing else happens
}

// Rows of version 1 have one checksum, of the whole shard.
TEST_P(LoggedTest, ShardsOfVersionOneAreRead) {
  const Stamp s1 = next();
  accept(whole(a, s1, {inline_row(s1, 1)}), {shard(1, "old")});
  const auto& logged = *disk.tables()[static_cast<std::size_t>(Family::logged)];
  const auto place = decode_logged(logged.begin()->second)->place;
  const std::string sum = inline_header(value_of(1), 0, io::as_bytes(text("old"))).substr(0, 8);
  Writer old(30);
  old.u8(1).u8(0).u64(place.segment).u64(place.offset).u32(place.bytes).raw(sum);
  auto index = disk.open();
  auto batch = index->batch();
  batch->put(Family::logged, value_of(1).raw(), {old.view()});
  must(index->write(*batch, true));
  EXPECT_EQ(*read_back(1), text("old"));
  EXPECT_EQ(*read_range(1, 1, 2), "ld");
  auto names = executor.run(files.list(path + "/log"));
  auto segment = executor.run(
      files.open(path + "/log/" + names->at(0).name, io::FileSystem::Open::read_write));
  must(executor.run((*segment)->write_at(kLogPage + 15'000, {io::as_bytes("x")})));
  EXPECT_EQ(read_back(1).code(), Code::corrupt);
  EXPECT_EQ(read_range(1, 1, 2).code(), Code::corrupt);
}

INSTANTIATE_TEST_SUITE_P(Kinds, LoggedTest, ::testing::Values(true),
                         [](const auto&) { return "logged"; });

}  // namespace
}  // namespace cairn::drive
