#include "s3/router.h"

#include <gtest/gtest.h>

#include <set>

#include "s3/addressing.h"

namespace cairn::s3 {
namespace {

struct Known {
  std::string_view name, method, target, header;
};

// Every operation of the S3 service model by its wire form. Deprecated names of the same form stand
// under the name in use, directory buckets' ListDirectoryBuckets under ListBuckets.
constexpr Known kService[] = {
    {"AbortMultipartUpload", "DELETE", "/bucket/key?uploadId=1", ""},
    {"CompleteMultipartUpload", "POST", "/bucket/key?uploadId=1", ""},
    {"CopyObject", "PUT", "/bucket/key", "x-amz-copy-source"},
    {"CreateBucket", "PUT", "/bucket", ""},
    {"CreateBucketMetadataConfiguration", "POST", "/bucket?metadataConfiguration", ""},
    {"CreateBucketMetadataTableConfiguration", "POST", "/bucket?metadataTable", ""},
    {"CreateMultipartUpload", "POST", "/bucket/key?uploads", ""},
    {"CreateSession", "GET", "/bucket?session", ""},
    {"DeleteBucket", "DELETE", "/bucket", ""},
    {"DeleteBucketAnalyticsConfiguration", "DELETE", "/bucket?analytics&id=1", ""},
    {"DeleteBucketCors", "DELETE", "/bucket?cors", ""},
    {"DeleteBucketEncryption", "DELETE", "/bucket?encryption", ""},
    {"DeleteBucketIntelligentTieringConfiguration", "DELETE", "/bucket?intelligent-tiering&id=1",
     ""},
    {"DeleteBucketInventoryConfiguration", "DELETE", "/bucket?inventory&id=1", ""},
    {"DeleteBucketLifecycle", "DELETE", "/bucket?lifecycle", ""},
    {"DeleteBucketMetadataConfiguration", "DELETE", "/bucket?metadataConfiguration", ""},
    {"DeleteBucketMetadataTableConfiguration", "DELETE", "/bucket?metadataTable", ""},
    {"DeleteBucketMetricsConfiguration", "DELETE", "/bucket?metrics&id=1", ""},
    {"DeleteBucketOwnershipControls", "DELETE", "/bucket?ownershipControls", ""},
    {"DeleteBucketPolicy", "DELETE", "/bucket?policy", ""},
    {"DeleteBucketReplication", "DELETE", "/bucket?replication", ""},
    {"DeleteBucketTagging", "DELETE", "/bucket?tagging", ""},
    {"DeleteBucketWebsite", "DELETE", "/bucket?website", ""},
    {"DeleteObject", "DELETE", "/bucket/key", ""},
    {"DeleteObjectTagging", "DELETE", "/bucket/key?tagging", ""},
    {"DeleteObjects", "POST", "/bucket?delete", ""},
    {"DeletePublicAccessBlock", "DELETE", "/bucket?publicAccessBlock", ""},
    {"GetBucketAbac", "GET", "/bucket?abac", ""},
    {"GetBucketAccelerateConfiguration", "GET", "/bucket?accelerate", ""},
    {"GetBucketAcl", "GET", "/bucket?acl", ""},
    {"GetBucketAnalyticsConfiguration", "GET", "/bucket?analytics&id=1", ""},
    {"GetBucketCors", "GET", "/bucket?cors", ""},
    {"GetBucketEncryption", "GET", "/bucket?encryption", ""},
    {"GetBucketIntelligentTieringConfiguration", "GET", "/bucket?intelligent-tiering&id=1", ""},
    {"GetBucketInventoryConfiguration", "GET", "/bucket?inventory&id=1", ""},
    {"GetBucketLifecycleConfiguration", "GET", "/bucket?lifecycle", ""},
    {"GetBucketLifecycleConfiguration", "GET", "/bucket?lifecycle", ""},
    {"GetBucketLocation", "GET", "/bucket?location", ""},
    {"GetBucketLogging", "GET", "/bucket?logging", ""},
    {"GetBucketMetadataConfiguration", "GET", "/bucket?metadataConfiguration", ""},
    {"GetBucketMetadataTableConfiguration", "GET", "/bucket?metadataTable", ""},
    {"GetBucketMetricsConfiguration", "GET", "/bucket?metrics&id=1", ""},
    {"GetBucketNotificationConfiguration", "GET", "/bucket?notification", ""},
    {"GetBucketNotificationConfiguration", "GET", "/bucket?notification", ""},
    {"GetBucketOwnershipControls", "GET", "/bucket?ownershipControls", ""},
    {"GetBucketPolicy", "GET", "/bucket?policy", ""},
    {"GetBucketPolicyStatus", "GET", "/bucket?policyStatus", ""},
    {"GetBucketReplication", "GET", "/bucket?replication", ""},
    {"GetBucketRequestPayment", "GET", "/bucket?requestPayment", ""},
    {"GetBucketTagging", "GET", "/bucket?tagging", ""},
    {"GetBucketVersioning", "GET", "/bucket?versioning", ""},
    {"GetBucketWebsite", "GET", "/bucket?website", ""},
    {"GetObject", "GET", "/bucket/key", ""},
    {"GetObjectAcl", "GET", "/bucket/key?acl", ""},
    {"GetObjectAttributes", "GET", "/bucket/key?attributes", "x-amz-object-attributes"},
    {"GetObjectLegalHold", "GET", "/bucket/key?legal-hold", ""},
    {"GetObjectLockConfiguration", "GET", "/bucket?object-lock", ""},
    {"GetObjectRetention", "GET", "/bucket/key?retention", ""},
    {"GetObjectTagging", "GET", "/bucket/key?tagging", ""},
    {"GetObjectTorrent", "GET", "/bucket/key?torrent", ""},
    {"GetPublicAccessBlock", "GET", "/bucket?publicAccessBlock", ""},
    {"HeadBucket", "HEAD", "/bucket", ""},
    {"HeadObject", "HEAD", "/bucket/key", ""},
    {"ListBucketAnalyticsConfigurations", "GET", "/bucket?analytics", ""},
    {"ListBucketIntelligentTieringConfigurations", "GET", "/bucket?intelligent-tiering", ""},
    {"ListBucketInventoryConfigurations", "GET", "/bucket?inventory", ""},
    {"ListBucketMetricsConfigurations", "GET", "/bucket?metrics", ""},
    {"ListBuckets", "GET", "/", ""},
    {"ListBuckets", "GET", "/", ""},
    {"ListMultipartUploads", "GET", "/bucket?uploads", ""},
    {"ListObjectVersions", "GET", "/bucket?versions", ""},
    {"ListObjects", "GET", "/bucket", ""},
    {"ListObjectsV2", "GET", "/bucket?list-type=2", ""},
    {"ListParts", "GET", "/bucket/key?uploadId=1", ""},
    {"PutBucketAbac", "PUT", "/bucket?abac", ""},
    {"PutBucketAccelerateConfiguration", "PUT", "/bucket?accelerate", ""},
    {"PutBucketAcl", "PUT", "/bucket?acl", ""},
    {"PutBucketAnalyticsConfiguration", "PUT", "/bucket?analytics&id=1", ""},
    {"PutBucketCors", "PUT", "/bucket?cors", ""},
    {"PutBucketEncryption", "PUT", "/bucket?encryption", ""},
    {"PutBucketIntelligentTieringConfiguration", "PUT", "/bucket?intelligent-tiering&id=1", ""},
    {"PutBucketInventoryConfiguration", "PUT", "/bucket?inventory&id=1", ""},
    {"PutBucketLifecycleConfiguration", "PUT", "/bucket?lifecycle", ""},
    {"PutBucketLifecycleConfiguration", "PUT", "/bucket?lifecycle", ""},
    {"PutBucketLogging", "PUT", "/bucket?logging", ""},
    {"PutBucketMetricsConfiguration", "PUT", "/bucket?metrics&id=1", ""},
    {"PutBucketNotificationConfiguration", "PUT", "/bucket?notification", ""},
    {"PutBucketNotificationConfiguration", "PUT", "/bucket?notification", ""},
    {"PutBucketOwnershipControls", "PUT", "/bucket?ownershipControls", ""},
    {"PutBucketPolicy", "PUT", "/bucket?policy", ""},
    {"PutBucketReplication", "PUT", "/bucket?replication", ""},
    {"PutBucketRequestPayment", "PUT", "/bucket?requestPayment", ""},
    {"PutBucketTagging", "PUT", "/bucket?tagging", ""},
    {"PutBucketVersioning", "PUT", "/bucket?versioning", ""},
    {"PutBucketWebsite", "PUT", "/bucket?website", ""},
    {"PutObject", "PUT", "/bucket/key", ""},
    {"PutObjectAcl", "PUT", "/bucket/key?acl", ""},
    {"PutObjectLegalHold", "PUT", "/bucket/key?legal-hold", ""},
    {"PutObjectLockConfiguration", "PUT", "/bucket?object-lock", ""},
    {"PutObjectRetention", "PUT", "/bucket/key?retention", ""},
    {"PutObjectTagging", "PUT", "/bucket/key?tagging", ""},
    {"PutPublicAccessBlock", "PUT", "/bucket?publicAccessBlock", ""},
    {"RenameObject", "PUT", "/bucket/key?renameObject", "x-amz-rename-source"},
    {"RestoreObject", "POST", "/bucket/key?restore", ""},
    {"SelectObjectContent", "POST", "/bucket/key?select&select-type=2", ""},
    {"UpdateBucketMetadataInventoryTableConfiguration", "PUT", "/bucket?metadataInventoryTable",
     ""},
    {"UpdateBucketMetadataJournalTableConfiguration", "PUT", "/bucket?metadataJournalTable", ""},
    {"UpdateObjectEncryption", "PUT", "/bucket/key?encryption", ""},
    {"UploadPart", "PUT", "/bucket/key?partNumber=1&uploadId=1", ""},
    {"UploadPartCopy", "PUT", "/bucket/key?partNumber=1&uploadId=1", "x-amz-copy-source"},
    {"WriteGetObjectResponse", "POST", "/WriteGetObjectResponse", "x-amz-request-route"},
};

Result<const Operation*> route_of(std::string_view method, std::string_view target,
                                  std::string_view header = {}) {
  const auto question = target.find('?');
  auto place = parse_target(target.substr(0, question), "localhost", {});
  if (!place) return std::move(place.error());
  auto query = Query::parse(question == std::string_view::npos ? std::string_view{}
                                                               : target.substr(question + 1));
  if (!query) return std::move(query.error());
  net::Headers headers;
  if (!header.empty()) headers.add(std::string(header), "x");
  return route(method, place->level, *query, headers);
}

TEST(Router, RecognisesEveryOperationOfTheService) {
  EXPECT_EQ(std::size(kService), 111u);
  for (const Known& known : kService) {
    const auto found = route_of(known.method, known.target, known.header);
    ASSERT_TRUE(found) << known.name << ": " << found.error().message;
    EXPECT_EQ((*found)->name, known.name) << known.method << ' ' << known.target;
  }
}

TEST(Router, ServesExactlyTheOperationsOfThisVersion) {
  const std::set<std::string_view> served = {
      "ListBuckets",          "CreateBucket",        "HeadBucket",
      "GetBucketLocation",    "DeleteBucket",        "GetBucketVersioning",
      "PutBucketVersioning",  "GetBucketTagging",    "PutBucketTagging",
      "DeleteBucketTagging",  "ListObjects",         "ListObjectsV2",
      "ListObjectVersions",   "PutObject",           "GetObject",
      "HeadObject",           "DeleteObject",        "DeleteObjects",
      "CopyObject",           "GetObjectAttributes", "GetObjectTagging",
      "PutObjectTagging",     "DeleteObjectTagging", "CreateMultipartUpload",
      "UploadPart",           "UploadPartCopy",      "CompleteMultipartUpload",
      "AbortMultipartUpload", "ListParts",           "ListMultipartUploads"};
  std::set<std::string_view> with_handler;
  for (const Operation& row : operations()) {
    if (row.handler != nullptr) with_handler.insert(row.name);
  }
  EXPECT_EQ(with_handler, served);
}

TEST(Router, EveryOperationHasAnActionButDeleteObjects) {
  for (const Operation& row : operations()) {
    EXPECT_EQ(row.action.empty(), row.name == "DeleteObjects") << row.name;
    if (!row.action.empty()) EXPECT_NE(row.action.find(':'), std::string_view::npos) << row.name;
  }
}

// A request with a subresource is never the same request without it.
TEST(Router, NeverTakesASubresourceForNone) {
  const std::set<std::string_view> plain = {
      "ListObjects", "ListObjectsV2", "HeadBucket", "CreateBucket", "DeleteBucket", "PostObject",
      "GetObject",   "HeadObject",    "PutObject",  "DeleteObject", "CopyObject",   "ListBuckets"};
  for (const Operation& row : operations()) {
    if (row.subresource.empty()) continue;
    for (const std::string_view method : {"GET", "HEAD", "PUT", "POST", "DELETE"}) {
      for (const std::string_view path : {"/bucket", "/bucket/key"}) {
        if (row.subresource == "uploadId" || row.subresource == "partNumber") continue;
        const auto found = route_of(method, std::string(path) + '?' + std::string(row.subresource));
        if (found)
          EXPECT_FALSE(plain.contains((*found)->name))
              << method << ' ' << path << '?' << row.subresource;
      }
    }
  }
}

TEST(Router, RefusesWrongMethodsAndLevels) {
  EXPECT_EQ(route_of("DELETE", "/bucket?versioning").code(), Code::method_not_allowed);
  EXPECT_EQ(route_of("PUT", "/bucket?uploads").code(), Code::method_not_allowed);
  EXPECT_EQ(route_of("PUT", "/").code(), Code::method_not_allowed);
  EXPECT_EQ(route_of("PATCH", "/bucket/key").code(), Code::method_not_allowed);
  EXPECT_EQ(route_of("POST", "/bucket/key").code(), Code::method_not_allowed);
  EXPECT_EQ(route_of("DELETE", "/bucket/key?lifecycle").code(), Code::invalid_argument);
  EXPECT_EQ(route_of("GET", "/bucket?acl&tagging").code(), Code::invalid_argument);
}

TEST(Router, IgnoresUnknownParameters) {
  EXPECT_EQ((*route_of("GET", "/bucket/key?x-id=GetObject&foo=bar"))->name, "GetObject");
  EXPECT_EQ((*route_of("PUT", "/bucket/key?x-id=PutObject"))->name, "PutObject");
  EXPECT_EQ((*route_of("GET", "/bucket?list-type=1"))->name, "ListObjects");
}

TEST(Router, PartsNeverBecomeObjects) {
  EXPECT_EQ((*route_of("PUT", "/bucket/key?partNumber=1"))->name, "UploadPart");
  EXPECT_EQ((*route_of("PUT", "/bucket/key?uploadId=1"))->name, "UploadPart");
  EXPECT_EQ((*route_of("PUT", "/bucket/key?uploadId=1", "x-amz-copy-source"))->name,
            "UploadPartCopy");
  EXPECT_EQ((*route_of("GET", "/bucket/key?partNumber=1"))->name, "GetObject");
}

}  // namespace
}  // namespace cairn::s3
