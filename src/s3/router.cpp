#include "s3/router.h"

#include <algorithm>

#include "s3/error.h"
#include "s3/ops/ops.h"

namespace cairn::s3 {
namespace {

// Rows are the operations of the S3 API reference, in the order they are tried,
// each row with the action of
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
// Columns: name, method, level, subresource, with, header, action, version_action, handler.
constexpr Level S = Level::service, B = Level::bucket, O = Level::object;
// clang-format off
constexpr Operation kOperations[] = {
    // The service
    {"ListBuckets", "GET", S, {}, {}, {}, "s3:ListAllMyBuckets", {}, ops::list_buckets},
    {"WriteGetObjectResponse", "POST", B, {}, {}, "x-amz-request-route",
     "s3-object-lambda:WriteGetObjectResponse"},
    // Buckets: served
    {"GetBucketLocation", "GET", B, "location", {}, {},
     "s3:GetBucketLocation", {}, ops::get_bucket_location},
    {"GetBucketVersioning", "GET", B, "versioning", {}, {},
     "s3:GetBucketVersioning", {}, ops::get_bucket_versioning},
    {"PutBucketVersioning", "PUT", B, "versioning", {}, {},
     "s3:PutBucketVersioning", {}, ops::put_bucket_versioning},
    {"GetBucketTagging", "GET", B, "tagging", {}, {},
     "s3:GetBucketTagging", {}, ops::get_bucket_tagging},
    {"PutBucketTagging", "PUT", B, "tagging", {}, {},
     "s3:PutBucketTagging", {}, ops::put_bucket_tagging},
    {"DeleteBucketTagging", "DELETE", B, "tagging", {}, {},
     "s3:PutBucketTagging", {}, ops::delete_bucket_tagging},
    {"ListMultipartUploads", "GET", B, "uploads", {}, {},
     "s3:ListBucketMultipartUploads", {}, ops::list_multipart_uploads},
    {"ListObjectVersions", "GET", B, "versions", {}, {},
     "s3:ListBucketVersions", {}, ops::list_object_versions},
    {"DeleteObjects", "POST", B, "delete", {}, {}, {}, {}, ops::delete_objects},
    // Buckets: recognised
    {"GetBucketAbac", "GET", B, "abac", {}, {}, "s3:GetBucketAbac"},
    {"PutBucketAbac", "PUT", B, "abac", {}, {}, "s3:PutBucketAbac"},
    {"GetBucketAccelerateConfiguration", "GET", B, "accelerate", {}, {},
     "s3:GetAccelerateConfiguration"},
    {"PutBucketAccelerateConfiguration", "PUT", B, "accelerate", {}, {},
     "s3:PutAccelerateConfiguration"},
    {"GetBucketAcl", "GET", B, "acl", {}, {}, "s3:GetBucketAcl"},
    {"PutBucketAcl", "PUT", B, "acl", {}, {}, "s3:PutBucketAcl"},
    {"GetBucketAnalyticsConfiguration", "GET", B, "analytics", "id", {},
     "s3:GetAnalyticsConfiguration"},
    {"ListBucketAnalyticsConfigurations", "GET", B, "analytics", {}, {},
     "s3:GetAnalyticsConfiguration"},
    {"PutBucketAnalyticsConfiguration", "PUT", B, "analytics", {}, {},
     "s3:PutAnalyticsConfiguration"},
    {"DeleteBucketAnalyticsConfiguration", "DELETE", B, "analytics", {}, {},
     "s3:PutAnalyticsConfiguration"},
    {"GetBucketIntelligentTieringConfiguration", "GET", B, "intelligent-tiering", "id", {},
     "s3:GetIntelligentTieringConfiguration"},
    {"ListBucketIntelligentTieringConfigurations", "GET", B, "intelligent-tiering", {}, {},
     "s3:GetIntelligentTieringConfiguration"},
    {"PutBucketIntelligentTieringConfiguration", "PUT", B, "intelligent-tiering", {}, {},
     "s3:PutIntelligentTieringConfiguration"},
    {"DeleteBucketIntelligentTieringConfiguration", "DELETE", B, "intelligent-tiering", {}, {},
     "s3:PutIntelligentTieringConfiguration"},
    {"GetBucketInventoryConfiguration", "GET", B, "inventory", "id", {},
     "s3:GetInventoryConfiguration"},
    {"ListBucketInventoryConfigurations", "GET", B, "inventory", {}, {},
     "s3:GetInventoryConfiguration"},
    {"PutBucketInventoryConfiguration", "PUT", B, "inventory", {}, {},
     "s3:PutInventoryConfiguration"},
    {"DeleteBucketInventoryConfiguration", "DELETE", B, "inventory", {}, {},
     "s3:PutInventoryConfiguration"},
    {"GetBucketMetricsConfiguration", "GET", B, "metrics", "id", {}, "s3:GetMetricsConfiguration"},
    {"ListBucketMetricsConfigurations", "GET", B, "metrics", {}, {}, "s3:GetMetricsConfiguration"},
    {"PutBucketMetricsConfiguration", "PUT", B, "metrics", {}, {}, "s3:PutMetricsConfiguration"},
    {"DeleteBucketMetricsConfiguration", "DELETE", B, "metrics", {}, {},
     "s3:PutMetricsConfiguration"},
    {"GetBucketCors", "GET", B, "cors", {}, {}, "s3:GetBucketCORS"},
    {"PutBucketCors", "PUT", B, "cors", {}, {}, "s3:PutBucketCORS"},
    {"DeleteBucketCors", "DELETE", B, "cors", {}, {}, "s3:PutBucketCORS"},
    {"GetBucketEncryption", "GET", B, "encryption", {}, {}, "s3:GetEncryptionConfiguration"},
    {"PutBucketEncryption", "PUT", B, "encryption", {}, {}, "s3:PutEncryptionConfiguration"},
    {"DeleteBucketEncryption", "DELETE", B, "encryption", {}, {}, "s3:PutEncryptionConfiguration"},
    {"GetBucketLifecycleConfiguration", "GET", B, "lifecycle", {}, {},
     "s3:GetLifecycleConfiguration"},
    {"PutBucketLifecycleConfiguration", "PUT", B, "lifecycle", {}, {},
     "s3:PutLifecycleConfiguration"},
    {"DeleteBucketLifecycle", "DELETE", B, "lifecycle", {}, {}, "s3:PutLifecycleConfiguration"},
    {"GetBucketLogging", "GET", B, "logging", {}, {}, "s3:GetBucketLogging"},
    {"PutBucketLogging", "PUT", B, "logging", {}, {}, "s3:PutBucketLogging"},
    {"CreateBucketMetadataConfiguration", "POST", B, "metadataConfiguration", {}, {},
     "s3:CreateBucketMetadataTableConfiguration"},
    {"GetBucketMetadataConfiguration", "GET", B, "metadataConfiguration", {}, {},
     "s3:GetBucketMetadataTableConfiguration"},
    {"DeleteBucketMetadataConfiguration", "DELETE", B, "metadataConfiguration", {}, {},
     "s3:DeleteBucketMetadataTableConfiguration"},
    {"CreateBucketMetadataTableConfiguration", "POST", B, "metadataTable", {}, {},
     "s3:CreateBucketMetadataTableConfiguration"},
    {"GetBucketMetadataTableConfiguration", "GET", B, "metadataTable", {}, {},
     "s3:GetBucketMetadataTableConfiguration"},
    {"DeleteBucketMetadataTableConfiguration", "DELETE", B, "metadataTable", {}, {},
     "s3:DeleteBucketMetadataTableConfiguration"},
    {"UpdateBucketMetadataInventoryTableConfiguration", "PUT", B, "metadataInventoryTable", {}, {},
     "s3:UpdateBucketMetadataInventoryTableConfiguration"},
    {"UpdateBucketMetadataJournalTableConfiguration", "PUT", B, "metadataJournalTable", {}, {},
     "s3:UpdateBucketMetadataJournalTableConfiguration"},
    {"GetBucketNotificationConfiguration", "GET", B, "notification", {}, {},
     "s3:GetBucketNotification"},
    {"PutBucketNotificationConfiguration", "PUT", B, "notification", {}, {},
     "s3:PutBucketNotification"},
    {"GetObjectLockConfiguration", "GET", B, "object-lock", {}, {},
     "s3:GetBucketObjectLockConfiguration"},
    {"PutObjectLockConfiguration", "PUT", B, "object-lock", {}, {},
     "s3:PutBucketObjectLockConfiguration"},
    {"GetBucketOwnershipControls", "GET", B, "ownershipControls", {}, {},
     "s3:GetBucketOwnershipControls"},
    {"PutBucketOwnershipControls", "PUT", B, "ownershipControls", {}, {},
     "s3:PutBucketOwnershipControls"},
    {"DeleteBucketOwnershipControls", "DELETE", B, "ownershipControls", {}, {},
     "s3:PutBucketOwnershipControls"},
    {"GetBucketPolicy", "GET", B, "policy", {}, {}, "s3:GetBucketPolicy"},
    {"PutBucketPolicy", "PUT", B, "policy", {}, {}, "s3:PutBucketPolicy"},
    {"DeleteBucketPolicy", "DELETE", B, "policy", {}, {}, "s3:DeleteBucketPolicy"},
    {"GetBucketPolicyStatus", "GET", B, "policyStatus", {}, {}, "s3:GetBucketPolicyStatus"},
    {"GetPublicAccessBlock", "GET", B, "publicAccessBlock", {}, {},
     "s3:GetBucketPublicAccessBlock"},
    {"PutPublicAccessBlock", "PUT", B, "publicAccessBlock", {}, {},
     "s3:PutBucketPublicAccessBlock"},
    {"DeletePublicAccessBlock", "DELETE", B, "publicAccessBlock", {}, {},
     "s3:PutBucketPublicAccessBlock"},
    {"GetBucketReplication", "GET", B, "replication", {}, {}, "s3:GetReplicationConfiguration"},
    {"PutBucketReplication", "PUT", B, "replication", {}, {}, "s3:PutReplicationConfiguration"},
    {"DeleteBucketReplication", "DELETE", B, "replication", {}, {},
     "s3:PutReplicationConfiguration"},
    {"GetBucketRequestPayment", "GET", B, "requestPayment", {}, {}, "s3:GetBucketRequestPayment"},
    {"PutBucketRequestPayment", "PUT", B, "requestPayment", {}, {}, "s3:PutBucketRequestPayment"},
    {"CreateSession", "GET", B, "session", {}, {}, "s3express:CreateSession"},
    {"GetBucketWebsite", "GET", B, "website", {}, {}, "s3:GetBucketWebsite"},
    {"PutBucketWebsite", "PUT", B, "website", {}, {}, "s3:PutBucketWebsite"},
    {"DeleteBucketWebsite", "DELETE", B, "website", {}, {}, "s3:DeleteBucketWebsite"},
    // Buckets: without a subresource
    {"ListObjectsV2", "GET", B, {}, "list-type=2", {}, "s3:ListBucket", {}, ops::list_objects_v2},
    {"ListObjects", "GET", B, {}, {}, {}, "s3:ListBucket", {}, ops::list_objects},
    {"HeadBucket", "HEAD", B, {}, {}, {}, "s3:ListBucket", {}, ops::head_bucket},
    {"CreateBucket", "PUT", B, {}, {}, {}, "s3:CreateBucket", {}, ops::create_bucket},
    {"DeleteBucket", "DELETE", B, {}, {}, {}, "s3:DeleteBucket", {}, ops::delete_bucket},
    {"PostObject", "POST", B, {}, {}, {}, "s3:PutObject"},
    {"PreflightBucket", "OPTIONS", B, {}, {}, {}, "s3:GetBucketCORS"},
    // Objects: with a subresource
    {"GetObjectAttributes", "GET", O, "attributes", {}, {},
     "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes", ops::get_object_attributes},
    {"GetObjectTagging", "GET", O, "tagging", {}, {},
     "s3:GetObjectTagging", "s3:GetObjectVersionTagging", ops::get_object_tagging},
    {"PutObjectTagging", "PUT", O, "tagging", {}, {},
     "s3:PutObjectTagging", "s3:PutObjectVersionTagging", ops::put_object_tagging},
    {"DeleteObjectTagging", "DELETE", O, "tagging", {}, {},
     "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging", ops::delete_object_tagging},
    {"CreateMultipartUpload", "POST", O, "uploads", {}, {},
     "s3:PutObject", {}, ops::create_multipart_upload},
    {"GetObjectAcl", "GET", O, "acl", {}, {}, "s3:GetObjectAcl", "s3:GetObjectVersionAcl"},
    {"PutObjectAcl", "PUT", O, "acl", {}, {}, "s3:PutObjectAcl", "s3:PutObjectVersionAcl"},
    {"UpdateObjectEncryption", "PUT", O, "encryption", {}, {}, "s3:UpdateObjectEncryption"},
    {"GetObjectLegalHold", "GET", O, "legal-hold", {}, {}, "s3:GetObjectLegalHold"},
    {"PutObjectLegalHold", "PUT", O, "legal-hold", {}, {}, "s3:PutObjectLegalHold"},
    {"RenameObject", "PUT", O, "renameObject", {}, {}, "s3express:RenameObject"},
    {"RestoreObject", "POST", O, "restore", {}, {}, "s3:RestoreObject"},
    {"GetObjectRetention", "GET", O, "retention", {}, {}, "s3:GetObjectRetention"},
    {"PutObjectRetention", "PUT", O, "retention", {}, {}, "s3:PutObjectRetention"},
    {"SelectObjectContent", "POST", O, "select", {}, {}, "s3:GetObject"},
    {"GetObjectTorrent", "GET", O, "torrent", {}, {}, "s3:GetObjectTorrent"},
    // Objects: uploads by their id; a part without an upload is refused by the operation
    {"ListParts", "GET", O, "uploadId", {}, {}, "s3:ListMultipartUploadParts", {}, ops::list_parts},
    {"UploadPartCopy", "PUT", O, "uploadId", {}, "x-amz-copy-source",
     "s3:PutObject", {}, ops::upload_part_copy},
    {"UploadPartCopy", "PUT", O, "partNumber", {}, "x-amz-copy-source",
     "s3:PutObject", {}, ops::upload_part_copy},
    {"UploadPart", "PUT", O, "uploadId", {}, {}, "s3:PutObject", {}, ops::upload_part},
    {"UploadPart", "PUT", O, "partNumber", {}, {}, "s3:PutObject", {}, ops::upload_part},
    {"CompleteMultipartUpload", "POST", O, "uploadId", {}, {},
     "s3:PutObject", {}, ops::complete_multipart_upload},
    {"AbortMultipartUpload", "DELETE", O, "uploadId", {}, {},
     "s3:AbortMultipartUpload", {}, ops::abort_multipart_upload},
    // Objects
    {"CopyObject", "PUT", O, {}, {}, "x-amz-copy-source", "s3:PutObject", {}, ops::copy_object},
    {"PutObject", "PUT", O, {}, {}, {}, "s3:PutObject", {}, ops::put_object},
    {"GetObject", "GET", O, {}, {}, {}, "s3:GetObject", "s3:GetObjectVersion", ops::get_object},
    {"HeadObject", "HEAD", O, {}, {}, {}, "s3:GetObject", "s3:GetObjectVersion", ops::head_object},
    {"DeleteObject", "DELETE", O, {}, {}, {},
     "s3:DeleteObject", "s3:DeleteObjectVersion", ops::delete_object},
    {"PreflightObject", "OPTIONS", O, {}, {}, {}, "s3:GetBucketCORS"},
};
// clang-format on

// Query names that choose among rows but are parameters, not subresources.
bool is_parameter(std::string_view name) {
  return name == "uploadId" || name == "partNumber";
}

bool has_pair(const Query& query, std::string_view with) {
  const auto equals = with.find('=');
  if (equals == std::string_view::npos) return query.has(with);
  return query.get(with.substr(0, equals)) == with.substr(equals + 1);
}

bool matches(const Operation& row, std::string_view method, Level level, const Query& query,
             const net::Headers& headers) {
  return row.level == level && row.method == method &&
         (row.subresource.empty() || query.has(row.subresource)) &&
         (row.with.empty() || has_pair(query, row.with)) &&
         (row.header.empty() || headers.get(row.header).has_value());
}

std::string_view word(Level level) {
  switch (level) {
    case Level::service:
      return "the service";
    case Level::bucket:
      return "a bucket";
    case Level::object:
      return "a key";
  }
  return {};
}

// What a subresource name is to a request: none, of another level, of this one with another method,
// or right.
enum class Known : unsigned char { no, elsewhere, other_method, yes };

Known known(std::string_view name, std::string_view method, Level level) {
  Known best = Known::no;
  if (name.empty() || is_parameter(name)) return best;
  for (const Operation& row : kOperations) {
    if (row.subresource != name) continue;
    const Known here = row.level != level     ? Known::elsewhere
                       : row.method != method ? Known::other_method
                                              : Known::yes;
    best = std::max(best, here);
  }
  return best;
}

// A request with a subresource must never be taken for one without: DELETE ?lifecycle of a key is
// not DeleteObject.
Result<void> check_subresources(std::string_view method, Level level, const Query& query) {
  std::string_view first;
  for (const auto& [name, value] : query.pairs()) {
    const Known what = known(name, method, level);
    if (what == Known::no) continue;
    if (what == Known::elsewhere) {
      return argument_error("There is no such thing as the ?" + name + " sub-resource for " +
                                std::string(word(level)),
                            "ResourceType", name);
    }
    if (what == Known::other_method) {
      return Error{Code::method_not_allowed,
                   "The subresource has no such method.",
                   {{"ResourceType", name}}};
    }
    if (!first.empty() && first != name) {
      return argument_error(
          "Conflicting query string parameters: " + std::string(first) + ", " + name,
          "ResourceType", name);
    }
    first = name;
  }
  return {};
}

}  // namespace

std::span<const Operation> operations() {
  return kOperations;
}

Result<const Operation*> route(std::string_view method, Level level, const Query& query,
                               const net::Headers& headers) {
  CAIRN_TRY(check_subresources(method, level, query));
  for (const Operation& row : kOperations) {
    if (matches(row, method, level, query, headers)) return &row;
  }
  return Error{Code::method_not_allowed, "The resource has no such method."};
}

}  // namespace cairn::s3
