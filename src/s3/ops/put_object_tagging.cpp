#include "s3/body.h"
#include "s3/ops/ops.h"
#include "s3/tags.h"

namespace cairn::s3::ops {

Answer put_object_tagging(Context& c) {
  // 1. Which version, and the tags.
  CAIRN_CO_ASSIGN(const auto version, version_of(c));
  auto document = co_await read_document(c, kMaxDocumentBytes);
  if (!document) co_return std::move(document.error());
  CAIRN_CO_ASSIGN(object::Tags tags, parse_tag_document(*document, kMaxObjectTags));
  // 2. Replace them.
  auto done = co_await c.objects().set_tags(c.bucket(), c.key(), version, std::move(tags));
  if (!done) co_return std::move(done.error());
  // 3. The version written to.
  net::Response response;
  if (done->bucket_versioned) response.headers.add("x-amz-version-id", done->version.text());
  co_return response;
}

}  // namespace cairn::s3::ops
