#include "s3/ops/copy_source.h"

#include "s3/error.h"
#include "s3/headers.h"

namespace cairn::s3::ops {

Result<Source> authorized_source(const Context& context) {
  CAIRN_ASSIGN(const CopySource named,
               parse_copy_source(context.header("x-amz-copy-source").value_or("")));
  CAIRN_TRY(authorize(context, named.version ? "s3:GetObjectVersion" : "s3:GetObject", named.bucket,
                      named.key));
  auto bucket = model::BucketName::parse(named.bucket);
  if (!bucket)
    return argument_error("Invalid copy source bucket name", "x-amz-copy-source", named.bucket);
  auto key = model::ObjectKey::parse(named.key);
  if (!key) return argument_error("Invalid copy source object key", "x-amz-copy-source", named.key);
  return Source{std::move(*bucket), std::move(*key), named.version};
}

}  // namespace cairn::s3::ops
