// UploadPart and UploadPartCopy: a part is a unit of its own; it is written only while its upload
// stands.
#include <algorithm>

#include "object/engine.h"

namespace cairn::object {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

Result<void> check_number(std::uint32_t number) {
  if (number >= 1 && number <= kMaxParts) return {};
  return Error{Code::invalid_argument,
               "Part number must be an integer between 1 and 10000, inclusive"};
}

Result<void> check_algorithm(const std::optional<ExpectedChecksum>& stated, const Meta& upload) {
  if (!upload.upload_algorithm) return {};
  if (stated && stated->algorithm == *upload.upload_algorithm) return {};
  // What makes a composite is the client's to state; a checksum of the whole follows from the data.
  if (!stated && upload.upload_type == ChecksumType::full_object) return {};
  return Error{Code::invalid_request,
               "Checksum Type mismatch occurred, expected checksum Type: " +
                   lower(crypto::checksum_name(*upload.upload_algorithm)) +
                   ", actual checksum Type: " +
                   (stated ? lower(crypto::checksum_name(stated->algorithm)) : "null")};
}

}  // namespace

io::Task<Result<PartInfo>> Engine::commit_part(NewPart part, BucketView view, UploadId upload,
                                               StagedBody body) {
  BodyDigest& digest = body.digest;
  Meta meta;
  meta.checksum = digest.checksum;
  part.put.record.meta = encode_meta(meta);
  CAIRN_CO_ASSIGN(const Buckets::Entered entered, buckets_.enter(part.bucket, view.id));
  CAIRN_CO_TRY(co_await body.finish(part.put));
  store::Commit intent{std::move(part.unit), part.value, std::move(part.put)};
  intent.guards.push_back(std::move(part.upload));
  auto done = co_await commit(entered, std::move(intent), {});
  if (!done) {
    if (done.code() == Code::conflict)
      co_return no_such_upload(upload);  // completed or aborted meanwhile
    co_return done.error();
  }
  PartInfo info;
  info.number = part.number;
  info.size = digest.size;
  info.modified_ms = done->modified_ms;
  info.etag = digest.etag();
  info.checksum = std::move(digest.checksum);
  co_return info;
}

io::Task<Result<PartInfo>> Engine::upload_part(PartRequest request) {
  CAIRN_CO_TRY(check_number(request.number));
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  CAIRN_CO_ASSIGN(const Upload upload, co_await find_upload(view.id, request.key, request.upload));
  CAIRN_CO_TRY(check_algorithm(request.checksum, upload.meta));

  const auto number = static_cast<std::uint16_t>(request.number);
  NewPart part{
      request.bucket,
      model::UnitKey::part(view.id, request.key.text(), request.upload, number),
      number,
      new_value(),
      {},
      {model::UnitKey::upload(view.id, request.key.text(), request.upload), upload.found.stamp}};
  BodyClaims claims{request.size, std::move(request.content_md5), std::move(request.checksum),
                    upload.algorithm()};
  BodyTarget target{store_, hashing_, part.unit, part.value, true};
  CAIRN_CO_ASSIGN(StagedBody body, co_await receive_body(target, *request.body, std::move(claims)));
  co_return co_await commit_part(std::move(part), view, request.upload, std::move(body));
}

io::Task<Result<CopyPartResult>> Engine::copy_part(CopyPartRequest request) {
  CAIRN_CO_TRY(check_number(request.number));
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  CAIRN_CO_ASSIGN(const Upload upload, co_await find_upload(view.id, request.key, request.upload));
  SourceRequest from{request.source_bucket, request.source_key, request.source_version,
                     request.source_conditions, request.source_range};
  MayCopy any = [](const model::Record&) { return Result<void>{}; };
  CAIRN_CO_ASSIGN(Source source, co_await open_source(std::move(from), std::move(any)));

  const auto number = static_cast<std::uint16_t>(request.number);
  NewPart part{
      request.bucket,
      model::UnitKey::part(view.id, request.key.text(), request.upload, number),
      number,
      new_value(),
      {},
      {model::UnitKey::upload(view.id, request.key.text(), request.upload), upload.found.stamp}};
  BodyTarget target{store_, hashing_, part.unit, part.value, true};
  CAIRN_CO_ASSIGN(StagedBody body,
                  co_await copy_body(target, source.body.get(), source.length, upload.algorithm()));
  CopyPartResult result;
  CAIRN_CO_ASSIGN(result.part,
                  co_await commit_part(std::move(part), view, request.upload, std::move(body)));
  if (source.view.versioned()) result.source_version = source.record.version;
  co_return result;
}

}  // namespace cairn::object
