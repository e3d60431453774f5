#include "s3/ops/ops.h"
#include "s3/xml.h"

namespace cairn::s3::ops {

Answer get_bucket_versioning(Context& c) {
  auto bucket = c.objects().bucket(c.bucket());
  if (!bucket) co_return std::move(bucket.error());
  XmlWriter xml("VersioningConfiguration");
  switch (bucket->versioning) {
    case object::Versioning::unversioned:
      break;  // never set: no status at all
    case object::Versioning::enabled:
      xml.text("Status", "Enabled");
      break;
    case object::Versioning::suspended:
      xml.text("Status", "Suspended");
      break;
  }
  co_return xml_response(xml.finish());
}

}  // namespace cairn::s3::ops
