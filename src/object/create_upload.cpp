// CreateMultipartUpload.
#include "object/engine.h"
#include "object/validate.h"

namespace cairn::object {
namespace {

// Which checksum types an algorithm can have over parts; CRC64NVME has only the full object's.
Result<void> settle_type(Meta& meta) {
  if (!meta.upload_algorithm) return {};
  if (*meta.upload_algorithm == crypto::Checksum::crc64nvme)
    meta.upload_type = ChecksumType::full_object;
  if (meta.upload_type == ChecksumType::full_object &&
      !crypto::checksum_is_crc(*meta.upload_algorithm)) {
    return Error{Code::invalid_request,
                 "The FULL_OBJECT checksum type cannot be used with the " +
                     std::string(crypto::checksum_name(*meta.upload_algorithm)) +
                     " checksum algorithm."};
  }
  return {};
}

}  // namespace

io::Task<Result<UploadInfo>> Engine::create_upload(CreateUploadRequest request) {
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  CAIRN_CO_TRY(validate_meta(request.meta));
  CAIRN_CO_TRY(settle_type(request.meta));
  store::PutVersion put;
  CAIRN_CO_ASSIGN(put.record.storage_class, validate_storage_class(request.storage_class));
  request.meta.checksum.reset();

  UploadInfo info;
  info.key = request.key.text();
  info.upload.bytes = new_value().bytes;  // ordered by time, so that a listing is
  info.initiated_ms = clock_.unix_ms();
  info.storage_class = put.record.storage_class.empty() ? "STANDARD" : put.record.storage_class;
  put.record.modified_ms = info.initiated_ms;
  put.record.meta = encode_meta(request.meta);

  CAIRN_CO_ASSIGN(const Buckets::Entered entered, buckets_.enter(request.bucket, view.id));
  store::Commit intent{model::UnitKey::upload(view.id, info.key, info.upload), new_value(),
                       std::move(put)};
  CAIRN_CO_ASSIGN(const store::Committed done, co_await commit(entered, std::move(intent), {}));
  info.initiated_ms = done.modified_ms;
  info.meta = std::move(request.meta);
  co_return info;
}

}  // namespace cairn::object
