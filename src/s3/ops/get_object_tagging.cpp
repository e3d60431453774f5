#include "s3/ops/ops.h"
#include "s3/tags.h"

namespace cairn::s3::ops {

Answer get_object_tagging(Context& c) {
  // 1. Which version.
  object::GetRequest get{.bucket = c.bucket(), .key = c.key(), .want_body = false};
  CAIRN_CO_ASSIGN(get.version, version_of(c));
  // 2. Find it.
  auto found = co_await c.objects().get(std::move(get));
  if (!found) co_return std::move(found.error());
  // 3. Its tags; none is an empty set.
  net::Response response = xml_response(tag_document(found->info.meta.tags));
  if (found->info.bucket_versioned)
    response.headers.add("x-amz-version-id", found->info.version.text());
  co_return response;
}

}  // namespace cairn::s3::ops
