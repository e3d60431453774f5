#include "s3/body.h"
#include "s3/checksums.h"
#include "s3/error.h"
#include "s3/headers.h"
#include "s3/ops/ops.h"

namespace cairn::s3::ops {
namespace {

Result<object::PartRequest> parse(Context& c) {
  object::PartRequest part{.bucket = c.bucket(), .key = c.key()};
  CAIRN_ASSIGN(const auto number, part_number_of(c));
  if (!number || !c.query.has("uploadId")) {
    return argument_error("This operation needs both partNumber and uploadId.",
                          number ? "uploadId" : "partNumber", "");
  }
  part.number = *number;
  CAIRN_ASSIGN(part.upload, upload_of(c));
  return part;
}

}  // namespace

Answer upload_part(Context& c) {
  // 1. Which part of which upload.
  CAIRN_CO_ASSIGN(object::PartRequest part, parse(c));

  // 2. The body and what it must match.
  CAIRN_CO_ASSIGN(Body body, open_body(c));
  CAIRN_CO_TRY(check_size(body, object::kMaxPutBytes));
  part.body = body.source;
  part.size = body.size;
  part.content_md5 = std::move(body.content_md5);
  part.checksum = std::move(body.checksum);

  // 3. Store it: durable when this returns.
  auto done = co_await c.objects().upload_part(std::move(part));
  if (!done) co_return std::move(done.error());

  // 4. The answer.
  net::Response response;
  response.headers.add("ETag", quote_etag(done->etag));
  if (const auto& sum = done->checksum) add_checksum(response.headers, *sum, 0, false);
  co_return response;
}

}  // namespace cairn::s3::ops
