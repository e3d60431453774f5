#include "s3/error.h"

#include <gtest/gtest.h>

namespace cairn::s3 {
namespace {

TEST(S3Errors, EveryCodeHasARowOfItsOwn) {
  for (std::uint16_t number = 1; number < 1000; ++number) {
    const auto code = static_cast<Code>(number);
    if (name_of(code) == "unknown") continue;
    const S3Error error = s3_error(code);
    EXPECT_FALSE(error.code.empty()) << name_of(code);
    EXPECT_FALSE(error.message.empty()) << name_of(code);
    EXPECT_GE(error.status, 300) << name_of(code);
    // What S3 means has a name of its own; only operating errors may be internal.
    if (number >= 100) EXPECT_NE(error.code, "InternalError") << name_of(code);
  }
}

TEST(S3Errors, UnknownOutcomesAreNeverClientErrors) {
  for (const Code code :
       {Code::timeout, Code::unavailable, Code::undecided, Code::cancelled, Code::connection_closed,
        Code::stale_term, Code::drive_failed, Code::io_error, Code::corrupt, Code::not_found}) {
    EXPECT_GE(s3_error(code).status, 500) << name_of(code);
  }
}

TEST(S3Errors, InsidesAreNotTold) {
  const auto response =
      error_response(Error(Code::io_error, "drive /data/1: EIO"), {"/b/k", "R", "H"});
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.content.find("/data/1"), std::string::npos);
}

TEST(S3Errors, DocumentsEscapeWhatClientsSent) {
  const auto response =
      error_response(argument_error("bad", "prefix", "<x>&\x01"), {"/<b>", "R", "H"});
  EXPECT_EQ(response.content,
            "<?xml version=\"1.0\" "
            "encoding=\"UTF-8\"?>\n<Error><Code>InvalidArgument</Code><Message>bad</Message>"
            "<ArgumentName>prefix</ArgumentName><ArgumentValue>&lt;x&gt;&amp;&#x1;</ArgumentValue>"
            "<Resource>/&lt;b&gt;</Resource><RequestId>R</RequestId><HostId>H</HostId></Error>");
}

TEST(S3Errors, HeadAndNotModifiedHaveNoDocument) {
  EXPECT_TRUE(
      error_response(Error(Code::no_such_key, ""), {"/b/k", "R", "H", true}).content.empty());
  const auto response =
      error_response(Error(Code::not_modified, "", {{"ETag", "abc"}, {"LastModifiedMs", "0"}}),
                     {"/b/k", "R", "H"});
  EXPECT_TRUE(response.content.empty());
  EXPECT_EQ(response.headers.get("etag"), "\"abc\"");
  EXPECT_EQ(response.headers.get("last-modified"), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(S3Errors, DeleteMarkersAreNamedInHeaders) {
  const auto response = error_response(
      Error(Code::no_such_key, "", {{"DeleteMarker", "true"}, {"VersionId", "null"}}),
      {"/b/k", "R", "H"});
  EXPECT_EQ(response.headers.get("x-amz-delete-marker"), "true");
  EXPECT_EQ(response.headers.get("x-amz-version-id"), "null");
}

}  // namespace
}  // namespace cairn::s3
