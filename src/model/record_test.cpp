#include "model/record.h"

#include <gtest/gtest.h>

#include <random>

#include "model/record.pb.h"

namespace cairn::model {
namespace {

ValueId id_of(std::uint8_t fill) {
  ValueId id;
  id.bytes.fill(fill);
  return id;
}

Record typical() {
  Record r;
  r.version = VersionId::of({3, 1'000'000});
  r.size = 123'456;
  r.modified_ms = 1'750'000'000'123;
  r.etag = "d41d8cd98f00b204e9800998ecf8427e";
  r.storage_class = "REDUCED_REDUNDANCY";
  r.data_kind = Record::DataKind::blob;
  r.data = {.data_id = id_of(0x11), .size = 123'456, .part_number = 0, .layout = {{4, 2}, 65'536}};
  r.value = id_of(0x22);
  r.meta = std::string("content-type\0text/plain", 23);
  return r;
}

void expect_same(const Record& a, const Record& b) {
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.delete_marker, b.delete_marker);
  EXPECT_EQ(a.size, b.size);
  EXPECT_EQ(a.modified_ms, b.modified_ms);
  EXPECT_EQ(a.etag, b.etag);
  EXPECT_EQ(a.storage_class, b.storage_class);
  EXPECT_EQ(a.data_kind, b.data_kind);
  EXPECT_EQ(a.data, b.data);
  EXPECT_EQ(a.part_count, b.part_count);
  EXPECT_EQ(a.value, b.value);
  EXPECT_EQ(a.meta, b.meta);
  EXPECT_EQ(a.unknown, b.unknown);
}

Record random_record(std::mt19937_64& rng) {
  const auto text = [&](std::size_t max) {
    std::string s(rng() % (max + 1), '\0');
    for (auto& c : s) c = static_cast<char>(rng());
    return s;
  };
  const auto number = [&] { return rng() >> (rng() % 64); };
  Record r;
  if (rng() % 2) r.version = VersionId::of({number(), number()});
  r.delete_marker = rng() % 2;
  r.size = number();
  r.modified_ms = static_cast<std::int64_t>(number()) * (rng() % 2 ? 1 : -1);
  r.etag = text(40);
  r.storage_class = text(20);
  r.data_kind = static_cast<Record::DataKind>(rng() % 4);
  if (rng() % 2) {
    r.data.data_id = id_of(static_cast<std::uint8_t>(rng()));
    r.data.size = number();
    r.data.part_number = static_cast<std::uint32_t>(number());
    r.data.layout = {
        {static_cast<std::uint8_t>(1 + rng() % 12), static_cast<std::uint8_t>(rng() % 5)},
        static_cast<std::uint32_t>(number())};
    r.data.etag = text(200);  // longer than one length byte covers
    r.data.checksum = text(32);
  }
  r.part_count = static_cast<std::uint32_t>(number());
  if (rng() % 2) r.value = id_of(static_cast<std::uint8_t>(rng()));
  r.meta = text(300);
  return r;
}

TEST(Record, RoundTrip) {
  expect_same(*decode_record(encode_record(Record{})), Record{});
  expect_same(*decode_record(encode_record(typical())), typical());
  std::mt19937_64 rng(1);
  for (int i = 0; i < 5'000; ++i) {
    const auto r = random_record(rng);
    const auto decoded = decode_record(encode_record(r));
    ASSERT_TRUE(decoded.has_value());
    expect_same(*decoded, r);
  }
}

TEST(Record, ListedIsTheSameRecord) {
  std::mt19937_64 rng(2);
  for (int i = 0; i < 2'000; ++i) {
    const auto r = random_record(rng);
    const auto bytes = encode_record(r);
    const auto listed = decode_listed(bytes);
    ASSERT_TRUE(listed.has_value());
    EXPECT_EQ(listed->version, r.version);
    EXPECT_EQ(listed->delete_marker, r.delete_marker);
    EXPECT_EQ(listed->size, r.size);
    EXPECT_EQ(listed->modified_ms, r.modified_ms);
    EXPECT_EQ(listed->etag, r.etag);
    EXPECT_EQ(listed->storage_class, r.storage_class);
    EXPECT_EQ(listed->meta, r.meta);
  }
}

TEST(Record, BytesArePinned) {
  const auto bytes = encode_record(typical());
  std::string hex;
  for (const unsigned char c : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", c);
    hex += two;
  }
  EXPECT_EQ(hex,
            "010801100318c0843d28c0c40730f6f186c2ee653a20643431643863643938663030623230346539"
            "38303039393865636638343237654212524544554345445f524544554e44414e43594802521e0a10"
            "1111111111111111111111111111111110c0c4072004280230808004621022222222222222222222"
            "2222222222227a17636f6e74656e742d7479706500746578742f706c61696e");
}

