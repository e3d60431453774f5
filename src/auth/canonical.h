// The canonical form of a request that AWS Signature Version 4 signs.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/auth.h"

namespace cairn::auth {

// Appends `text` (percent-encoded in whatever way the sender chose) decoded once and encoded as AWS
// does it: upper-case hex, unreserved characters as they are. So two spellings of one key have one
// signature. A '%' that starts no escape stands for itself.
enum class UriPart : std::uint8_t { path, query };  // a path keeps '/'; in a query '+' is a space
void append_normalised(std::string& out, std::string_view text, UriPart part);
// `text` percent-decoded, '+' being a space.
std::string decode_query(std::string_view text);

// The parameters sorted by encoded name and value, without X-Amz-Signature.
void append_canonical_query(std::string& out, std::string_view query);

// The value with outer whitespace removed and inner runs of it made one space.
void append_folded(std::string& out, std::string_view value);

bool equal_ignoring_case(std::string_view a, std::string_view b);

// One signed header: `name` is lower case. Several of one name are joined by commas; an absent one
// is empty.
void append_canonical_header(std::string& out, const HttpView& request, std::string_view name);

struct CanonicalParts {
  const HttpView& request;
  const std::vector<std::string_view>&
      signed_names;                 // lower case, in the order the client signed them
  std::string_view signed_headers;  // the same as sent: "host;x-amz-date"
  std::string_view payload_hash;
};
void append_canonical_request(std::string& out, const CanonicalParts& parts);

// "AWS4-HMAC-SHA256", time, scope, hash of the canonical request.
void append_string_to_sign(std::string& out, std::string_view date_time, std::string_view scope,
                           std::string_view canonical_request);

}  // namespace cairn::auth
