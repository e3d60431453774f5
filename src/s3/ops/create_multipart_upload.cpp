#include "s3/checksums.h"
#include "s3/ops/ops.h"
#include "s3/ops/stored.h"
#include "s3/xml.h"

namespace cairn::s3::ops {
namespace {

// Which checksum the parts and the whole will carry; which combinations exist is AWS's.
Result<void> parse_checksum(const Context& c, object::Meta& meta) {
  using object::ChecksumType;
  CAIRN_ASSIGN(meta.upload_algorithm, checksum_algorithm(c.request.headers));
  CAIRN_ASSIGN(const auto type, checksum_type(c.request.headers));
  if (!meta.upload_algorithm) {
    if (!type) return {};
    return Error{Code::invalid_request,
                 "The x-amz-checksum-type header can only be used with the "
                 "x-amz-checksum-algorithm header."};
  }
  const crypto::Checksum algorithm = *meta.upload_algorithm;
  const bool only_whole = algorithm == crypto::Checksum::crc64nvme;
  meta.upload_type =
      type.value_or(only_whole ? ChecksumType::full_object : ChecksumType::composite);
  const bool whole = meta.upload_type == ChecksumType::full_object;
  if ((whole && !crypto::checksum_is_crc(algorithm)) || (!whole && only_whole)) {
    return Error{Code::invalid_request,
                 "The " + std::string(type_text(meta.upload_type)) +
                     " checksum type cannot be used with the " +
                     std::string(checksum_header_name(algorithm).substr(15)) +
                     " checksum algorithm."};
  }
  return {};
}

}  // namespace

Answer create_multipart_upload(Context& c) {
  // 1. What the object will be.
  CAIRN_CO_ASSIGN(Stored stored, parse_stored(c, "s3:PutObjectTagging"));
  CAIRN_CO_TRY(parse_checksum(c, stored.meta));
  const auto algorithm = stored.meta.upload_algorithm;
  const auto type = stored.meta.upload_type;

  // 2. Open the upload.
  auto upload =
      co_await c.objects().create_upload({.bucket = c.bucket(),
                                          .key = c.key(),
                                          .meta = std::move(stored.meta),
                                          .storage_class = std::move(stored.storage_class)});
  if (!upload) co_return std::move(upload.error());

  // 3. The answer.
  XmlWriter xml("InitiateMultipartUploadResult");
  xml.text("Bucket", c.bucket().text());
  xml.text("Key", c.key().text());
  xml.text("UploadId", upload->upload.hex());
  net::Response response = xml_response(xml.finish());
  if (algorithm) {
    response.headers.add("x-amz-checksum-algorithm",
                         std::string(crypto::checksum_name(*algorithm)));
    response.headers.add("x-amz-checksum-type", std::string(type_text(type)));
  }
  co_return response;
}

}  // namespace cairn::s3::ops
