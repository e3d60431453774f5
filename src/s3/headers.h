// Request headers as typed values, and the headers that must not be ignored.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"
#include "object/object.h"
#include "s3/context.h"

namespace cairn::s3 {

// Refuses what would be wrong to ignore: encryption, object locks, grants, ACLs other than private,
// and other features that change what is stored or who may read it. not_implemented.
Result<void> refuse_unsupported_headers(const net::Headers& headers);

// Parameters of a presigned URL that stand for x-amz- headers become headers, as AWS reads them.
// Those the signature itself uses do not, nor do checksums of a body that did not exist when the
// URL was made. invalid_argument when a name or value could not be a header. True when there were
// any.
Result<bool> hoist_presigned_parameters(const Query& query, net::Headers& headers);
// No control characters: safe to send as a header's value.
bool is_header_value(std::string_view text);

// x-amz-expected-bucket-owner and x-amz-source-expected-bucket-owner: access_denied when they are
// not `owner`.
Result<void> check_expected_owner(const net::Headers& headers, std::string_view owner);

// System headers, user metadata and owner of what is about to be stored (no tags);
// metadata_too_large.
Result<object::Meta> parse_meta(const Context& context);

// "": the standard class. invalid_storage_class.
Result<std::string> parse_storage_class(const net::Headers& headers);

// A date after `now_ms` in If-Modified-Since is no condition, as AWS: nothing can be older yet.
object::ReadConditions parse_read_conditions(const net::Headers& headers, std::int64_t now_ms);
object::ReadConditions parse_copy_source_conditions(const net::Headers& headers,
                                                    std::int64_t now_ms);
Result<object::WriteConditions> parse_write_conditions(const net::Headers& headers);

// Range: none when absent or not a single byte range, which is then ignored (RFC 9110 14.2).
std::optional<object::ByteRange> parse_range(std::string_view value);

// x-amz-copy-source.
struct CopySource {
  std::string bucket{}, key{};
  std::optional<model::VersionId> version{};
};
Result<CopySource> parse_copy_source(std::string_view value);

// An entity tag without quotes and weakness mark.
std::string_view unquote_etag(std::string_view text);
std::string quote_etag(std::string_view etag);

}  // namespace cairn::s3
