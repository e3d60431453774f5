#include "s3/body.h"
#include "s3/checksums.h"
#include "s3/headers.h"
#include "s3/ops/ops.h"
#include "s3/ops/stored.h"

namespace cairn::s3::ops {

Answer put_object(Context& c) {
  // 1. What the object will be, from the headers.
  CAIRN_CO_ASSIGN(Stored stored, parse_stored(c, "s3:PutObjectTagging"));
  object::PutRequest put{.bucket = c.bucket(),
                         .key = c.key(),
                         .meta = std::move(stored.meta),
                         .storage_class = std::move(stored.storage_class)};
  CAIRN_CO_ASSIGN(put.conditions, parse_write_conditions(c.request.headers));

  // 2. The body and what it must match. Nothing of it has been read yet.
  CAIRN_CO_ASSIGN(Body body, open_body(c));
  CAIRN_CO_TRY(check_size(body, object::kMaxPutBytes));
  put.body = body.source;
  put.size = body.size;
  put.content_md5 = std::move(body.content_md5);
  put.checksum = std::move(body.checksum);

  // 3. Store it: durable when this returns.
  auto done = co_await c.objects().put(std::move(put));
  if (!done) co_return std::move(done.error());

  // 4. The answer.
  net::Response response;
  response.headers.add("ETag", quote_etag(done->etag));
  if (done->show_version) response.headers.add("x-amz-version-id", done->version.text());
  if (const auto& sum = done->checksum) add_checksum(response.headers, *sum, 0, true);
  co_return response;
}

}  // namespace cairn::s3::ops
