// Keys and values of the index: what is written is read, keys sort as the protocol needs, and
// damage is an error.
#include "drive/layout.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "drive/format_file.h"

namespace cairn::drive {
namespace {

using Kind = model::Record::DataKind;

model::ValueId id(std::uint8_t n) {
  model::ValueId out;
  out.bytes[3] = n;
  return out;
}

TEST(LayoutTest, TheHeadOfAUnitSortsBeforeItsRowsAndNewerRowsFirst) {
  const auto a = model::UnitKey::object(model::BucketId{1}, "a").encoded();
  const auto a0 = model::UnitKey::object(model::BucketId{1}, std::string_view("a\0", 2)).encoded();
  const auto ab = model::UnitKey::object(model::BucketId{1}, "ab").encoded();
  const std::vector<std::string> sorted = {a,
                                           row_key(a, {{2, 5}, {2, 9}}),
                                           row_key(a, {{2, 5}, {2, 5}}),
                                           row_key(a, {{2, 4}, {3, 1}}),
                                           row_key(a, {{1, 9}, {1, 9}}),
                                           a0,
                                           row_key(a0, {{1, 1}, {1, 1}}),
                                           ab};
  EXPECT_TRUE(std::ranges::is_sorted(sorted));
}

TEST(LayoutTest, RecordKeysAreUnambiguous) {
  model::UploadId upload;
  upload.bytes.fill(0);
  const std::vector<model::UnitKey> units = {
      model::UnitKey::object(model::BucketId{0}, std::string_view("\0\1\xff", 3)),
      model::UnitKey::object(model::BucketId{256}, "key"),
      model::UnitKey::upload(model::BucketId{1}, "key", upload),
      model::UnitKey::part(model::BucketId{1}, "key", upload, 0),
  };
  for (const auto& unit : units) {
    const RowId row{{7, 0}, {~0ull, 3}};
    const auto head = decode_record_key(unit.encoded());
    ASSERT_TRUE(head);
    EXPECT_EQ(head->unit, unit.encoded());
    EXPECT_FALSE(head->row);
    const std::string key = row_key(unit.encoded(), row);
    const auto decoded = decode_record_key(key);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->unit, unit.encoded());
    EXPECT_EQ(decoded->row, row);
    EXPECT_EQ(unit_key_length(key), unit.encoded().size());
    EXPECT_FALSE(decode_record_key(key.substr(0, key.size() - 1)));
    EXPECT_FALSE(decode_record_key(key + "x"));
  }
  EXPECT_EQ(unit_key_length(""), 0u);
  EXPECT_EQ(unit_key_length("zabcdefgh\0"), 0u);
}

Pending full_pending() {
  Pending p;
  p.stamp = {3, 9};
  p.base = Stamp{3, 4};
  p.value = id(1);
  p.brings_data = true;
  p.puts = {{{{{3, 9}, {3, 9}}, true, Kind::inline_, id(2)}, true},
            {{{{3, 1}, {3, 4}}, false, Kind::none, {}}, false}};
  p.drops = {{{{1, 1}, {2, 2}}, false, Kind::parts, id(4)}};
  p.removes = {{1, 1}, {0, 5}};
  p.after = {12, RowId{{3, 9}, {3, 9}}};
  return p;
}

TEST(LayoutTest, PendingsRoundTripAndEveryCutIsAnError) {
  const Pending p = full_pending();
  const std::string bytes = encode_pending(p);
  const auto back = decode_pending(p.stamp, bytes);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->stamp, p.stamp);
  EXPECT_EQ(back->base, p.base);
  EXPECT_EQ(back->value, p.value);
  EXPECT_EQ(back->whole, p.whole);
  EXPECT_EQ(back->brings_data, p.brings_data);
  ASSERT_EQ(back->puts.size(), 2u);
  EXPECT_EQ(back->puts[0].info, p.puts[0].info);
  EXPECT_TRUE(back->puts[0].fresh);
  EXPECT_FALSE(back->puts[1].fresh);
  EXPECT_EQ(back->drops, p.drops);
  EXPECT_EQ(back->removes, p.removes);
  EXPECT_EQ(back->after, p.after);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    EXPECT_FALSE(decode_pending(p.stamp, std::string_view(bytes).substr(0, cut))) << cut;
  EXPECT_FALSE(decode_pending(p.stamp, bytes + "x"));
}

TEST(LayoutTest, HeadsAndPartitionsRoundTripAndEveryCutIsAnError) {
  const HeadRow head{{4, 2}, {3, RowId{{1, 2}, {3, 4}}}};
  const std::string bytes = encode_head(head);
  const auto back = decode_head(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->head, head.head);
  EXPECT_EQ(back->summary, head.summary);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    EXPECT_FALSE(decode_head(bytes.substr(0, cut)));

  StoredPartition p;
  p.state = {model::PartitionId{70'000},
             model::Term{5},
             6,
             model::MapEpoch{7},
             "entry",
             model::MapEpoch{8},
             true};
  p.wiping = true;
  const auto key = partition_key(p.state.partition);
  const std::string stored = encode_partition(p);
  const auto state = decode_partition(key, stored);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->state.partition, p.state.partition);
  EXPECT_EQ(state->state.promised, p.state.promised);
  EXPECT_EQ(state->state.leader, p.state.leader);
  EXPECT_EQ(state->state.since, p.state.since);
  EXPECT_EQ(state->state.map_entry, p.state.map_entry);
  EXPECT_EQ(state->state.map_epoch, p.state.map_epoch);
  EXPECT_TRUE(state->state.rebuilding);
  EXPECT_TRUE(state->wiping);
  for (std::size_t cut = 0; cut < stored.size(); ++cut)
    EXPECT_FALSE(decode_partition(key, stored.substr(0, cut)));
}

