#include "s3/testing/fake_objects.h"

#include <algorithm>
#include <array>

namespace cairn::s3::testing {

using namespace object;  // NOLINT: this file is about nothing else
using model::BucketName;
using model::ObjectKey;
using model::UploadId;
using model::VersionId;

namespace {

std::string hex_md5(std::string_view data) {
  const auto digest = crypto::md5(io::as_bytes(data));
  return crypto::to_hex(std::as_bytes(std::span(digest)));
}

std::string checksum_of(crypto::Checksum algorithm, std::string_view data) {
  const auto hasher = crypto::make_checksum(algorithm);
  hasher->update(io::as_bytes(data));
  return hasher->finish();
}

struct Received {
  std::string data{};
  ObjectChecksum checksum{};
};

// Reads a body and verifies it as the real layer does.
io::Task<Result<Received>> receive(io::ByteSource* body, std::optional<std::uint64_t> size,
                                   std::optional<std::string> md5,
                                   std::optional<ExpectedChecksum> expected) {
  Received received;
  std::array<std::byte, 1000> piece;
  for (;;) {
    auto got = co_await body->read(piece);
    if (!got) co_return std::move(got.error());
    if (*got == 0) break;
    received.data.append(reinterpret_cast<const char*>(piece.data()), *got);
  }
  if (size && *size != received.data.size()) co_return Error{Code::incomplete_body, "short"};
  if (md5) {
    const auto digest = crypto::md5(io::as_bytes(received.data));
    if (!std::ranges::equal(digest, *md5, {}, {},
                            [](char c) { return static_cast<std::uint8_t>(c); })) {
      co_return Error{Code::bad_digest,
                      "The Content-MD5 you specified did not match what we received."};
    }
  }
  received.checksum.algorithm = expected ? expected->algorithm : crypto::Checksum::crc64nvme;
  received.checksum.value = checksum_of(received.checksum.algorithm, received.data);
  if (expected) {
    std::string value;
    if (expected->value) {
      value = *expected->value;
    } else {
      CAIRN_CO_ASSIGN(value, expected->from_trailer());
    }
    if (value != received.checksum.value) {
      co_return Error{Code::bad_digest, "The checksum did not match the calculated checksum."};
    }
  }
  co_return received;
}

class TextSource final : public io::SliceSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  io::Task<Result<io::Slices>> next() override {
    io::Slices out;
    if (!text_.empty()) out.push_back(io::Slice::of(std::exchange(text_, {})));
    co_return out;
  }

 private:
  std::string text_;
};

bool among(const std::vector<std::string>& etags, const std::string& etag) {
  return std::ranges::any_of(etags, [&](const std::string& e) { return e == "*" || e == etag; });
}

Result<void> check(const ReadConditions& c, const ObjectInfo& info) {
  const auto details = std::vector<std::pair<std::string, std::string>>{
      {"ETag", info.etag}, {"LastModifiedMs", std::to_string(info.modified_ms)}};
  if (!c.if_match.empty() && !among(c.if_match, info.etag))
    return Error{Code::precondition_failed, "", details};
  if (c.if_match.empty() && c.if_unmodified_since_ms &&
      info.modified_ms > *c.if_unmodified_since_ms) {
    return Error{Code::precondition_failed, "", details};
  }
  if (!c.if_none_match.empty()) {
    if (among(c.if_none_match, info.etag)) return Error{Code::not_modified, "", details};
  } else if (c.if_modified_since_ms && info.modified_ms <= *c.if_modified_since_ms) {
    return Error{Code::not_modified, "", details};
  }
  return {};
}

Result<void> check(const WriteConditions& c, const ObjectInfo* current) {
  if (c.if_match && current == nullptr) return Error{Code::no_such_key, ""};
  if (c.if_match && *c.if_match != "*" && *c.if_match != current->etag)
    return Error{Code::precondition_failed, ""};
  if (c.if_match_size && (!current || current->size != *c.if_match_size))
    return Error{Code::precondition_failed, ""};
  if (c.if_none_match && current &&
      (*c.if_none_match == "*" || *c.if_none_match == current->etag)) {
    return Error{Code::precondition_failed, ""};
  }
  return {};
}

// The common prefix that `key` falls under; empty: none.
std::string group_of(const std::string& key, const std::string& prefix,
                     const std::string& delimiter) {
  if (delimiter.empty()) return {};
  const auto at = key.find(delimiter, prefix.size());
  return at == std::string::npos ? std::string{} : key.substr(0, at + delimiter.size());
}

}  // namespace

Result<void> FakeObjects::enter() {
  if (!failure_) return {};
  Error error = std::move(*failure_);
  failure_.reset();
  return error;
}

