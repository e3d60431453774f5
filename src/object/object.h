// What S3 means, without its wire format: buckets, objects and their versions, multipart uploads,
// tags.
//
// One instance per process, shared by all reactors; every call may be made from any reactor and
// resumes there. Durability: a call that changes something returns success only when the change is
// durable on its write quorum; an error of code unavailable/timeout/undecided means the outcome is
// unknown. All other errors: nothing was done. AWS pages:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "crypto/digest.h"
#include "io/bytes.h"
#include "io/task.h"
#include "model/ids.h"
#include "object/meta.h"

namespace cairn::object {

using model::BucketName;
using model::ObjectKey;
using model::UploadId;
using model::VersionId;

enum class Versioning : std::uint8_t { unversioned, enabled, suspended };

// ---- buckets

struct BucketInfo {
  std::string name{};
  model::BucketId id{};
  std::int64_t created_ms = 0;
  std::string region{};
  Versioning versioning = Versioning::unversioned;
  Tags tags{};
  bool deleting = false;
};

struct ListBucketsRequest {
  std::string prefix{}, after{};  // names after `after`
  std::size_t max_buckets = 10000;
};
struct ListBucketsPage {
  std::vector<BucketInfo> buckets{};
  bool truncated = false;
};

// ---- objects

// Conditions of reads and copy sources (RFC 9110 section 13; ETags without quotes, lists for
// *-Match).
struct ReadConditions {
  std::vector<std::string> if_match{}, if_none_match{};  // "*" allowed
  std::optional<std::int64_t> if_modified_since_ms{}, if_unmodified_since_ms{};
};
// Conditions of writes, decided atomically with them.
struct WriteConditions {
  std::optional<std::string> if_match{};       // an ETag or "*"
  std::optional<std::string> if_none_match{};  // "*" or an ETag
  std::optional<std::int64_t> if_match_modified_ms{};
  std::optional<std::uint64_t> if_match_size{};
};

struct ObjectInfo {
  std::string key{};
  VersionId version{};
  bool bucket_versioned = false;  // the bucket has (or had) versioning: version ids are shown
  bool delete_marker = false;
  bool is_latest = true;
  std::uint64_t size = 0;
  std::int64_t modified_ms = 0;
  std::string etag{};
  std::string storage_class = "STANDARD";
  std::uint32_t part_count = 0;  // 0: not multipart
  Meta meta{};
};

// A checksum the body must match: stated up front, or known only after the body (a trailer).
struct ExpectedChecksum {
  crypto::Checksum algorithm{};
  std::optional<std::string> value{};                   // raw bytes, when up front
  std::function<Result<std::string>()> from_trailer{};  // raw bytes, called after the body ended
};

struct PutRequest {
  BucketName bucket;
  ObjectKey key;
  Meta meta{};  // headers, user metadata, tags
  std::string storage_class{};
  io::ByteSource* body = nullptr;  // outlives the call
  std::optional<std::uint64_t>
      size{};  // of the decoded body, when known: a different length is incomplete_body
  std::optional<std::string> content_md5{};    // raw; bad_digest
  std::optional<ExpectedChecksum> checksum{};  // none: CRC64NVME is computed and kept, as AWS does
  WriteConditions conditions{};
};
struct PutResult {
  std::string etag{};
  VersionId version{};
  bool show_version = false;  // the bucket's versioning is enabled
  std::uint64_t size = 0;
  std::optional<ObjectChecksum> checksum{};
};

// A range as asked for: bytes=first-last, first-, -suffix.
struct ByteRange {
  std::optional<std::uint64_t> first{}, last{};  // only last set: the last `last` bytes
};

struct GetRequest {
  BucketName bucket;
  ObjectKey key;
  std::optional<VersionId> version{};
  std::optional<ByteRange> range{};
  std::optional<std::uint32_t> part_number{};  // 1..10000; excludes range
  ReadConditions conditions{};
  bool want_body = true;  // false: HEAD
};
struct GetResult {
  ObjectInfo info{};
  // What of the object is sent; the whole object when neither range nor part was asked for.
  std::uint64_t offset = 0, length = 0;
  bool partial = false;                        // 206 with Content-Range
  std::unique_ptr<io::SliceSource> body{};     // null for HEAD and empty ranges
  std::optional<std::string> part_checksum{};  // raw; of the part asked for
};
// Errors carry the details a response needs: no_such_key and method_not_allowed on a delete marker
// have details
// {"DeleteMarker","true"} and {"VersionId",...}; not_modified and precondition_failed have {"ETag"}
// {"LastModifiedMs"}; invalid_range has {"ActualObjectSize"}.

struct DeleteRequest {
  BucketName bucket;
  ObjectKey key;
  std::optional<VersionId> version{};
  WriteConditions conditions{};
};
struct DeleteResult {
  bool delete_marker = false;  // one was created, or the version removed was one
  std::optional<VersionId>
      version{};  // of the marker created or the version removed; none in unversioned buckets
};

struct CopyRequest {
  BucketName source_bucket;
  ObjectKey source_key;
  std::optional<VersionId> source_version{};
  ReadConditions source_conditions{};  // failures are precondition_failed
  BucketName bucket;
  ObjectKey key;
  bool replace_metadata = false;  // x-amz-metadata-directive: REPLACE
  bool replace_tags = false;      // x-amz-tagging-directive: REPLACE
  Meta meta{};                    // used where replaced
  std::string storage_class{};
  std::optional<crypto::Checksum> checksum_algorithm{};
  WriteConditions conditions{};
};
struct CopyResult {
  std::string etag{};
  std::int64_t modified_ms = 0;
  VersionId version{};
  bool show_version = false;
  std::optional<VersionId> source_version{};  // when the source bucket has versions
  std::optional<ObjectChecksum> checksum{};
};

// ---- listings

struct ListRequest {
  BucketName bucket;
  std::string prefix{}, delimiter{};
  std::string after{};  // keys and common prefixes strictly after it (marker, start-after, token)
  std::size_t max_keys = 1000;  // keys and common prefixes together
};
// A line of a listing. Views point into `held` of its page.
struct ListedObject {
  std::string_view key{};
  VersionId version{};
  bool delete_marker = false;
  bool is_latest = true;
  std::uint64_t size = 0;
  std::int64_t modified_ms = 0;
  std::string_view etag{};
  std::string_view storage_class{};  // empty: STANDARD
  ListedMeta meta{};
};
struct ListPage {
  std::vector<ListedObject> objects{};
  std::shared_ptr<const void> held{};
  std::vector<std::string> common_prefixes{};
  bool truncated = false;
  std::string next{};  // `after` of the next page: the last key or common prefix returned
};
struct ListVersionsRequest {
  BucketName bucket;
  std::string prefix{}, delimiter{};
  std::string key_marker{};
  std::optional<VersionId>
      version_marker{};  // within key_marker; none: after all versions of key_marker
  std::size_t max_keys = 1000;
};
struct ListVersionsPage {
  std::vector<ListedObject> versions{};  // delete markers among them, in order
  std::shared_ptr<const void> held{};
  std::vector<std::string> common_prefixes{};
  bool truncated = false;
  std::string next_key{};
  std::optional<VersionId> next_version{};
};

// ---- multipart

struct CreateUploadRequest {
  BucketName bucket;
  ObjectKey key;
  Meta meta{};  // upload_algorithm and upload_type as asked for
  std::string storage_class{};
};
struct PartRequest {
  BucketName bucket;
  ObjectKey key;
  UploadId upload{};
  std::uint32_t number = 0;  // 1..10000
  io::ByteSource* body = nullptr;
  std::optional<std::uint64_t> size{};
  std::optional<std::string> content_md5{};
  std::optional<ExpectedChecksum> checksum{};
};
struct CopyPartRequest {
  BucketName source_bucket;
  ObjectKey source_key;
  std::optional<VersionId> source_version{};
  ReadConditions source_conditions{};
  std::optional<ByteRange>
      source_range{};  // both ends given, within the source, else invalid_range/invalid_argument
  BucketName bucket;
  ObjectKey key;
  UploadId upload{};
  std::uint32_t number = 0;
};
struct PartInfo {
  std::uint32_t number = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ms = 0;
  std::string etag{};
  std::optional<ObjectChecksum> checksum{};
};
struct CopyPartResult {
  PartInfo part{};
  std::optional<VersionId> source_version{};
};
struct CompletePart {
  std::uint32_t number = 0;
  std::string etag{};                                                  // without quotes
  std::optional<std::pair<crypto::Checksum, std::string>> checksum{};  // raw
};
struct CompleteRequest {
  BucketName bucket;
  ObjectKey key;
  UploadId upload{};
  std::vector<CompletePart> parts{};
  std::optional<std::pair<crypto::Checksum, std::string>>
      checksum{};  // of the whole object; composites without "-N"
  std::optional<ChecksumType> checksum_type{};
  std::optional<std::uint64_t> object_size{};  // x-amz-mp-object-size
  WriteConditions conditions{};
};
struct UploadInfo {
  std::string key{};
  UploadId upload{};
  std::int64_t initiated_ms = 0;
  std::string storage_class{};
  Meta meta{};
};
struct ListPartsRequest {
  BucketName bucket;
  ObjectKey key;
  UploadId upload{};
  std::uint32_t after = 0;
  std::size_t max_parts = 1000;
};
struct ListPartsPage {
  UploadInfo upload{};
  std::vector<PartInfo> parts{};
  bool truncated = false;
};
struct ListUploadsRequest {
  BucketName bucket;
  std::string prefix{}, delimiter{};
  std::string key_marker{};
  std::optional<UploadId> upload_marker{};  // within key_marker
  std::size_t max_uploads = 1000;
};
struct ListUploadsPage {
  std::vector<UploadInfo> uploads{};
  std::vector<std::string> common_prefixes{};
  bool truncated = false;
  std::string next_key{};
  std::optional<UploadId> next_upload{};
};

// One bounded step of sweep().
struct SweepStep {
  std::string next{};  // where the next step begins; empty: everything was looked at
  std::size_t removed = 0;
};

// Parts: at least this many bytes each but the last (AWS), and at most kMaxParts of them.
inline constexpr std::uint64_t kMinPartBytes = 5ull << 20;
inline constexpr std::uint64_t kMaxPutBytes = 5ull << 30;
inline constexpr std::uint64_t kMaxObjectBytes = 5ull << 40;
inline constexpr std::uint32_t kMaxParts = 10000;

class Objects {
 public:
  virtual ~Objects() = default;

