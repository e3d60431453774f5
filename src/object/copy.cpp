// CopyObject: the source's bytes stream through, never more of them in memory than the store's
// buffers.
#include <algorithm>

#include "object/engine.h"
#include "object/validate.h"

namespace cairn::object {
namespace {

constexpr std::string_view kRedirect = "x-amz-website-redirect-location";

bool sets_redirect(const Meta& meta) {
  return std::ranges::any_of(meta.system, [](const auto& h) { return h.first == kRedirect; });
}

// A copy onto itself must state a change. As AWS, what it states is not compared with what is
// there: the class that the object has is a change, another one that is only the default is none.
Result<void> may_copy(const CopyRequest& request) {
  const bool same = request.source_bucket == request.bucket && request.source_key == request.key &&
                    !request.source_version;
  const bool changes =
      request.replace_metadata || sets_redirect(request.meta) || !request.storage_class.empty();
  if (same && !changes) {
    return Error{
        Code::invalid_request,
        "This copy request is illegal because it is trying to copy an object to itself without "
        "changing the "
        "object's metadata, storage class, website redirect location or encryption attributes."};
  }
  return {};
}

// Headers and user metadata are the source's or the request's; the redirect is never the source's.
Meta copied_meta(CopyRequest& request, const Meta& source) {
  Meta meta;
  if (request.replace_metadata) {
    meta.system = std::move(request.meta.system);
    meta.user = std::move(request.meta.user);
  } else {
    meta.system = source.system;
    std::erase_if(meta.system, [](const auto& h) { return h.first == kRedirect; });
    for (auto& header : request.meta.system) {
      if (header.first == kRedirect) meta.system.push_back(std::move(header));
    }
    meta.user = source.user;
  }
  meta.tags = request.replace_tags ? request.meta.tags : source.tags;
  meta.owner = std::move(request.meta.owner);
  return meta;
}

// The bytes that arrived are those that were stored: what the source's record says of them holds
// for the copy.
Result<void> same_bytes(const model::Record& source, const Meta& meta, const BodyDigest& digest) {
  const bool etag_is_md5 = source.part_count == 0;
  const bool comparable = meta.checksum && meta.checksum->type == ChecksumType::full_object &&
                          meta.checksum->algorithm == digest.checksum.algorithm;
  if ((etag_is_md5 && source.etag != digest.etag()) ||
      (comparable && meta.checksum->value != digest.checksum.value)) {
    return Error{Code::corrupt, "the source of a copy does not match its own digest"};
  }
  return {};
}

}  // namespace

io::Task<Result<CopyResult>> Engine::copy(CopyRequest request) {
  // 1. The destination, as far as it can be refused now.
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  store::PutVersion put;
  CAIRN_CO_ASSIGN(put.record.storage_class, validate_storage_class(request.storage_class));
  CAIRN_CO_TRY(validate_meta(request.meta));
  const model::UnitKey unit = model::UnitKey::object(view.id, request.key.text());
  CAIRN_CO_TRY(co_await advise(unit, request.conditions));

  // 2. The source.
  const CopyRequest* asked = &request;  // outlives the call below
  MayCopy allowed = [asked](const model::Record&) { return may_copy(*asked); };
  SourceRequest from{request.source_bucket, request.source_key, request.source_version,
                     request.source_conditions};
  CAIRN_CO_ASSIGN(Source source, co_await open_source(std::move(from), std::move(allowed)));

  // 3. The bytes. The checksum's algorithm is the one asked for, or the source's; always of the
  // full object, because the copy is not made of parts.
  crypto::Checksum keep = crypto::Checksum::crc64nvme;
  if (source.meta.checksum) keep = source.meta.checksum->algorithm;
  if (request.checksum_algorithm) keep = *request.checksum_algorithm;
  const model::ValueId value = new_value();
  BodyTarget target{store_, hashing_, unit, value};
  CAIRN_CO_ASSIGN(StagedBody body,
                  co_await copy_body(target, source.body.get(), source.length, keep));
  BodyDigest& digest = body.digest;
  CAIRN_CO_TRY(same_bytes(source.record, source.meta, digest));

  // 4. Durable data, then the commit.
  Meta meta = copied_meta(request, source.meta);
  meta.checksum = digest.checksum;
  put.record.meta = encode_meta(meta);
  CAIRN_CO_ASSIGN(const Buckets::Entered entered, buckets_.enter(request.bucket, view.id));
  CAIRN_CO_TRY(co_await body.finish(put));
  store::Commit intent{unit, value, std::move(put)};
  CAIRN_CO_ASSIGN(const store::Committed done,
                  co_await commit(entered, std::move(intent), request.conditions));

  CopyResult result;
  result.etag = digest.etag();
  result.modified_ms = done.modified_ms;
  result.version = done.version;
  result.show_version = entered.view.shows(result.version);
  if (source.view.versioned()) result.source_version = source.record.version;
  result.checksum = std::move(digest.checksum);
  co_return result;
}

}  // namespace cairn::object
