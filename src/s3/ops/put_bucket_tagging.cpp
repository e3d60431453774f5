#include "s3/body.h"
#include "s3/ops/ops.h"
#include "s3/tags.h"

namespace cairn::s3::ops {

Answer put_bucket_tagging(Context& c) {
  // 1. The tags.
  auto document = co_await read_document(c, kMaxDocumentBytes);
  if (!document) co_return std::move(document.error());
  CAIRN_CO_ASSIGN(object::Tags tags, parse_tag_document(*document, kMaxBucketTags));
  // 2. Replace the bucket's.
  auto done = co_await c.objects().set_bucket_tags(c.bucket(), std::move(tags));
  if (!done) co_return std::move(done.error());
  net::Response response;
  response.status = 204;
  co_return response;
}

}  // namespace cairn::s3::ops
