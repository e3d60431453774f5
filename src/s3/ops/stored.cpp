#include "s3/ops/stored.h"

#include "s3/headers.h"
#include "s3/tags.h"

namespace cairn::s3::ops {

Result<Stored> parse_stored(const Context& context, std::string_view tagging_action) {
  Stored stored;
  CAIRN_ASSIGN(stored.meta, parse_meta(context));
  CAIRN_ASSIGN(stored.storage_class, parse_storage_class(context.request.headers));
  if (const auto tagging = context.header("x-amz-tagging"); tagging && !tagging->empty()) {
    CAIRN_ASSIGN(stored.meta.tags, parse_tag_header(*tagging));
    CAIRN_TRY(authorize(context, tagging_action, context.target.bucket, context.target.key));
  }
  return stored;
}

}  // namespace cairn::s3::ops
