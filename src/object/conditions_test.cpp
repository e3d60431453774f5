#include "object/conditions.h"

#include <gtest/gtest.h>

#include "io/testing/sim_executor.h"
#include "object/hashing.h"

namespace cairn::object {
namespace {

model::Record record() {
  model::Record r;
  r.etag = "e1";
  r.size = 10;
  r.modified_ms = 5'500;  // second 5
  return r;
}

std::string read(ReadConditions c) {
  auto checked = check_read(c, record());
  return checked ? "ok" : std::string(name_of(checked.code()));
}
std::string source(ReadConditions c) {
  auto checked = check_source(c, record());
  return checked ? "ok" : std::string(name_of(checked.code()));
}

TEST(Conditions, Reads) {
  EXPECT_EQ(read({}), "ok");
  EXPECT_EQ(read({.if_match = {"e0", "e1"}}), "ok");
  EXPECT_EQ(read({.if_match = {"*"}}), "ok");
  EXPECT_EQ(read({.if_match = {"e0"}}), "precondition_failed");
  EXPECT_EQ(read({.if_none_match = {"e1"}}), "not_modified");
  EXPECT_EQ(read({.if_none_match = {"*"}}), "not_modified");
  EXPECT_EQ(read({.if_none_match = {"e0"}}), "ok");
  EXPECT_EQ(read({.if_unmodified_since_ms = 5'000}), "ok");  // the same second
  EXPECT_EQ(read({.if_unmodified_since_ms = 4'000}), "precondition_failed");
  EXPECT_EQ(read({.if_modified_since_ms = 5'000}), "not_modified");
  EXPECT_EQ(read({.if_modified_since_ms = 4'000}), "ok");
}

TEST(Conditions, TheStrongerOneDecidesAlone) {
  EXPECT_EQ(read({.if_match = {"e1"}, .if_unmodified_since_ms = 1'000}), "ok");
  EXPECT_EQ(read({.if_none_match = {"e1"}, .if_modified_since_ms = 1'000}), "not_modified");
  EXPECT_EQ(read({.if_none_match = {"e0"}, .if_modified_since_ms = 9'000}), "ok");
  EXPECT_EQ(read({.if_match = {"e0"}, .if_none_match = {"e1"}}), "precondition_failed");
}

TEST(Conditions, SourcesFailWithOneCode) {
  EXPECT_EQ(source({.if_none_match = {"e1"}}), "precondition_failed");
  EXPECT_EQ(source({.if_modified_since_ms = 9'000}), "precondition_failed");
  EXPECT_EQ(source({.if_match = {"e1"}, .if_unmodified_since_ms = 1'000}), "ok");
  EXPECT_EQ(source({.if_none_match = {"e0"}}), "ok");
}

TEST(Conditions, NotModifiedSaysWhatIsThere) {
  auto checked = check_read({.if_none_match = {"e1"}}, record());
  ASSERT_FALSE(checked);
  using Detail = std::pair<std::string, std::string>;
  EXPECT_EQ(checked.error().details[0], Detail("ETag", "e1"));
  EXPECT_EQ(checked.error().details[1], Detail("LastModifiedMs", "5500"));
}

TEST(Conditions, Writes) {
  const model::Record r = record();
  const auto code = [&](WriteConditions c, bool exists) {
    auto checked = check_write(c, exists ? &r : nullptr);
    return checked ? "ok" : std::string(name_of(checked.code()));
  };
  EXPECT_EQ(code({.if_match = "e1"}, true), "ok");
  EXPECT_EQ(code({.if_match = "*"}, true), "ok");
  EXPECT_EQ(code({.if_match = "e0"}, true), "precondition_failed");
  EXPECT_EQ(code({.if_match = "e1"}, false), "no_such_key");
  EXPECT_EQ(code({.if_match = "*"}, false), "no_such_key");
  EXPECT_EQ(code({.if_none_match = "*"}, false), "ok");
  EXPECT_EQ(code({.if_none_match = "*"}, true), "precondition_failed");
  EXPECT_EQ(code({.if_none_match = "e0"}, true), "ok");
  EXPECT_EQ(code({.if_match_modified_ms = 5'000}, true), "ok");
  EXPECT_EQ(code({.if_match_modified_ms = 6'000}, true), "precondition_failed");
  EXPECT_EQ(code({.if_match_size = 10}, true), "ok");
  EXPECT_EQ(code({.if_match_size = 11}, true), "precondition_failed");
  EXPECT_EQ(code({.if_match_size = 11}, false), "ok");
}

std::string range(ByteRange r, std::uint64_t size) {
  auto span = resolve_range(r, size);
  if (!span) return std::string(name_of(span.code()));
  return std::to_string(span->offset) + "+" + std::to_string(span->length) +
         (span->partial ? "" : " whole");
}

TEST(Ranges, AllForms) {
  EXPECT_EQ(range({0, 3}, 10), "0+4");
  EXPECT_EQ(range({2, {}}, 10), "2+8");
  EXPECT_EQ(range({{}, 3}, 10), "7+3");
  EXPECT_EQ(range({{}, 99}, 10), "0+10");
  EXPECT_EQ(range({5, 99}, 10), "5+5");
  EXPECT_EQ(range({9, 9}, 10), "9+1");
  EXPECT_EQ(range({10, 20}, 10), "invalid_range");
  EXPECT_EQ(range({10, {}}, 10), "invalid_range");
  EXPECT_EQ(range({{}, 0}, 10), "invalid_range");
  EXPECT_EQ(range({0, {}}, 0), "invalid_range");
  EXPECT_EQ(range({{}, 5}, 0), "invalid_range");
  EXPECT_EQ(range({5, 2}, 10), "0+10 whole");
  EXPECT_EQ(range({}, 10), "0+10 whole");
  EXPECT_EQ(range({0, UINT64_MAX}, 10), "0+10");
  auto refused = resolve_range({10, 20}, 10);
  EXPECT_EQ(refused.error().details[0].second, "10");
}

TEST(Hashing, PartsMakeTheSameChecksumAsTheWhole) {
  const std::string a = "first part ", b = "second", c;
  io::testing::SimExecutor executor(1);
  const auto stage = std::make_shared<HashStage>(executor);
  for (const auto algorithm :
       {crypto::Checksum::crc32, crypto::Checksum::crc32c, crypto::Checksum::crc64nvme}) {
    std::vector<PartDigest> parts;
    for (const std::string& text : {a, b, c}) {
      BodyHasher hasher(stage, algorithm, {});
      hasher.update(io::as_bytes(text));
      BodyDigest digest = hasher.finish();
      parts.push_back({digest.md5, digest.checksum.value, digest.size});
    }
    BodyHasher whole(stage, algorithm, {});
    whole.update(io::as_bytes(a + b + c));
    EXPECT_EQ(multipart_checksum(algorithm, ChecksumType::full_object, parts),
              whole.finish().checksum.value);
    EXPECT_NE(multipart_checksum(algorithm, ChecksumType::composite, parts),
              multipart_checksum(algorithm, ChecksumType::full_object, parts));
  }
}

TEST(Hashing, MultipartEtag) {
  // MD5 of two raw MD5s of "a" and "b", as any S3 client computes it.
  std::vector<PartDigest> parts;
  std::string both;
  for (const std::string text : {"a", "b"}) {
    const auto md5 = crypto::md5(io::as_bytes(text));
    parts.push_back({std::string(reinterpret_cast<const char*>(md5.data()), 16), {}, 1});
    both += parts.back().md5;
  }
  const auto whole = crypto::md5(io::as_bytes(both));
  EXPECT_EQ(multipart_etag(parts), crypto::to_hex(std::as_bytes(std::span(whole))) + "-2");
}

}  // namespace
}  // namespace cairn::object
