#include "s3/ops/ops.h"
#include "s3/xml.h"

namespace cairn::s3::ops {

Answer get_bucket_location(Context& c) {
  auto bucket = c.objects().bucket(c.bucket());
  if (!bucket) co_return std::move(bucket.error());
  // us-east-1 is the region without a name.
  XmlWriter xml("LocationConstraint");
  if (bucket->region != "us-east-1") xml.raw_text(bucket->region);
  co_return xml_response(xml.finish());
}

}  // namespace cairn::s3::ops
