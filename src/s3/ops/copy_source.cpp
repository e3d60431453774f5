#include "s3/ops/copy_source.h"

#include "s3/headers.h"

namespace cairn::s3::ops {

Result<Source> authorized_source(const Context& context) {
  CAIRN_ASSIGN(const CopySource named,
               parse_copy_source(context.header("x-amz-copy-source").value_or("")));
  CAIRN_TRY(authorize(context, named.version ? "s3:GetObjectVersion" : "s3:GetObject", named.bucket,
                      named.key));
  CAIRN_ASSIGN(model::BucketName bucket, model::BucketName::parse(named.bucket));
  CAIRN_ASSIGN(model::ObjectKey key, model::ObjectKey::parse(named.key));
  return Source{std::move(bucket), std::move(key), named.version};
}

}  // namespace cairn::s3::ops