Result<FakeObjects::Bucket*> FakeObjects::find(const BucketName& name) {
  CAIRN_TRY(enter());
  const auto it = buckets_.find(name.text());
  if (it == buckets_.end()) return Error{Code::no_such_bucket, ""};
  return &it->second;
}

Result<FakeObjects::Version*> FakeObjects::find(const BucketName& bucket, const ObjectKey& key,
                                                std::optional<VersionId> version) {
  CAIRN_ASSIGN(Bucket * b, find(bucket));
  const auto it = b->keys.find(key.text());
  if (it == b->keys.end()) return Error{version ? Code::no_such_version : Code::no_such_key, ""};
  for (Version& v : it->second) {
    if (version && v.info.version != *version) continue;
    if (v.info.delete_marker) {
      return Error{version ? Code::method_not_allowed : Code::no_such_key,
                   "",
                   {{"DeleteMarker", "true"},
                    {"VersionId", v.info.version.text()},
                    {"LastModifiedMs", std::to_string(v.info.modified_ms)}}};
    }
    return &v;
  }
  return Error{Code::no_such_version, ""};
}

Result<FakeObjects::Upload*> FakeObjects::find(const BucketName& bucket, const ObjectKey& key,
                                               UploadId upload) {
  CAIRN_TRY(find(bucket));
  const auto it = uploads_.find(upload.hex());
  if (it == uploads_.end() || it->second.bucket != bucket.text() ||
      it->second.info.key != key.text()) {
    return Error{Code::no_such_upload, ""};
  }
  return &it->second;
}

FakeObjects::Version& FakeObjects::install(Bucket& bucket, const std::string& key,
                                           Version version) {
  auto& versions = bucket.keys[key];
  version.info.key = key;
  version.info.bucket_versioned = bucket.info.versioning != Versioning::unversioned;
  if (bucket.info.versioning == Versioning::enabled) {
    version.info.version = VersionId::of({1, ++sequence_});
  } else {
    std::erase_if(versions, [](const Version& v) { return v.info.version.null; });
  }
  for (Version& v : versions) v.info.is_latest = false;
  versions.insert(versions.begin(), std::move(version));
  return versions.front();
}

FakeObjects::Answer<BucketInfo> FakeObjects::create_bucket(BucketName name, std::string region,
                                                           Tags tags) {
  CAIRN_CO_TRY(enter());
  if (buckets_.contains(name.text())) co_return Error{Code::bucket_already_owned_by_you, ""};
  Bucket bucket{
      .info = {.name = name.text(), .created_ms = tick(), .region = region, .tags = tags}};
  co_return buckets_.emplace(name.text(), std::move(bucket)).first->second.info;
}

FakeObjects::Answer<void> FakeObjects::delete_bucket(BucketName name) {
  CAIRN_CO_ASSIGN(Bucket * bucket, find(name));
  if (!bucket->keys.empty()) co_return Error{Code::bucket_not_empty, ""};
  buckets_.erase(name.text());
  co_return Result<void>{};
}

Result<BucketInfo> FakeObjects::bucket(const BucketName& name) const {
  const auto it = buckets_.find(name.text());
  if (it == buckets_.end()) return Error{Code::no_such_bucket, ""};
  return it->second.info;
}

FakeObjects::Answer<ListBucketsPage> FakeObjects::list_buckets(ListBucketsRequest request) {
  CAIRN_CO_TRY(enter());
  ListBucketsPage page;
  for (const auto& [name, bucket] : buckets_) {
    if (name <= request.after || !name.starts_with(request.prefix)) continue;
    if (page.buckets.size() == request.max_buckets) {
      page.truncated = true;
      break;
    }
    page.buckets.push_back(bucket.info);
  }
  co_return page;
}

FakeObjects::Answer<void> FakeObjects::set_versioning(BucketName name, Versioning versioning) {
  CAIRN_CO_ASSIGN(Bucket * bucket, find(name));
  bucket->info.versioning = versioning;
  co_return Result<void>{};
}

FakeObjects::Answer<void> FakeObjects::set_bucket_tags(BucketName name, Tags tags) {
  CAIRN_CO_ASSIGN(Bucket * bucket, find(name));
  bucket->info.tags = std::move(tags);
  co_return Result<void>{};
}