  // buckets
  virtual io::Task<Result<BucketInfo>> create_bucket(BucketName name, std::string region,
                                                     Tags tags) = 0;
  virtual io::Task<Result<void>> delete_bucket(BucketName name) = 0;
  virtual Result<BucketInfo> bucket(const BucketName& name) const = 0;  // from the cache, at once
  virtual io::Task<Result<ListBucketsPage>> list_buckets(ListBucketsRequest request) = 0;
  virtual io::Task<Result<void>> set_versioning(BucketName name,
                                                Versioning versioning) = 0;  // enabled or suspended
  virtual io::Task<Result<void>> set_bucket_tags(BucketName name, Tags tags) = 0;  // empty: remove

  // objects
  virtual io::Task<Result<PutResult>> put(PutRequest request) = 0;
  virtual io::Task<Result<GetResult>> get(GetRequest request) = 0;
  virtual io::Task<Result<DeleteResult>> remove(DeleteRequest request) = 0;
  virtual io::Task<Result<CopyResult>> copy(CopyRequest request) = 0;
  virtual io::Task<Result<ListPage>> list(ListRequest request) = 0;
  virtual io::Task<Result<ListVersionsPage>> list_versions(ListVersionsRequest request) = 0;
  // Replaces the tags of a version; the version written to is returned. Empty: remove.
  virtual io::Task<Result<ObjectInfo>> set_tags(BucketName bucket, ObjectKey key,
                                                std::optional<VersionId> version, Tags tags) = 0;

