#include "object/meta.h"

#include <gtest/gtest.h>

#include "object/buckets.h"
#include "object/validate.h"

namespace cairn::object {
namespace {

Meta sample() {
  Meta meta;
  meta.system = {{"content-type", "text/plain"}, {"cache-control", "no-store"}};
  meta.user = {{"colour", "grün"}, {"empty", ""}};
  meta.tags = {{"a", "1"}};
  meta.checksum =
      ObjectChecksum{crypto::Checksum::crc32c, ChecksumType::composite, std::string("\0\1\2\3", 4)};
  meta.owner = "owner";
  meta.upload_algorithm = crypto::Checksum::sha256;
  meta.upload_type = ChecksumType::composite;
  return meta;
}

TEST(Meta, KeepsEverything) {
  auto decoded = decode_meta(encode_meta(sample()));
  ASSERT_TRUE(decoded);
  const Meta meta = sample();
  EXPECT_EQ(decoded->system, meta.system);
  EXPECT_EQ(decoded->user, meta.user);
  EXPECT_EQ(decoded->tags, meta.tags);
  ASSERT_TRUE(decoded->checksum);
  EXPECT_EQ(decoded->checksum->algorithm, crypto::Checksum::crc32c);
  EXPECT_EQ(decoded->checksum->type, ChecksumType::composite);
  EXPECT_EQ(decoded->checksum->value, meta.checksum->value);
  EXPECT_EQ(decoded->owner, "owner");
  EXPECT_EQ(decoded->upload_algorithm, crypto::Checksum::sha256);
  EXPECT_EQ(decoded->content_type(), "text/plain");
  EXPECT_EQ(Meta{}.content_type(), "binary/octet-stream");
}

TEST(Meta, ListedShowsChecksumAndOwner) {
  const std::string encoded = encode_meta(sample());
  auto listed = decode_listed_meta(encoded);
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->owner, "owner");
  ASSERT_TRUE(listed->checksum);
  EXPECT_EQ(listed->checksum->algorithm, crypto::Checksum::crc32c);
}

TEST(Meta, FieldsOfANewerVersionSurvive) {
  // Field 100, a string "new".
  const std::string newer = encode_meta(sample()) + std::string("\xA2\x06\x03new");
  auto decoded = decode_meta(newer);
  ASSERT_TRUE(decoded);
  decoded->tags = {{"other", "tag"}};
  const std::string again = encode_meta(*decoded);
  EXPECT_TRUE(again.ends_with("new"));
  EXPECT_EQ(decode_meta(again)->unknown, decoded->unknown);
}

TEST(Meta, RefusesWhatItCannotVerify) {
  EXPECT_EQ(decode_meta("").code(), Code::corrupt);
  EXPECT_EQ(decode_meta("\x02").code(), Code::corrupt);
  EXPECT_EQ(decode_meta("\x01\xFF").code(), Code::corrupt);
  // A checksum of algorithm 9, and one that is too short.
  EXPECT_EQ(decode_meta(std::string("\x01\x22\x04\x08\x09\x10\x01")).code(), Code::corrupt);
  Meta meta = sample();
  meta.checksum->value = "abc";
  EXPECT_EQ(decode_meta(encode_meta(meta)).code(), Code::corrupt);
  EXPECT_EQ(decode_listed_meta(encode_meta(meta)).code(), Code::corrupt);
}

TEST(Meta, CutAnywhereNeverReadsBeyond) {
  const std::string whole = encode_meta(sample());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const std::string cut = whole.substr(0, n);
    static_cast<void>(decode_meta(cut));
    static_cast<void>(decode_listed_meta(cut));
  }
}

TEST(BucketRecord, RoundTripKeepsUnknownFields) {
  BucketInfo info;
  info.id = model::BucketId(77);
  info.created_ms = 123;
  info.region = "eu-central-1";
  info.versioning = Versioning::suspended;
  info.tags = {{"k", "v"}};
  info.deleting = true;
  auto decoded = decode_bucket("name", encode_bucket(info, "\xA2\x06\x03new"));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->info.name, "name");
  EXPECT_EQ(decoded->info.id, info.id);
  EXPECT_EQ(decoded->info.created_ms, 123);
  EXPECT_EQ(decoded->info.region, "eu-central-1");
  EXPECT_EQ(decoded->info.versioning, Versioning::suspended);
  EXPECT_EQ(decoded->info.tags, info.tags);
  EXPECT_TRUE(decoded->info.deleting);
  EXPECT_EQ(decoded->unknown, "\xA2\x06\x03new");
  EXPECT_EQ(decode_bucket("name", "\x01").code(), Code::corrupt);  // no id
}

TEST(Validate, Tags) {
  const auto code = [](Tags tags) {
    auto checked = validate_tags(tags, kMaxObjectTags, "Object");
    return checked ? std::string("ok") : std::string(name_of(checked.code()));
  };
  EXPECT_EQ(code({}), "ok");
  EXPECT_EQ(code({{"k", ""}}), "ok");
  EXPECT_EQ(code({{"Größe +-=._:/@", "é 1"}}), "ok");
  EXPECT_EQ(code({{"", "v"}}), "invalid_tag");
  EXPECT_EQ(code({{"k", "a"}, {"k", "b"}}), "invalid_tag");
  EXPECT_EQ(code({{"k&", "v"}}), "invalid_tag");
  EXPECT_EQ(code({{"k", "v?"}}), "invalid_tag");
  EXPECT_EQ(code({{"aws:k", "v"}}), "invalid_tag");
  EXPECT_EQ(code({{"k\xFF", "v"}}), "invalid_tag");
  EXPECT_EQ(code({{std::string(128, 'k'), std::string(256, 'v')}}), "ok");
  EXPECT_EQ(code({{std::string(129, 'k'), "v"}}), "invalid_tag");
  EXPECT_EQ(code({{"k", std::string(257, 'v')}}), "invalid_tag");
  std::string umlauts;
  for (int i = 0; i < 128; ++i) umlauts += "ü";
  EXPECT_EQ(code({{umlauts, "v"}}), "ok");
  Tags eleven;
  for (int i = 0; i < 11; ++i) eleven.emplace_back("k" + std::to_string(i), "v");
  EXPECT_EQ(code(eleven), "too_many_tags");
  EXPECT_TRUE(validate_tags(eleven, kMaxBucketTags, "Bucket"));
}

TEST(Validate, MetadataSizes) {
  Meta meta;
  meta.user = {{"k", std::string(2047, 'v')}};
  EXPECT_TRUE(validate_meta(meta));
  meta.user = {{"k", std::string(2048, 'v')}};
  EXPECT_EQ(validate_meta(meta).code(), Code::metadata_too_large);
  meta.user.clear();
  meta.system = {{"cache-control", std::string(9000, 'v')}};
  EXPECT_EQ(validate_meta(meta).code(), Code::metadata_too_large);
}

TEST(Validate, StorageClasses) {
  EXPECT_EQ(*validate_storage_class(""), "");
  EXPECT_EQ(*validate_storage_class("STANDARD"), "");
  EXPECT_EQ(*validate_storage_class("REDUCED_REDUNDANCY"), "REDUCED_REDUNDANCY");
  EXPECT_EQ(validate_storage_class("GLACIER").code(), Code::invalid_storage_class);
}

}  // namespace
}  // namespace cairn::object
