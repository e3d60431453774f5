#include "model/unit_key.h"

#include <gtest/gtest.h>

#include <random>

namespace cairn::model {
namespace {

// Short strings over few bytes, those that escaping treats specially among them, so that prefixes
// and ties are common.
std::string random_key(std::mt19937_64& rng, std::size_t max = 5) {
  static constexpr char bytes[] = {'\x00', '\x01', '\x02', '\x03', 'a',
                                   '/',    '\x7F', '\xFE', '\xFF'};
  std::string key;
  for (std::size_t n = rng() % (max + 1); n > 0; --n) key.push_back(bytes[rng() % sizeof bytes]);
  return key;
}

// std::string compares as unsigned bytes.
int sign(int c) {
  return (c > 0) - (c < 0);
}

TEST(UnitKey, OrderOfEncodedKeysIsByteOrderOfKeys) {
  std::mt19937_64 rng(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto a = random_key(rng), b = random_key(rng);
    const auto x = UnitKey::object(BucketId{7}, a), y = UnitKey::object(BucketId{7}, b);
    EXPECT_EQ(sign(x.encoded().compare(y.encoded())), sign(a.compare(b)));
  }
}

TEST(UnitKey, BucketsAndKindsDoNotInterleave) {
  const auto a = UnitKey::object(BucketId{1}, "\xFF\xFF"), b = UnitKey::object(BucketId{256}, "");
  EXPECT_LT(a, b);
  const auto part = UnitKey::part(BucketId{~0ull}, "z", UploadId{}, 1);
  EXPECT_LT(b, part);
}

TEST(UnitKey, RoundTrip) {
  std::mt19937_64 rng(2);
  for (int i = 0; i < 5'000; ++i) {
    const auto key = random_key(rng, 40);
    const BucketId bucket{rng()};
    UploadId upload;
    for (auto& b : upload.bytes) b = static_cast<std::uint8_t>(rng());
    const auto number = static_cast<std::uint16_t>(rng());
    const auto object = UnitKey::object(bucket, key);
    for (const auto& unit : {object, UnitKey::upload(bucket, key, upload),
                             UnitKey::part(bucket, key, upload, number)}) {
      const auto again = UnitKey::decode(unit.encoded());
      ASSERT_TRUE(again.has_value());
      EXPECT_EQ(*again, unit);
      EXPECT_EQ(again->bucket(), bucket);
      EXPECT_EQ(again->object_key(), key);
      EXPECT_EQ(again->lock_key(), object.lock_key());
      if (unit.kind() != UnitKind::object) EXPECT_EQ(again->upload_id(), upload);
      if (unit.kind() == UnitKind::part) EXPECT_EQ(again->part_number(), number);
    }
  }
}

TEST(UnitKey, LayoutIsPinned) {
  UploadId upload;
  upload.bytes.fill(0xAB);
  const auto part = UnitKey::part(BucketId{0x0102}, std::string_view("a\0\x01", 3), upload, 0x0304);
  const std::string expected = std::string(
                                   "p\0\0\0\0\0\0\x01\x02"
                                   "a\x01\x01\x01\x02\0",
                                   15) +
                               std::string(16, '\xAB') + "\x03\x04";
  EXPECT_EQ(part.encoded(), expected);
}

TEST(UnitKey, DecodeRefusesWhatIsNoKey) {
  const auto good = UnitKey::part(BucketId{1}, "key", UploadId{}, 1).encoded();
  for (std::size_t n = 0; n < good.size(); ++n) {
    // Cut anywhere: never a part again. (A cut may leave what reads as nothing else either.)
    const auto cut = UnitKey::decode(std::string_view(good).substr(0, n));
    EXPECT_FALSE(cut.has_value()) << n;
  }
  std::string bad = good;
  bad[0] = 'x';
  EXPECT_EQ(UnitKey::decode(bad).code(), Code::corrupt);
  for (const std::string& escaped : {std::string("\x01", 1), std::string("\x01\x03", 2),
                                     std::string("\x01\0", 2), std::string("a\0b", 3)}) {
    EXPECT_EQ(UnitKey::decode(std::string("o\0\0\0\0\0\0\0\1", 9) + escaped + '\0').code(),
              Code::corrupt);
    EXPECT_EQ(unescape_key(escaped).code(), Code::corrupt);
  }
  EXPECT_FALSE(UnitKey::decode(UnitKey::object(BucketId{1}, "key").encoded() + "x").has_value());
}

TEST(UnitKey, RangesHoldExactlyTheKeysWithThePrefix) {
  std::mt19937_64 rng(3);
  for (int i = 0; i < 20'000; ++i) {
    const auto prefix = random_key(rng, 3), key = random_key(rng);
    const auto unit = UnitKey::object(BucketId{9}, key).encoded();
    const bool inside = unit >= range_begin(UnitKind::object, BucketId{9}, prefix) &&
                        unit < range_end(UnitKind::object, BucketId{9}, prefix);
    EXPECT_EQ(inside, key.starts_with(prefix));
  }
  // The last bucket's range ends before the next kind.
  EXPECT_LE(range_end(UnitKind::object, BucketId{~0ull}, ""),
            range_begin(UnitKind::part, BucketId{0}, ""));
}

TEST(UnitKey, PartsOfAnEncodedKeyAreThoseOfTheKey) {
  UploadId upload;
  upload.bytes.fill(9);
  const std::string key("a\0b\x01c", 5);
  for (const UnitKey& unit :
       {UnitKey::object(BucketId{1}, key), UnitKey::upload(BucketId{1}, key, upload),
        UnitKey::part(BucketId{1}, key, upload, 7)}) {
    EXPECT_EQ(lock_key_of(unit.encoded()), unit.lock_key());
    EXPECT_EQ(escaped_key_of(unit.encoded()), escape_key(key));
  }
}

}  // namespace
}  // namespace cairn::model
