#include <gtest/gtest.h>

#include "object/testing/world.h"

namespace cairn::object {
namespace {

using testing::bucket_name;
using testing::object_key;
using testing::TextBody;
using testing::World;

struct CopyTest : ::testing::Test {
  CopyTest() {
    TextBody body(text);
    PutRequest request{w.bucket, object_key("from")};
    request.body = &body;
    request.meta.system = {{"content-type", "text/plain"},
                           {"x-amz-website-redirect-location", "/there"}};
    request.meta.user = {{"colour", "blue"}};
    request.meta.tags = {{"a", "b"}};
    request.checksum = ExpectedChecksum{crypto::Checksum::sha256, {}, {}};
    auto put = w.run(w.objects->put(std::move(request)));
    EXPECT_TRUE(put);
    etag = put->etag;
  }
  CopyRequest request(std::string_view to = "to") {
    return CopyRequest{w.bucket, object_key("from"), {}, {}, w.bucket, object_key(to)};
  }
  Result<CopyResult> copy(CopyRequest r) { return w.run(w.objects->copy(std::move(r))); }

  World w;
  const std::string text = "the text that is copied, more than one buffer";
  std::string etag;
};

TEST_F(CopyTest, KeepsBytesHeadersTagsAndChecksum) {
  auto copied = copy(request());
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->etag, etag);
  EXPECT_FALSE(copied->source_version);
  EXPECT_EQ(copied->checksum->algorithm, crypto::Checksum::sha256);
  auto got = w.get("to");
  EXPECT_EQ(w.read(*got), text);
  EXPECT_EQ(got->info.meta.system,
            (Headers{{"content-type", "text/plain"}}));  // the redirect is not copied
  EXPECT_EQ(got->info.meta.user, (Headers{{"colour", "blue"}}));
  EXPECT_EQ(got->info.meta.tags, (Tags{{"a", "b"}}));
  EXPECT_EQ(got->info.modified_ms, copied->modified_ms);
  // The copy has data of its own.
  ASSERT_TRUE(w.remove("from"));
  EXPECT_EQ(w.text("to"), text);
}

TEST_F(CopyTest, Replaces) {
  CopyRequest r = request();
  r.replace_metadata = true;
  r.replace_tags = true;
  r.meta.system = {{"content-type", "x/y"}};
  r.meta.tags = {{"c", "d"}};
  r.checksum_algorithm = crypto::Checksum::crc32;
  auto copied = copy(r);
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->checksum->algorithm, crypto::Checksum::crc32);
  auto got = w.get("to");
  EXPECT_EQ(got->info.meta.content_type(), "x/y");
  EXPECT_TRUE(got->info.meta.user.empty());
  EXPECT_EQ(got->info.meta.tags, (Tags{{"c", "d"}}));
}

TEST_F(CopyTest, OntoItself) {
  EXPECT_EQ(copy(request("from")).code(), Code::invalid_request);
  CopyRequest r = request("from");
  r.replace_metadata = true;
  r.meta.user = {{"colour", "red"}};
  ASSERT_TRUE(copy(r));
  EXPECT_EQ(w.text("from"), text);
  EXPECT_EQ(w.get("from")->info.meta.user, (Headers{{"colour", "red"}}));
  r = request("from");
  r.storage_class = "REDUCED_REDUNDANCY";
  ASSERT_TRUE(copy(r));
  ASSERT_TRUE(copy(r));  // stated again
  EXPECT_EQ(copy(request("from")).code(), Code::invalid_request);
  r.storage_class = "STANDARD";
  ASSERT_TRUE(copy(r));
  ASSERT_TRUE(copy(r));
  r.storage_class.clear();
  EXPECT_EQ(copy(r).code(), Code::invalid_request);
  EXPECT_EQ(w.store.datas(), 1u);
}

