// Tag sets in headers and documents, with S3's limits.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/tagging-managing.html
#pragma once

#include <string_view>

#include "object/meta.h"
#include "s3/xml.h"

namespace cairn::s3 {

inline constexpr std::size_t kMaxObjectTags = 10;
inline constexpr std::size_t kMaxBucketTags = 50;

// "a=1&b=2", as in x-amz-tagging; invalid_argument, invalid_tag, too_many_tags.
Result<object::Tags> parse_tag_header(std::string_view text);
// <Tagging><TagSet><Tag>…; malformed_xml, invalid_tag, too_many_tags.
Result<object::Tags> parse_tag_document(std::string_view document, std::size_t most);
// The Tag elements inside `set`.
Result<object::Tags> parse_tag_set(XmlNode set, std::size_t most);
std::string tag_document(const object::Tags& tags);

}  // namespace cairn::s3
