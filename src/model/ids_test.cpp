#include "model/ids.h"

#include <gtest/gtest.h>

namespace cairn::model {
namespace {

TEST(BucketName, AcceptsWhatAwsAccepts) {
  for (const std::string name :
       {"abc", "a1b", "123", "my-bucket", "my.bucket.name", "a--b", "1.2.3", "1.2.3.4.5", "1.2.3.a",
        "xn-abc", "s3alias", "bucket-s3aliasx", "mrap", "sthree", "amzn-s3-dem"})
    EXPECT_TRUE(BucketName::parse(name).has_value()) << name;
  EXPECT_TRUE(BucketName::parse(std::string(63, 'a')).has_value());
  EXPECT_EQ(BucketName::parse("abc")->text(), "abc");
}

TEST(BucketName, RefusesWhatAwsRefuses) {
  for (const std::string name : {"",
                                 "a",
                                 "ab",
                                 "Abc",
                                 "aBc",
                                 "a_b",
                                 "a b",
                                 "-abc",
                                 "abc-",
                                 ".abc",
                                 "abc.",
                                 "a..b",
                                 "a.-b",
                                 "a-.b",
                                 "192.168.5.4",
                                 "1.1.1.1",
                                 "999.999.999.999",
                                 "xn--abc",
                                 "sthree-abc",
                                 "sthree-configurator",
                                 "amzn-s3-demo-bucket",
                                 "abc-s3alias",
                                 "abc--ol-s3",
                                 "abc.mrap",
                                 "abc--x-s3",
                                 "abc--table-s3",
                                 "ab\xC3\xA9",
                                 "abc/def",
                                 "abc\n"}) {
    const auto parsed = BucketName::parse(name);
    ASSERT_FALSE(parsed.has_value()) << name;
    EXPECT_EQ(parsed.code(), Code::invalid_bucket_name);
  }
  EXPECT_FALSE(BucketName::parse(std::string(64, 'a')).has_value());
  EXPECT_FALSE(BucketName::parse(std::string("ab\0c", 4)).has_value());
}

TEST(ObjectKey, AnyUtf8UpTo1024Bytes) {
  for (const std::string& key :
       {std::string("a"), std::string("a\0b", 3), std::string("//../.."), std::string("\x01"),
        std::string("\xC3\xA9"), std::string("\xE2\x82\xAC"), std::string("\xF0\x9F\x98\x80"),
        std::string("\xEF\xBF\xBF"), std::string("\xF4\x8F\xBF\xBF"), std::string("\xED\x9F\xBF"),
        std::string(1024, 'k')})
    EXPECT_TRUE(ObjectKey::parse(key).has_value()) << key;
  EXPECT_EQ(ObjectKey::parse("").code(), Code::invalid_argument);
  EXPECT_EQ(ObjectKey::parse(std::string(1025, 'k')).code(), Code::key_too_long);
}

TEST(ObjectKey, RefusesMalformedUtf8) {
  for (const std::string bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3",
        "\xE2\x82", "\xF0\x9F\x98", "\xC3(", "\xE2(\x82"})
    for (const std::string& key : {bad, "0123456" + bad, "01234567" + bad, bad + "01234567"})
      EXPECT_EQ(ObjectKey::parse(key).code(), Code::invalid_uri) << key;
}

TEST(VersionId, TextRoundTrip) {
  EXPECT_EQ(VersionId::null_version().text(), "null");
  EXPECT_EQ(*VersionId::parse("null"), VersionId::null_version());
  const auto id = VersionId::of({0x1A, 0xFFFFFFFFFFFFFFFFull});
  EXPECT_EQ(id.text(), "000000000000001affffffffffffffff");
  EXPECT_EQ(*VersionId::parse(id.text()), id);
}

TEST(VersionId, RefusesWhatWasNeverGivenOut) {
  for (const std::string text :
       {"", "NULL", "1", "000000000000001AFFFFFFFFFFFFFFFF", "000000000000001affffffffffffffff0",
        "000000000000001affffffffffffffg0", "00000000000000000000000000000000"}) {
    const auto parsed = VersionId::parse(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.code(), Code::illegal_version_id);
  }
}

TEST(ValueId, IsOrderedByTime) {
  std::array<std::uint8_t, 16> high{}, low{};
  high.fill(0xFF);
  EXPECT_LT(make_value_id(1'700'000'000'000, high), make_value_id(1'700'000'000'001, low));
  EXPECT_EQ(make_value_id(0x0102'0304'0506, low).hex(), "01020304050600000000000000000000");
}

TEST(ValueId, OfUploadIsDeterministicAndDistinct) {
  std::set<std::string> seen;
  for (std::uint8_t i = 0; i < 200; ++i) {
    UploadId upload;
    upload.bytes[15] = i;
    const auto id = value_id_of_upload(upload);
    EXPECT_EQ(id, value_id_of_upload(upload));
    EXPECT_NE(id.hex(), upload.hex());
    EXPECT_TRUE(seen.insert(id.hex()).second);
  }
  // Repeating a complete after an upgrade must find the same id.
  EXPECT_EQ(value_id_of_upload(*UploadId::from_hex("000102030405060708090a0b0c0d0e0f")).hex(),
            "00010203040586074f5d8a031db1d442");
}

}  // namespace
}  // namespace cairn::model