FakeObjects::Answer<PutResult> FakeObjects::put(PutRequest request) {
  CAIRN_CO_TRY(find(request.bucket));
  CAIRN_CO_ASSIGN(Received received, co_await receive(request.body, request.size,
                                                      request.content_md5, request.checksum));
  CAIRN_CO_ASSIGN(Bucket * bucket, find(request.bucket));
  auto current = find(request.bucket, request.key, std::nullopt);
  CAIRN_CO_TRY(check(request.conditions, current ? &(*current)->info : nullptr));
  last_meta_ = request.meta;
  Version version{.data = std::move(received.data)};
  version.info = {.size = version.data.size(),
                  .modified_ms = tick(),
                  .etag = hex_md5(version.data),
                  .meta = std::move(request.meta)};
  if (!request.storage_class.empty()) version.info.storage_class = request.storage_class;
  version.info.meta.checksum = received.checksum;
  const Version& done = install(*bucket, request.key.text(), std::move(version));
  co_return PutResult{.etag = done.info.etag,
                      .version = done.info.version,
                      .show_version = done.info.bucket_versioned && !done.info.version.null,
                      .size = done.info.size,
                      .checksum = done.info.meta.checksum};
}

FakeObjects::Answer<GetResult> FakeObjects::get(GetRequest request) {
  CAIRN_CO_ASSIGN(const Version* version, find(request.bucket, request.key, request.version));
  CAIRN_CO_TRY(check(request.conditions, version->info));
  GetResult result{.info = version->info, .length = version->info.size};
  const std::uint64_t size = version->info.size;
  if (request.range) {
    const auto [first, last] = *request.range;
    result.partial = true;
    result.offset = first ? *first : size - std::min(size, *last);
    const bool empty_suffix = !first && *last == 0;
    if (result.offset >= size || empty_suffix) {
      co_return Error{Code::invalid_range, "", {{"ActualObjectSize", std::to_string(size)}}};
    }
    result.length =
        (first && last ? std::min(*last + 1 == 0 ? size : *last + 1, size) : size) - result.offset;
  } else if (request.part_number) {
    if (*request.part_number > std::max<std::size_t>(1, version->parts.size())) {
      co_return Error{Code::invalid_part_number, ""};
    }
    result.partial = true;
    if (!version->parts.empty()) {
      for (const PartInfo& p : version->parts) {
        result.length = p.size;
        if (p.number == *request.part_number) {
          if (p.checksum) result.part_checksum = p.checksum->value;
          break;
        }
        result.offset += p.size;
      }
    }
  }
  if (request.want_body && result.length > 0) {
    result.body = std::make_unique<TextSource>(version->data.substr(result.offset, result.length));
  }
  co_return result;
}

FakeObjects::Answer<DeleteResult> FakeObjects::remove(DeleteRequest request) {
  CAIRN_CO_ASSIGN(Bucket * bucket, find(request.bucket));
  auto current = find(request.bucket, request.key, request.version);
  CAIRN_CO_TRY(check(request.conditions, current ? &(*current)->info : nullptr));
  DeleteResult result;
  const auto it = bucket->keys.find(request.key.text());
  if (request.version) {
    result.version = request.version;
    if (it == bucket->keys.end()) co_return result;
    std::erase_if(it->second, [&](const Version& v) {
      if (v.info.version != *request.version) return false;
      result.delete_marker = v.info.delete_marker;
      return true;
    });
    if (!it->second.empty()) it->second.front().info.is_latest = true;
  } else if (bucket->info.versioning == Versioning::unversioned) {
    if (it != bucket->keys.end()) bucket->keys.erase(it);
    co_return result;
  } else {
    Version marker;
    marker.info.delete_marker = true;
    marker.info.modified_ms = tick();
    result.version = install(*bucket, request.key.text(), std::move(marker)).info.version;
    result.delete_marker = true;
  }
  if (const auto left = bucket->keys.find(request.key.text());
      left != bucket->keys.end() && left->second.empty()) {
    bucket->keys.erase(left);
  }
  co_return result;
}

FakeObjects::Answer<CopyResult> FakeObjects::copy(CopyRequest request) {
  CAIRN_CO_ASSIGN(const Version* source,
                  find(request.source_bucket, request.source_key, request.source_version));
  if (!check(request.source_conditions, source->info))
    co_return Error{Code::precondition_failed, ""};
  CAIRN_CO_ASSIGN(Bucket * bucket, find(request.bucket));
  last_meta_ = request.meta;
  Version version{.data = source->data};
  version.info = {.size = source->info.size,
                  .modified_ms = tick(),
                  .etag = hex_md5(source->data),
                  .meta = request.replace_metadata ? request.meta : source->info.meta};
  version.info.meta.tags = request.replace_tags ? request.meta.tags : source->info.meta.tags;
  version.info.meta.checksum = source->info.meta.checksum;
  if (request.checksum_algorithm) {
    version.info.meta.checksum =
        ObjectChecksum{.algorithm = *request.checksum_algorithm,
                       .value = checksum_of(*request.checksum_algorithm, source->data)};
  }
  CopyResult result{.etag = version.info.etag,
                    .modified_ms = version.info.modified_ms,
                    .checksum = version.info.meta.checksum};
  if (source->info.bucket_versioned) result.source_version = source->info.version;
  const Version& done = install(*bucket, request.key.text(), std::move(version));
  result.version = done.info.version;
  result.show_version = done.info.bucket_versioned && !done.info.version.null;
  co_return result;
}

