// What must hold of every request: the decision comes first, nothing unauthorized has effects,
// errors do not wait for bodies. What operations answer in detail is in testing/golden.
#include "s3/service.h"

#include <gtest/gtest.h>

#include "s3/router.h"
#include "s3/testing/harness.h"

namespace cairn::s3::testing {
namespace {

constexpr std::string_view kRoot = "\nAuthorization: root\n";

std::string request(std::string_view line, std::string_view headers = {},
                    std::string_view body = {}) {
  return std::string(line) + std::string(kRoot) + std::string(headers) + '\n' + std::string(body);
}

class ServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(h.send(request("PUT /bucket")).status, 200);
    ASSERT_EQ(h.send(request("PUT /bucket/key", "", "hello")).status, 200);
    h.policy.asked.clear();
  }
  int status(std::string_view line, std::string_view headers = {}, std::string_view body = {}) {
    return h.send(request(line, headers, body)).status;
  }
  Harness h;
};

// A request line for each row of the router's table.
std::string line_of(const Operation& row) {
  std::string line(row.method);
  line += row.level == Level::service  ? " /"
          : row.level == Level::bucket ? " /bucket"
                                       : " /bucket/key";
  char separator = '?';
  for (const std::string_view name : {row.subresource, row.with}) {
    if (name.empty()) continue;
    line += separator + std::string(name);
    separator = '&';
  }
  return line;
}

TEST_F(ServiceTest, AnonymousIsDeniedEverythingAndChangesNothing) {
  for (const Operation& row : operations()) {
    std::string text = line_of(row) + '\n';
    if (!row.header.empty()) text += std::string(row.header) + ": /bucket/key\n";
    const auto response = h.send(text + "\n<body/>");
    // A form says in itself who sends it; there are none.
    EXPECT_EQ(response.status, row.name == "PostObject" ? 501 : 403) << row.name;
    EXPECT_FALSE(h.body_was_read) << row.name;
    EXPECT_EQ(h.operation, row.name);
  }
  EXPECT_EQ(status("GET /bucket/key"), 200);
}

TEST_F(ServiceTest, WhatIsNotServedIsNotImplemented) {
  for (const Operation& row : operations()) {
    if (row.handler != nullptr) continue;
    std::string headers;
    if (!row.header.empty()) headers = std::string(row.header) + ": x\n";
    const auto response = h.send(request(line_of(row), headers, "<body/>"));
    EXPECT_EQ(response.status, 501) << row.name;
    EXPECT_NE(response.content.find("<Code>NotImplemented</Code>"), std::string::npos) << row.name;
    EXPECT_FALSE(h.body_was_read) << row.name;
  }
}

TEST_F(ServiceTest, EveryServedOperationAsksForItsActionFirst) {
  for (const Operation& row : operations()) {
    if (row.handler == nullptr || row.action.empty()) continue;
    h.policy.asked.clear();
    h.policy.denied = std::string(row.action) + (row.level == Level::service  ? " "
                                                 : row.level == Level::bucket ? " bucket"
                                                                              : " bucket/key");
    std::string headers;
    if (!row.header.empty()) headers = std::string(row.header) + ": /bucket/key\n";
    EXPECT_EQ(status(line_of(row), headers, "<body/>"), 403) << row.name;
    EXPECT_EQ(h.policy.asked, (std::vector<std::string>{h.policy.denied})) << row.name;
    EXPECT_FALSE(h.body_was_read) << row.name;
  }
}

TEST_F(ServiceTest, ReadsOfVersionsAreTheirOwnAction) {
  status("GET /bucket/key?versionId=null");
  EXPECT_EQ(h.policy.asked, (std::vector<std::string>{"s3:GetObjectVersion bucket/key"}));
}