  // multipart
  virtual io::Task<Result<UploadInfo>> create_upload(CreateUploadRequest request) = 0;
  virtual io::Task<Result<PartInfo>> upload_part(PartRequest request) = 0;
  virtual io::Task<Result<CopyPartResult>> copy_part(CopyPartRequest request) = 0;
  virtual io::Task<Result<ListPartsPage>> list_parts(ListPartsRequest request) = 0;
  virtual io::Task<Result<ListUploadsPage>> list_uploads(ListUploadsRequest request) = 0;
  virtual io::Task<Result<PutResult>> complete_upload(CompleteRequest request) = 0;
  virtual io::Task<Result<void>> abort_upload(BucketName bucket, ObjectKey key,
                                              UploadId upload) = 0;
  // Parts of a completed object, for GetObjectAttributes: `after` < number, at most `max`.
  virtual io::Task<Result<std::vector<PartInfo>>> object_parts(
      BucketName bucket, ObjectKey key, std::optional<VersionId> version) = 0;

  // Removes what interrupted operations left: uploads of deleted buckets, and parts whose upload is
  // gone. For a service in the background; `cursor` is empty at first, then `next` of the step
  // before.
  virtual io::Task<Result<SweepStep>> sweep(std::string cursor) = 0;

  // Ends what still runs behind answered requests (parts of finished uploads being removed); what
  // is left of it is swept after the next start. Called once, before the store stops; nothing else
  // is called afterwards.
  virtual io::Task<void> stop() { co_return; }
};

}  // namespace cairn::object
