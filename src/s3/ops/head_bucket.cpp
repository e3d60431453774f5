#include "s3/ops/ops.h"

namespace cairn::s3::ops {

Answer head_bucket(Context& c) {
  auto bucket = c.objects().bucket(c.bucket());
  if (!bucket) co_return std::move(bucket.error());
  net::Response response;
  response.headers.add("x-amz-bucket-region", bucket->region);
  response.headers.add("x-amz-access-point-alias", "false");
  response.headers.add("Content-Type", "application/xml");
  co_return response;
}

}  // namespace cairn::s3::ops