TEST_F(ServiceTest, CopiesDecideOnTheirSource) {
  h.policy.denied = "s3:GetObject bucket/key";
  EXPECT_EQ(status("PUT /bucket/copy", "x-amz-copy-source: /bucket/key\n"), 403);
  EXPECT_EQ(status("PUT /bucket/copy?partNumber=1&uploadId=00000000000000000000000000000001",
                   "x-amz-copy-source: /bucket/key\n"),
            403);
  h.policy.denied = "s3:GetObjectVersion bucket/key";
  EXPECT_EQ(status("PUT /bucket/copy", "x-amz-copy-source: /bucket/key?versionId=null\n"), 403);
  EXPECT_EQ(status("HEAD /bucket/copy"), 404);
}

TEST_F(ServiceTest, TagsWithAPutAreADecisionOfTheirOwn) {
  h.policy.denied = "s3:PutObjectTagging bucket/new";
  EXPECT_EQ(status("PUT /bucket/new", "x-amz-tagging: a=1\n", "x"), 403);
  EXPECT_FALSE(h.body_was_read);
  EXPECT_EQ(status("PUT /bucket/new", "", "x"), 200);
}

TEST_F(ServiceTest, DeleteObjectsDecidesKeyByKey) {
  status("PUT /bucket/other", "", "x");
  h.policy.denied = "s3:DeleteObject bucket/key";
  const auto response = h.send(
      request("POST /bucket?delete", "x-amz-checksum-crc32: hR4ooA==\n",
              "<Delete><Object><Key>key</Key></Object><Object><Key>other</Key></Object></Delete>"));
  ASSERT_EQ(response.status, 200) << response.content;
  EXPECT_NE(response.content.find("<Error><Key>key</Key><Code>AccessDenied</Code>"),
            std::string::npos);
  EXPECT_NE(response.content.find("<Deleted><Key>other</Key></Deleted>"), std::string::npos);
  EXPECT_EQ(status("HEAD /bucket/key"), 200);
  EXPECT_EQ(status("HEAD /bucket/other"), 404);
}

TEST_F(ServiceTest, ABadSignatureIsRefusedBeforeAnything) {
  const auto response = h.send("PUT /bucket/new\nAuthorization: bad\n\nbody");
  EXPECT_EQ(response.status, 403);
  EXPECT_NE(response.content.find("SignatureDoesNotMatch"), std::string::npos);
  EXPECT_FALSE(h.body_was_read);
  EXPECT_TRUE(h.policy.asked.empty());
}

TEST_F(ServiceTest, ErrorsFoundInTheHeadDoNotWaitForTheBody) {
  for (const std::string_view header :
       {"x-amz-server-side-encryption: AES256\n", "Content-MD5: x\n", "x-amz-checksum-crc32: x\n",
        "x-amz-storage-class: NONE\n", "x-amz-tagging: a=1&a=1\n", "x-amz-acl: public-read\n",
        "x-amz-expected-bucket-owner: somebody\n", "x-amz-sdk-checksum-algorithm: CRC32\n"}) {
    EXPECT_GE(status("PUT /bucket/new", header, "body"), 400) << header;
    EXPECT_FALSE(h.body_was_read) << header;
  }
  EXPECT_EQ(status("PUT /bucket/" + std::string(1025, 'k'), "", "body"), 400);
  EXPECT_FALSE(h.body_was_read);
  EXPECT_EQ(status("PUT /bucket/new", "x-no-length: 1\n"), 411);
}

TEST_F(ServiceTest, ExpectedOwner) {
  EXPECT_EQ(status("HEAD /bucket", "x-amz-expected-bucket-owner: root\n"), 200);
  EXPECT_EQ(status("HEAD /bucket", "x-amz-expected-bucket-owner: other\n"), 403);
  EXPECT_EQ(status("PUT /bucket/copy",
                   "x-amz-copy-source: /bucket/key\nx-amz-source-expected-bucket-owner: o\n"),
            403);
}

