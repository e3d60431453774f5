#include "s3/ops/ops.h"

namespace cairn::s3::ops {

Answer abort_multipart_upload(Context& c) {
  CAIRN_CO_ASSIGN(const model::UploadId upload, upload_of(c));
  auto done = co_await c.objects().abort_upload(c.bucket(), c.key(), upload);
  if (!done) co_return std::move(done.error());
  net::Response response;
  response.status = 204;
  co_return response;
}

}  // namespace cairn::s3::ops
