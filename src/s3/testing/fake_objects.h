// An object layer in memory: enough of S3's meaning to test the wire protocol, nothing durable, one
// thread. Answers are deterministic: versions, upload ids and times follow from the order of calls.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "object/object.h"

namespace cairn::s3::testing {

class FakeObjects final : public object::Objects {
 public:
  template <class T>
  using Answer = io::Task<Result<T>>;

  Answer<object::BucketInfo> create_bucket(model::BucketName name, std::string region,
                                           object::Tags tags) override;
  Answer<void> delete_bucket(model::BucketName name) override;
  Result<object::BucketInfo> bucket(const model::BucketName& name) const override;
  Answer<object::ListBucketsPage> list_buckets(object::ListBucketsRequest request) override;
  Answer<void> set_versioning(model::BucketName name, object::Versioning versioning) override;
  Answer<void> set_bucket_tags(model::BucketName name, object::Tags tags) override;

  Answer<object::PutResult> put(object::PutRequest request) override;
  Answer<object::GetResult> get(object::GetRequest request) override;
  Answer<object::DeleteResult> remove(object::DeleteRequest request) override;
  Answer<object::CopyResult> copy(object::CopyRequest request) override;
  Answer<object::ListPage> list(object::ListRequest request) override;
  Answer<object::ListVersionsPage> list_versions(object::ListVersionsRequest request) override;
  Answer<object::ObjectInfo> set_tags(model::BucketName bucket, model::ObjectKey key,
                                      std::optional<model::VersionId> version,
                                      object::Tags tags) override;

  Answer<object::UploadInfo> create_upload(object::CreateUploadRequest request) override;
  Answer<object::PartInfo> upload_part(object::PartRequest request) override;
  Answer<object::CopyPartResult> copy_part(object::CopyPartRequest request) override;
  Answer<object::ListPartsPage> list_parts(object::ListPartsRequest request) override;
  Answer<object::ListUploadsPage> list_uploads(object::ListUploadsRequest request) override;
  Answer<object::PutResult> complete_upload(object::CompleteRequest request) override;
  Answer<void> abort_upload(model::BucketName bucket, model::ObjectKey key,
                            model::UploadId upload) override;
  Answer<std::vector<object::PartInfo>> object_parts(
      model::BucketName bucket, model::ObjectKey key,
      std::optional<model::VersionId> version) override;

  Answer<object::SweepStep> sweep(std::string cursor) override;

  // The next call of any kind fails with this.
  void fail_next(Error error) { failure_ = std::move(error); }
  // The meta of the last put, copy or create_upload, as the wire layer gave it.
  const object::Meta& last_meta() const { return last_meta_; }

 private:
  struct Version {
    object::ObjectInfo info{};
    std::string data{};
    std::vector<object::PartInfo> parts{};
  };
  struct Upload {
    std::string bucket{};
    object::UploadInfo info{};
    std::map<std::uint32_t, std::pair<object::PartInfo, std::string>> parts{};
  };
  struct Bucket {
    object::BucketInfo info{};
    std::map<std::string, std::vector<Version>> keys{};  // newest first
  };

  Result<void> enter();
  Result<Bucket*> find(const model::BucketName& name);
  Result<Version*> find(const model::BucketName& bucket, const model::ObjectKey& key,
                        std::optional<model::VersionId> version);
  Result<Upload*> find(const model::BucketName& bucket, const model::ObjectKey& key,
                       model::UploadId upload);
  // Puts `version` on top, as the versioning of the bucket asks.
  Version& install(Bucket& bucket, const std::string& key, Version version);
  std::int64_t tick() { return now_ms_ += 1000; }

  std::map<std::string, Bucket> buckets_;
  std::map<std::string, Upload> uploads_;  // by id, hex
  std::optional<Error> failure_;
  object::Meta last_meta_;
  std::int64_t now_ms_ = 1'700'000'000'000;
  std::uint64_t sequence_ = 0;
};

}  // namespace cairn::s3::testing