TEST_F(ServiceTest, PresignedParametersAreHeaders) {
  EXPECT_EQ(h.send("PUT /bucket/new?X-Amz-Signature=s&x-amz-acl=public-read\n\nx").status, 501);
  EXPECT_EQ(
      h.send("PUT /bucket/new?X-Amz-Signature=s&x-amz-meta-a=1&x-amz-checksum-crc32=AAAAAA%3D%3D"
             "&x-amz-sdk-checksum-algorithm=CRC32\n\nx")
          .status,
      200);
  EXPECT_EQ(h.objects.last_meta().user, (object::Headers{{"a", "1"}}));
  EXPECT_EQ(h.send("PUT /bucket/copy?X-Amz-Signature=s&x-amz-copy-source=/bucket/key\n\n").status,
            200);
  EXPECT_EQ(h.operation, "CopyObject");
}

TEST_F(ServiceTest, OverridesCannotSplitTheResponse) {
  EXPECT_EQ(status("GET /bucket/key?response-content-type=a%0D%0AEvil:1"), 400);
  const auto response =
      h.send(request("GET /bucket/key?response-content-type=text/x&response-expires=now"));
  EXPECT_EQ(response.headers.get("content-type"), "text/x");
  EXPECT_EQ(response.headers.get("expires"), "now");
}

TEST_F(ServiceTest, HeadErrorsHaveNoBody) {
  const auto response = h.send(request("HEAD /bucket/absent"));
  EXPECT_EQ(response.status, 404);
  EXPECT_TRUE(response.content.empty());
  EXPECT_EQ(h.send(request("HEAD /absent")).status, 404);
}

TEST_F(ServiceTest, UnknownOutcomesAreRetriable) {
  h.objects.fail_next(Error(Code::unavailable, "2 of 5 drives answered"));
  const auto response = h.send(request("PUT /bucket/new", "", "x"));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.content.find("drives"), std::string::npos);
  h.objects.fail_next(Error(Code::no_space, "full"));
  EXPECT_EQ(status("PUT /bucket/new", "", "x"), 507);
  h.objects.fail_next(Error(Code::slow_down, ""));
  EXPECT_EQ(status("GET /bucket/key"), 503);
}

TEST_F(ServiceTest, ABodyThatDoesNotMatchStoresNothing) {
  EXPECT_EQ(status("PUT /bucket/new", "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\n", "x"), 400);
  EXPECT_EQ(status("PUT /bucket/new", "x-amz-checksum-crc32: AAAAAA==\n", "x"), 400);
  EXPECT_EQ(status("HEAD /bucket/new"), 404);
}

TEST_F(ServiceTest, ChecksumsInTrailers) {
  const std::string headers =
      "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\n"
      "x-amz-decoded-content-length: 5\nx-amz-trailer: x-amz-checksum-crc32\n"
      "x-amz-sdk-checksum-algorithm: CRC32\nContent-Encoding: aws-chunked\n";
  const auto body = [](std::string_view trailer) {
    return "5\r\nhello\r\n0\r\n" + std::string(trailer) + "\r\n";
  };
  EXPECT_EQ(status("PUT /bucket/bad", headers, body("x-amz-checksum-crc32:AAAAAA==\r\n")), 400);
  EXPECT_EQ(status("PUT /bucket/bad", headers, body("x-amz-checksum-crc32:??\r\n")), 400);
  EXPECT_EQ(status("PUT /bucket/bad", headers, body("")), 400);
  EXPECT_EQ(status("PUT /bucket/bad", headers, "5\r\nhel"), 400);
  EXPECT_EQ(status("HEAD /bucket/bad"), 404);
  const auto response =
      h.send(request("PUT /bucket/new", headers, body("x-amz-checksum-crc32:NhCmhg==\r\n")));
  EXPECT_EQ(response.status, 200) << response.content;
  EXPECT_EQ(response.headers.get("x-amz-checksum-crc32"), "NhCmhg==");
  EXPECT_EQ(h.exchange(request("GET /bucket/new")).ends_with("\n\nhello\n"), true);
  EXPECT_TRUE(h.objects.last_meta().system.empty());
}

