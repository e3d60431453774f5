// What AWS allows in tags, metadata and storage classes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "object/meta.h"

namespace cairn::object {

inline constexpr std::size_t kMaxObjectTags = 10;
inline constexpr std::size_t kMaxBucketTags = 50;
inline constexpr std::size_t kMaxUserMetadataBytes = 2 * 1024;
inline constexpr std::size_t kMaxHeaderBytes = 8 * 1024;  // user and system metadata together

// `kind`: "Object" or "Bucket", for the message. too_many_tags, invalid_tag.
Result<void> validate_tags(const Tags& tags, std::size_t limit, std::string_view kind);
// Headers, user metadata and tags of a new object. metadata_too_large, invalid_tag.
Result<void> validate_meta(const Meta& meta);
// As it is kept in a record: empty for STANDARD. invalid_storage_class.
Result<std::string> validate_storage_class(std::string_view name);

}  // namespace cairn::object
