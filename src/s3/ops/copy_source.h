// The source of CopyObject and UploadPartCopy.
#pragma once

#include <optional>

#include "s3/context.h"

namespace cairn::s3::ops {

struct Source {
  model::BucketName bucket;
  model::ObjectKey key;
  std::optional<model::VersionId> version{};
};
// Parses x-amz-copy-source and decides s3:GetObject (or s3:GetObjectVersion) on it.
Result<Source> authorized_source(const Context& context);

}  // namespace cairn::s3::ops