TEST_F(ServiceTest, IfRangeFallsBackToTheWholeObject) {
  EXPECT_EQ(status("GET /bucket/key",
                   "Range: bytes=0-1\nIf-Range: \"5d41402abc4b2a76b9719d911017c592\"\n"),
            206);
  EXPECT_EQ(status("GET /bucket/key", "Range: bytes=0-1\nIf-Range: \"other\"\n"), 200);
  EXPECT_EQ(
      status("GET /bucket/key", "Range: bytes=0-1\nIf-Range: \"other\"\nIf-None-Match: \"x\"\n"),
      200);
}

TEST_F(ServiceTest, DocumentsAreLimited) {
  const std::string big(3 << 20, ' ');
  EXPECT_EQ(status("PUT /bucket?tagging", "", big), 400);
  EXPECT_FALSE(h.body_was_read);
  EXPECT_EQ(status("PUT /bucket?tagging", "Transfer-Encoding: chunked\n", big), 400);
}

TEST_F(ServiceTest, MetadataLimitAndEncoding) {
  EXPECT_EQ(status("PUT /bucket/new", "x-amz-meta-a: " + std::string(2047, 'x') + '\n', "x"), 200);
  EXPECT_EQ(status("PUT /bucket/new", "x-amz-meta-a: " + std::string(2048, 'x') + '\n', "x"), 400);
  EXPECT_EQ(status("PUT /bucket/new", "X-Amz-Meta-A: ä\nx-amz-meta-a: b\n", "x"), 200);
  EXPECT_EQ(h.objects.last_meta().user, (object::Headers{{"a", "ä,b"}}));
  EXPECT_EQ(h.send(request("HEAD /bucket/new")).headers.get("x-amz-meta-a"),
            "=?UTF-8?B?w6QsYg==?=");
}

TEST_F(ServiceTest, TransferCodingIsNoProperty) {
  status("PUT /bucket/new", "Content-Encoding: aws-chunked, gzip\n", "x");
  EXPECT_EQ(h.objects.last_meta().system, (object::Headers{{"content-encoding", "gzip"}}));
  status("PUT /bucket/new", "Content-Encoding: aws-chunked\n", "x");
  EXPECT_TRUE(h.objects.last_meta().system.empty());
}

TEST(Service, VirtualHosts) {
  Harness h({.domains = {"S3.Example.com"}});
  EXPECT_EQ(h.send("PUT /\nHost: bucket.s3.example.com\nAuthorization: root\n\n").status, 200);
  EXPECT_EQ(h.operation, "CreateBucket");
  EXPECT_EQ(h.send("GET /a/b\nHost: bucket.s3.example.com:9000\nAuthorization: root\n\n").status,
            404);
  EXPECT_EQ(h.operation, "GetObject");
  EXPECT_EQ(h.send("GET http://bucket.s3.example.com/\nHost: x\nAuthorization: root\n\n").status,
            200);
  EXPECT_EQ(h.operation, "ListObjects");
  EXPECT_EQ(h.send("GET /\nHost: 127.0.0.1:9000\nAuthorization: root\n\n").status, 200);
  EXPECT_EQ(h.operation, "ListBuckets");
}

TEST(Service, RegionsOfBuckets) {
  Harness classic;
  EXPECT_EQ(classic.send(request("PUT /bucket")).status, 200);
  EXPECT_EQ(classic.send(request("PUT /bucket")).status, 200);  // again: as in us-east-1
  const std::string body =
      "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>"
      "</CreateBucketConfiguration>";
  EXPECT_EQ(classic.send(request("PUT /other", "", body)).status, 400);
  Harness europe({.region = "eu-west-1"});
  EXPECT_EQ(europe.send(request("PUT /bucket")).status, 400);
  EXPECT_EQ(europe.send(request("PUT /bucket", "", body)).status, 200);
  EXPECT_EQ(europe.send(request("PUT /bucket", "", body)).status, 409);
}

}  // namespace
}  // namespace cairn::s3::testing
