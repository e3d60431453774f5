// The one implementation of Objects. Stateless but for the buckets: every operation is a file of
// its own.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "io/sync.h"
#include "object/body.h"
#include "object/buckets.h"
#include "object/make.h"
#include "object/object.h"
#include "store/store.h"

namespace cairn::object {

class Engine final : public Objects {
 public:
  Engine(store::Store& store, control::Store& control, io::Clock& clock, io::Random& random,
         Options options);
  io::Task<Result<void>> open() { return buckets_.load(); }

  io::Task<Result<BucketInfo>> create_bucket(BucketName name, std::string region,
                                             Tags tags) override;
  io::Task<Result<void>> delete_bucket(BucketName name) override;
  Result<BucketInfo> bucket(const BucketName& name) const override;
  io::Task<Result<ListBucketsPage>> list_buckets(ListBucketsRequest request) override;
  io::Task<Result<void>> set_versioning(BucketName name, Versioning versioning) override;
  io::Task<Result<void>> set_bucket_tags(BucketName name, Tags tags) override;

  io::Task<Result<PutResult>> put(PutRequest request) override;
  io::Task<Result<GetResult>> get(GetRequest request) override;
  io::Task<Result<DeleteResult>> remove(DeleteRequest request) override;
  io::Task<Result<CopyResult>> copy(CopyRequest request) override;
  io::Task<Result<ListPage>> list(ListRequest request) override;
  io::Task<Result<ListVersionsPage>> list_versions(ListVersionsRequest request) override;
  io::Task<Result<ObjectInfo>> set_tags(BucketName bucket, ObjectKey key,
                                        std::optional<VersionId> version, Tags tags) override;

  io::Task<Result<UploadInfo>> create_upload(CreateUploadRequest request) override;
  io::Task<Result<PartInfo>> upload_part(PartRequest request) override;
  io::Task<Result<CopyPartResult>> copy_part(CopyPartRequest request) override;
  io::Task<Result<ListPartsPage>> list_parts(ListPartsRequest request) override;
  io::Task<Result<ListUploadsPage>> list_uploads(ListUploadsRequest request) override;
  io::Task<Result<PutResult>> complete_upload(CompleteRequest request) override;
  io::Task<Result<void>> abort_upload(BucketName bucket, ObjectKey key, UploadId upload) override;
  io::Task<Result<std::vector<PartInfo>>> object_parts(BucketName bucket, ObjectKey key,
                                                       std::optional<VersionId> version) override;
  io::Task<Result<SweepStep>> sweep(std::string cursor) override;
  io::Task<void> stop() override;

 private:
  // -- versions (versions.cpp)
  model::ValueId new_value();
  // The version a request names, delete markers included. no_such_key, no_such_version.
  io::Task<Result<store::Found>> find_version(model::UnitKey unit, std::optional<VersionId> version,
                                              bool want_parts, bool want_inline);
  // As above, but a delete marker is the error that reading it is.
  io::Task<Result<store::Found>> find_readable(BucketView view, model::UnitKey unit,
                                               std::optional<VersionId> version, bool want_parts,
                                               bool want_inline);
  // The latest version if it is readable: for conditions. An error: it could not be found out.
  io::Task<Result<std::optional<model::Record>>> find_current(model::UnitKey unit);
  // Fails where the conditions of a write do not hold now. Only advice: the commit decides.
  io::Task<Result<void>> advise(model::UnitKey unit, WriteConditions conditions);
  // Commits inside the bucket's gate; a version of an object gets the bucket's versioning of that
  // moment.
  io::Task<Result<store::Committed>> commit(const Buckets::Entered& entered, store::Commit commit,
                                            const WriteConditions& conditions);
  // Why a commit's precondition failed: no_such_key or precondition_failed.
  io::Task<Error> explain(model::UnitKey unit, WriteConditions conditions);

  // -- sources of copies (source.cpp)
  struct SourceRequest {
    BucketName bucket;
    ObjectKey key;
    std::optional<VersionId> version{};
    ReadConditions conditions{};
    std::optional<ByteRange> range{};  // within the source, else invalid_argument
  };
  struct Source {
    BucketView view;
    model::Record record{};
    Meta meta{};
    std::uint64_t length = 0;                 // of what is copied
    std::unique_ptr<io::SliceSource> body{};  // null: nothing to copy
  };
  // A version opened for copying. `may_copy` refuses a source before it is opened.
  using MayCopy = std::function<Result<void>(const model::Record&)>;
  io::Task<Result<Source>> open_source(SourceRequest request, MayCopy may_copy);

  // -- multipart (uploads.cpp)
  struct Upload {
    store::Found found;
    Meta meta;
    crypto::Checksum algorithm() const {
      return meta.upload_algorithm.value_or(crypto::Checksum::crc64nvme);
    }
    ChecksumType type() const {
      return meta.upload_algorithm ? meta.upload_type : ChecksumType::full_object;
    }
  };
  // no_such_upload.
  io::Task<Result<Upload>> find_upload(model::BucketId bucket, const ObjectKey& key,
                                       UploadId upload);
  struct NewPart {
    BucketName bucket;
    model::UnitKey unit;
    std::uint32_t number = 0;
    model::ValueId value{};
    store::PutVersion put{};
    store::Guard upload;  // the upload must still stand
  };
  io::Task<Result<PartInfo>> commit_part(NewPart part, BucketView view, UploadId upload,
                                         StagedBody body);
  struct StoredPart {
    std::uint32_t number = 0;
    model::Record record{};
    std::optional<ObjectChecksum> checksum{};
    PartInfo info() const;
  };
  // Parts with numbers in [first, kMaxParts], in order, at most `limit`.
  io::Task<Result<std::vector<StoredPart>>> stored_parts(model::BucketId bucket, std::string key,
                                                         UploadId upload, std::uint32_t first,
                                                         std::size_t limit);
  // All parts of an upload that is gone, behind the answered request and best effort: what stays is
  // swept.
  void remove_parts(model::BucketId bucket, std::string key, UploadId upload);
  static io::Task<void> run_removal(Engine* self, io::Gate::Pass pass, model::BucketId bucket,
                                    std::string key, UploadId upload);
  // The number that went; ends at the first that does not.
  io::Task<std::size_t> remove_units(std::vector<model::UnitKey> units);
  // The version that completing `upload` wrote earlier, if it is still there.
  io::Task<Result<std::optional<PutResult>>> find_completed(BucketView view, model::UnitKey unit,
                                                            UploadId upload);
  // One try at completing; conflict: the upload changed or went meanwhile.
  io::Task<Result<PutResult>> try_complete(CompleteRequest& request, BucketView view,
                                           const Upload& upload);

  store::Store& store_;
  io::Clock& clock_;
  io::Random& random_;
  const Options options_;
  Buckets buckets_;
  HashStages hashing_;
  std::atomic<bool> stopping_{false};
  std::atomic<unsigned> removals_{0};
  io::Gate removing_;  // of parts, behind answered requests
};

// -- values shared by the operations (versions.cpp)
Error no_such_key(const std::string& key);
Error no_such_version(const std::string& key, const VersionId& version);
Error no_such_upload(const UploadId& upload);
ObjectInfo make_info(const BucketView& view, std::string key, const model::Record& record,
                     Meta meta, bool is_latest);
// A line of a listing, of views.
Result<ListedObject> listed(std::string_view key, const drive::UnitPage::Row& row, bool is_latest);

}  // namespace cairn::object