namespace {

ListedObject line_of(const ObjectInfo& info) {
  ListedObject out{.key = info.key,
                   .version = info.version,
                   .delete_marker = info.delete_marker,
                   .is_latest = info.is_latest,
                   .size = info.size,
                   .modified_ms = info.modified_ms,
                   .etag = info.etag,
                   .storage_class = info.storage_class};
  if (info.meta.checksum)
    out.meta.checksum =
        ListedMeta::Checksum{info.meta.checksum->algorithm, info.meta.checksum->type};
  out.meta.owner = info.meta.owner;
  return out;
}

}  // namespace

FakeObjects::Answer<ListPage> FakeObjects::list(ListRequest request) {
  CAIRN_CO_ASSIGN(const Bucket* bucket, find(request.bucket));
  ListPage page;
  for (const auto& [key, versions] : bucket->keys) {
    if (!key.starts_with(request.prefix) || versions.front().info.delete_marker) continue;
    const std::string group = group_of(key, request.prefix, request.delimiter);
    if ((group.empty() ? key : group) <= request.after) continue;
    if (!group.empty() && !page.common_prefixes.empty() && page.common_prefixes.back() == group)
      continue;
    if (page.objects.size() + page.common_prefixes.size() == request.max_keys) {
      page.truncated = true;
      break;
    }
    page.next = group.empty() ? key : group;
    if (group.empty()) {
      page.objects.push_back(line_of(versions.front().info));
    } else {
      page.common_prefixes.push_back(group);
    }
  }
  co_return page;
}

FakeObjects::Answer<ListVersionsPage> FakeObjects::list_versions(ListVersionsRequest request) {
  CAIRN_CO_ASSIGN(const Bucket* bucket, find(request.bucket));
  ListVersionsPage page;
  for (const auto& [key, versions] : bucket->keys) {
    if (!key.starts_with(request.prefix) || key < request.key_marker) continue;
    if (key == request.key_marker && !request.version_marker) continue;
    bool passed = key != request.key_marker;
    for (const Version& v : versions) {
      if (!passed) {
        passed = v.info.version == *request.version_marker;
        continue;
      }
      if (page.versions.size() == request.max_keys) {
        page.truncated = true;
        co_return page;
      }
      page.versions.push_back(line_of(v.info));
      page.next_key = key;
      page.next_version = v.info.version;
    }
  }
  co_return page;
}

FakeObjects::Answer<ObjectInfo> FakeObjects::set_tags(BucketName bucket, ObjectKey key,
                                                      std::optional<VersionId> version, Tags tags) {
  CAIRN_CO_ASSIGN(Version * found, find(bucket, key, version));
  found->info.meta.tags = std::move(tags);
  co_return found->info;
}

FakeObjects::Answer<UploadInfo> FakeObjects::create_upload(CreateUploadRequest request) {
  CAIRN_CO_TRY(find(request.bucket));
  last_meta_ = request.meta;
  UploadId id;
  id.bytes[15] = static_cast<std::uint8_t>(uploads_.size() + 1);
  Upload upload{.bucket = request.bucket.text(),
                .info = {.key = request.key.text(),
                         .upload = id,
                         .initiated_ms = tick(),
                         .storage_class = request.storage_class,
                         .meta = std::move(request.meta)}};
  co_return uploads_.emplace(id.hex(), std::move(upload)).first->second.info;
}

FakeObjects::Answer<PartInfo> FakeObjects::upload_part(PartRequest request) {
  CAIRN_CO_TRY(find(request.bucket, request.key, request.upload));
  CAIRN_CO_ASSIGN(Received received, co_await receive(request.body, request.size,
                                                      request.content_md5, request.checksum));
  CAIRN_CO_ASSIGN(Upload * upload, find(request.bucket, request.key, request.upload));
  PartInfo part{.number = request.number,
                .size = received.data.size(),
                .modified_ms = tick(),
                .etag = hex_md5(received.data),
                .checksum = received.checksum};
  upload->parts[request.number] = {part, std::move(received.data)};
  co_return part;
}

