#include "s3/ops/ops.h"

namespace cairn::s3::ops {

Answer delete_object_tagging(Context& c) {
  // 1. Which version.
  CAIRN_CO_ASSIGN(const auto version, version_of(c));
  // 2. Remove its tags.
  auto done = co_await c.objects().set_tags(c.bucket(), c.key(), version, {});
  if (!done) co_return std::move(done.error());
  // 3. The version written to.
  net::Response response;
  response.status = 204;
  if (done->bucket_versioned) response.headers.add("x-amz-version-id", done->version.text());
  co_return response;
}

}  // namespace cairn::s3::ops