TEST(Record, IsTheProtobufMessageOfTheSchema) {
  std::mt19937_64 rng(3);
  for (int i = 0; i < 500; ++i) {
    const auto r = random_record(rng);
    const auto bytes = encode_record(r);
    ASSERT_EQ(bytes[0], 1);
    format::Record message;
    ASSERT_TRUE(message.ParseFromString(bytes.substr(1)));
    EXPECT_EQ(message.named(), !r.version.null);
    EXPECT_EQ(message.order_term(), r.version.order.term);
    EXPECT_EQ(message.order_sequence(), r.version.order.sequence);
    EXPECT_EQ(message.delete_marker(), r.delete_marker);
    EXPECT_EQ(message.size(), r.size);
    EXPECT_EQ(message.modified_ms(), r.modified_ms);
    EXPECT_EQ(message.etag(), r.etag);
    EXPECT_EQ(message.storage_class(), r.storage_class);
    EXPECT_EQ(message.data_kind(), static_cast<unsigned>(r.data_kind));
    EXPECT_EQ(message.part_count(), r.part_count);
    EXPECT_EQ(message.meta(), r.meta);
    if (r.data != DataPart{}) {
      EXPECT_EQ(message.data().data_id(), r.data.data_id.is_zero() ? "" : r.data.data_id.raw());
      EXPECT_EQ(message.data().layout_data(), r.data.layout.profile.data);
      EXPECT_EQ(message.data().layout_parity(), r.data.layout.profile.parity);
      EXPECT_EQ(message.data().chunk_bytes(), r.data.layout.chunk_bytes);
      EXPECT_EQ(message.data().etag(), r.data.etag);
      EXPECT_EQ(message.data().checksum(), r.data.checksum);
    }
    // And back: what protobuf writes, the codec reads.
    const auto decoded = decode_record("\x01" + message.SerializeAsString());
    ASSERT_TRUE(decoded.has_value());
    expect_same(*decoded, r);
  }
}

TEST(Record, FieldsOfANewerVersionSurvive) {
  auto bytes = encode_record(typical());
  // Field 100 (bytes), field 101 (varint), field 102 (fixed64), and, before them, nothing known is
  // lost.
  const std::string newer =
      std::string("\xA2\x06\x03new", 6) + "\xA8\x06\x05" + "\xB1\x06" + "12345678";
  auto record = decode_record(bytes + newer);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->unknown, newer);
  record->size = 1;
  const auto again = decode_record(encode_record(*record));
  EXPECT_EQ(again->unknown, newer);
  EXPECT_EQ(again->size, 1u);
  EXPECT_TRUE(decode_listed(bytes + newer).has_value());
}

TEST(Record, CutAnywhereItIsNeverMisread) {
  const auto bytes = encode_record(typical());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto cut = decode_record(std::string_view(bytes).substr(0, n));
    if (!cut) {
      EXPECT_EQ(cut.code(), Code::corrupt);
      continue;
    }
    // A cut between fields is a shorter record, which no checksum-protected row ever holds.
    EXPECT_EQ(encode_record(*cut), bytes.substr(0, n));
  }
}

TEST(Record, GarbageIsCorruptOrARecord) {
  std::mt19937_64 rng(4);
  for (int i = 0; i < 20'000; ++i) {
    auto bytes = encode_record(typical());
    for (int flips = 1 + static_cast<int>(rng() % 4); flips > 0; --flips)
      bytes[rng() % bytes.size()] = static_cast<char>(rng());
    const auto decoded = decode_record(bytes);
    if (decoded)
      EXPECT_TRUE(decode_record(encode_record(*decoded)).has_value());
    else
      EXPECT_EQ(decoded.code(), Code::corrupt);
    (void)decode_listed(bytes);
  }
  EXPECT_FALSE(decode_record("").has_value());
  EXPECT_FALSE(decode_record("\x02").has_value());
  EXPECT_FALSE(decode_record("\x01\x48\x04").has_value());          // an unknown kind of data
  EXPECT_FALSE(decode_record("\x01\x52\x02\x10\x01").has_value());  // a layout without data shards
  EXPECT_FALSE(decode_record("\x01\x10\x07").has_value());          // "null" with an order
  EXPECT_FALSE(decode_record("\x01\x62\x01x").has_value());         // an id of one byte
}

TEST(Parts, RoundTripAndGarbage) {
  EXPECT_TRUE(decode_parts(encode_parts({}))->empty());
  std::vector<DataPart> parts;
  for (std::uint32_t i = 1; i <= 300; ++i)
    parts.push_back({.data_id = id_of(static_cast<std::uint8_t>(i)),
                     .size = 5u << 20,
                     .part_number = i,
                     .layout = {{12, 4}, 65'536},
                     .etag = "0123456789abcdef0123456789abcdef",
                     .checksum = std::string(i % 40, 'c'),
                     .unknown = i % 7 == 0 ? std::string("\xA2\x06\x01x", 4) : ""});
  const auto bytes = encode_parts(parts);
  EXPECT_EQ(*decode_parts(bytes), parts);
  EXPECT_FALSE(decode_parts("").has_value());
  EXPECT_FALSE(decode_parts(std::string_view(bytes).substr(0, bytes.size() - 1)).has_value());
  EXPECT_FALSE(decode_parts(bytes + "\xA2\x06\x01x").has_value());
}

TEST(Record, ADeleteMarkerIsToldWithoutDecoding) {
  std::mt19937_64 rng(5);
  for (int i = 0; i < 2000; ++i) {
    const Record record = random_record(rng);
    EXPECT_EQ(is_delete_marker(encode_record(record)), record.delete_marker);
  }
  EXPECT_FALSE(is_delete_marker(""));
  EXPECT_FALSE(is_delete_marker("\x02\x20\x01"));
  EXPECT_FALSE(is_delete_marker("\x01\x20"));
}

}  // namespace
}  // namespace cairn::model
