#include "s3/ops/ops.h"

namespace cairn::s3::ops {

Answer delete_bucket(Context& c) {
  auto done = co_await c.objects().delete_bucket(c.bucket());
  if (!done) co_return std::move(done.error());
  net::Response response;
  response.status = 204;
  co_return response;
}

}  // namespace cairn::s3::ops