TEST_F(CopyTest, AnOlderVersionOntoItselfRestoresIt) {
  w.set_versioning(Versioning::enabled);
  ASSERT_TRUE(w.put("from", "newer"));
  CopyRequest r = request("from");
  r.source_version = VersionId::null_version();
  auto copied = copy(r);
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_TRUE(copied->show_version);
  EXPECT_TRUE(copied->source_version->null);
  EXPECT_EQ(w.text("from"), text);
}

TEST_F(CopyTest, SourcesThatAreNotThere) {
  CopyRequest r = request();
  r.source_key = object_key("nothing");
  EXPECT_EQ(copy(r).code(), Code::no_such_key);
  r.source_bucket = bucket_name("nowhere");
  EXPECT_EQ(copy(r).code(), Code::no_such_bucket);
  w.set_versioning(Versioning::enabled);
  auto marker = w.remove("from");
  EXPECT_EQ(copy(request()).code(), Code::no_such_key);
  r = request();
  r.source_version = marker->version;
  EXPECT_EQ(copy(r).code(), Code::invalid_request);
  r.source_version = VersionId::of({9, 9});
  EXPECT_EQ(copy(r).code(), Code::no_such_version);
  EXPECT_EQ(w.text("to"), "!no_such_key");
}

TEST_F(CopyTest, Conditions) {
  CopyRequest r = request();
  r.source_conditions.if_match = {"other"};
  EXPECT_EQ(copy(r).code(), Code::precondition_failed);
  r.source_conditions = {.if_none_match = {etag}};
  EXPECT_EQ(copy(r).code(), Code::precondition_failed);
  r.source_conditions = {.if_match = {etag}};
  r.conditions.if_none_match = "*";
  EXPECT_TRUE(copy(r));
  EXPECT_EQ(copy(r).code(), Code::precondition_failed);
}

TEST_F(CopyTest, AnEmptyObject) {
  ASSERT_TRUE(w.put("from", ""));
  ASSERT_TRUE(copy(request()));
  EXPECT_EQ(w.text("to"), "");
}

TEST_F(CopyTest, OfManyPartsBecomesOnePart) {
  const auto crc32 = crypto::Checksum::crc32;
  const UploadId upload = w.create_upload("from", crc32);
  std::vector<PartInfo> parts{*w.upload_part("from", upload, 1, "first part ", crc32),
                              *w.upload_part("from", upload, 2, "x", crc32)};
  CompleteRequest complete = w.completion("from", upload, parts);
  for (std::size_t i = 0; i < 2; ++i)
    complete.parts[i].checksum = {crypto::Checksum::crc32, parts[i].checksum->value};
  ASSERT_TRUE(w.run(w.objects->complete_upload(complete)));
  auto copied = copy(request());
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->etag.find('-'), std::string::npos);
  EXPECT_EQ(copied->checksum->type, ChecksumType::full_object);
  EXPECT_EQ(copied->checksum->algorithm, crypto::Checksum::crc32);
  EXPECT_EQ(w.text("to"), "first part x");
  EXPECT_EQ(w.get("to")->info.part_count, 0u);
}

TEST_F(CopyTest, PartsFromRanges) {
  const UploadId upload = w.create_upload("to");
  const auto part = [&](std::uint32_t number, std::optional<ByteRange> range) {
    CopyPartRequest r{w.bucket, object_key("from"), {},     {},    range,
                      w.bucket, object_key("to"),   upload, number};
    return w.run(w.objects->copy_part(std::move(r)));
  };
  EXPECT_EQ(part(1, ByteRange{0, 999}).code(), Code::invalid_argument);
  EXPECT_EQ(part(1, ByteRange{5, 2}).code(), Code::invalid_argument);
  EXPECT_EQ(part(0, {}).code(), Code::invalid_argument);
  EXPECT_EQ(part(10001, {}).code(), Code::invalid_argument);
  auto first = part(1, ByteRange{4, 13});
  auto second = part(2, {});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->part.etag, etag);
  ASSERT_TRUE(
      w.run(w.objects->complete_upload(w.completion("to", upload, {first->part, second->part}))));
  EXPECT_EQ(w.text("to"), text.substr(4, 10) + text);
}

}  // namespace
}  // namespace cairn::object
