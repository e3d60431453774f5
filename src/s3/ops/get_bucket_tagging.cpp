#include "s3/ops/ops.h"
#include "s3/tags.h"

namespace cairn::s3::ops {

Answer get_bucket_tagging(Context& c) {
  auto bucket = c.objects().bucket(c.bucket());
  if (!bucket) co_return std::move(bucket.error());
  if (bucket->tags.empty()) co_return Error{Code::no_such_tag_set, "The TagSet does not exist"};
  co_return xml_response(tag_document(bucket->tags));
}

}  // namespace cairn::s3::ops