FakeObjects::Answer<CopyPartResult> FakeObjects::copy_part(CopyPartRequest request) {
  CAIRN_CO_ASSIGN(const Version* source,
                  find(request.source_bucket, request.source_key, request.source_version));
  CAIRN_CO_ASSIGN(Upload * upload, find(request.bucket, request.key, request.upload));
  std::string data = source->data;
  if (request.source_range) {
    if (*request.source_range->last >= data.size()) co_return Error{Code::invalid_range, ""};
    data = data.substr(*request.source_range->first,
                       *request.source_range->last - *request.source_range->first + 1);
  }
  CopyPartResult result{.part = {.number = request.number,
                                 .size = data.size(),
                                 .modified_ms = tick(),
                                 .etag = hex_md5(data)}};
  if (source->info.bucket_versioned) result.source_version = source->info.version;
  upload->parts[request.number] = {result.part, std::move(data)};
  co_return result;
}

FakeObjects::Answer<ListPartsPage> FakeObjects::list_parts(ListPartsRequest request) {
  CAIRN_CO_ASSIGN(const Upload* upload, find(request.bucket, request.key, request.upload));
  ListPartsPage page{.upload = upload->info};
  for (const auto& [number, part] : upload->parts) {
    if (number <= request.after) continue;
    if (page.parts.size() == request.max_parts) {
      page.truncated = true;
      break;
    }
    page.parts.push_back(part.first);
  }
  co_return page;
}

FakeObjects::Answer<ListUploadsPage> FakeObjects::list_uploads(ListUploadsRequest request) {
  CAIRN_CO_TRY(find(request.bucket));
  ListUploadsPage page;
  for (const auto& [id, upload] : uploads_) {
    if (upload.bucket != request.bucket.text() || upload.info.key <= request.key_marker) continue;
    if (page.uploads.size() == request.max_uploads) {
      page.truncated = true;
      break;
    }
    page.uploads.push_back(upload.info);
    page.next_key = upload.info.key;
    page.next_upload = upload.info.upload;
  }
  co_return page;
}

FakeObjects::Answer<PutResult> FakeObjects::complete_upload(CompleteRequest request) {
  CAIRN_CO_ASSIGN(Upload * upload, find(request.bucket, request.key, request.upload));
  CAIRN_CO_ASSIGN(Bucket * bucket, find(request.bucket));
  Version version;
  std::string digests;
  for (const CompletePart& named : request.parts) {
    const auto it = upload->parts.find(named.number);
    if (it == upload->parts.end() || it->second.first.etag != named.etag)
      co_return Error{Code::invalid_part, ""};
    version.parts.push_back(it->second.first);
    version.data += it->second.second;
    digests += *crypto::from_hex(named.etag);
  }
  if (request.object_size && *request.object_size != version.data.size())
    co_return Error{Code::invalid_request, ""};
  const auto count = static_cast<std::uint32_t>(version.parts.size());
  version.info = {.size = version.data.size(),
                  .modified_ms = tick(),
                  .etag = hex_md5(digests) + '-' + std::to_string(count),
                  .part_count = count,
                  .meta = upload->info.meta};
  const auto algorithm = upload->info.meta.upload_algorithm.value_or(crypto::Checksum::crc64nvme);
  version.info.meta.checksum =
      ObjectChecksum{.algorithm = algorithm,
                     .type = upload->info.meta.upload_algorithm ? upload->info.meta.upload_type
                                                                : ChecksumType::full_object,
                     .value = checksum_of(algorithm, version.data)};
  uploads_.erase(request.upload.hex());
  const Version& done = install(*bucket, request.key.text(), std::move(version));
  co_return PutResult{.etag = done.info.etag,
                      .version = done.info.version,
                      .show_version = done.info.bucket_versioned && !done.info.version.null,
                      .size = done.info.size,
                      .checksum = done.info.meta.checksum};
}

FakeObjects::Answer<void> FakeObjects::abort_upload(BucketName bucket, ObjectKey key,
                                                    UploadId upload) {
  CAIRN_CO_TRY(find(bucket, key, upload));
  uploads_.erase(upload.hex());
  co_return Result<void>{};
}

FakeObjects::Answer<std::vector<PartInfo>> FakeObjects::object_parts(
    BucketName bucket, ObjectKey key, std::optional<VersionId> version) {
  CAIRN_CO_ASSIGN(const Version* found, find(bucket, key, version));
  co_return found->parts;
}

FakeObjects::Answer<SweepStep> FakeObjects::sweep(std::string) {
  co_return SweepStep{};
}

}  // namespace cairn::s3::testing