TEST(LayoutTest, AnInlineShardFailsOnAnyFlippedBitAndUnderAnotherName) {
  const std::string text = "some bytes of a shard";
  const std::string value = inline_header(id(1), 3, as_bytes(text)) + text;
  const auto good = open_inline(id(1), io::Slice::of(value));
  ASSERT_TRUE(good);
  EXPECT_EQ(as_text(good->bytes), text);
  for (std::size_t i = 0; i < value.size() * 8; ++i) {
    std::string damaged = value;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ 1 << i % 8);
    EXPECT_FALSE(open_inline(id(1), io::Slice::of(damaged))) << i;
  }
  EXPECT_FALSE(open_inline(id(2), io::Slice::of(value)));
  for (std::size_t cut = 0; cut < value.size(); ++cut)
    EXPECT_FALSE(open_inline(id(1), io::Slice::of(value.substr(0, cut))));
}

// The bytes of the first released format must stay readable.
TEST(LayoutTest, TheBytesOfVersionOneAreFixed) {
  const auto hex = [](std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
      static constexpr char digits[] = "0123456789abcdef";
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[c & 15];
    }
    return out;
  };
  EXPECT_EQ(hex(encode_head({{1, 2}, {3, std::nullopt}})),
            "0100000000000000010000000000000002000000000000000300");
  EXPECT_EQ(hex(row_prefix({{}, true, Kind::inline_, id(9)})),
            "01010100000009000000000000000000000000");
  EXPECT_EQ(hex(partition_key(model::PartitionId{258})), "7000000102");
  const auto unit = model::UnitKey::object(model::BucketId{1}, "a").encoded();
  EXPECT_EQ(hex(row_key(unit, {{1, 2}, {1, 3}})),
            "6f00000000000000016100"
            "fffffffffffffffefffffffffffffffdfffffffffffffffefffffffffffffffc");
}

TEST(LayoutTest, PlacesInTheShardLogRoundTrip) {
  std::string bytes(3 * kShardBlockBytes - 5, 's');
  bytes[0] = 't';
  LoggedShard shard = logged_shard(2, {id(7), {io::Slice::of(bytes)}});
  const std::size_t cut = 2 * kShardBlockBytes;
  InlineShard other{id(7), {io::Slice::of(bytes.substr(0, cut)), io::Slice::of(bytes.substr(cut))}};
  EXPECT_EQ(logged_shard(2, other), shard);
  for (std::size_t at = 0; at < bytes.size(); at += kShardBlockBytes)
    other.sums.push_back(
        block_sum({id(7), 2}, at / kShardBlockBytes,
                  io::as_bytes(std::string_view(bytes).substr(at, kShardBlockBytes))));
  EXPECT_EQ(logged_shard(2, other), shard);
  shard.place = {11, 4096, static_cast<std::uint32_t>(bytes.size())};
  EXPECT_EQ(shard.sums.size(), 3 * 8u);
  const std::string value = encode_logged(shard);
  const auto back = decode_logged(value);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, shard);
  EXPECT_TRUE(matches(id(7), *back, 0, io::as_bytes(bytes)));
  EXPECT_TRUE(matches(id(7), *back, 2, io::as_bytes(bytes).subspan(2 * kShardBlockBytes)));
  EXPECT_FALSE(matches(id(7), *back, 1, io::as_bytes(bytes).first(kShardBlockBytes)));
  EXPECT_FALSE(matches(id(7), *back, 2, io::as_bytes(bytes).first(kShardBlockBytes - 5)));
  EXPECT_FALSE(matches(id(8), *back, 0, io::as_bytes(bytes)));
  EXPECT_FALSE(matches(id(7), *back, 0, io::as_bytes(bytes + std::string(6, 's'))));
  for (std::size_t length = 0; length < value.size(); ++length)
    EXPECT_FALSE(decode_logged(value.substr(0, length))) << length;
  EXPECT_FALSE(decode_logged(value + "x"));
  std::string newer = value;
  newer[0] = 3;
  EXPECT_FALSE(decode_logged(newer));
}

TEST(FormatTest, RoundTripsAndNoticesEdits) {
  Format f;
  f.drive.bytes[2] = 1;
  f.cluster.bytes[2] = 2;
  f.generation = 12;
  f.slot = 3;
  f.drives = 6;
  f.profile = {4, 2};
  f.created = "2026-01-01T00:00:00Z";
  const std::string text = encode_format(f);
  const auto back = decode_format(text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->drive, f.drive);
  EXPECT_EQ(back->cluster, f.cluster);
  EXPECT_EQ(back->generation, 12u);
  EXPECT_EQ(back->slot, 3u);
  EXPECT_EQ(back->drives, 6u);
  EXPECT_EQ(back->profile, f.profile);
  EXPECT_EQ(back->created, f.created);
  std::string edited = text;
  edited.replace(edited.find("12"), 2, "13");
  EXPECT_FALSE(decode_format(edited));
  for (std::size_t cut = 0; cut + 3 < text.size(); ++cut)
    EXPECT_FALSE(decode_format(text.substr(0, cut)));
  std::string newer = text;
  newer.replace(newer.find("\"layout_version\": 2"), 19, "\"layout_version\": 3");
  const auto refused = decode_format(newer);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("not known"), std::string::npos);
}

}  // namespace
}  // namespace cairn::drive
