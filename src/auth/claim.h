// What a request claims about its signature, taken apart and checked for form but not for truth.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/auth.h"

namespace cairn::auth {

struct Claim {
  bool presigned = false;
  std::string access_key{}, date{}, region{}, service{}, terminal{};
  std::string scope{};           // date/region/service/terminal
  std::string signed_headers{};  // as sent
  std::string signature{};       // as sent
  std::string date_time{};       // presigned: X-Amz-Date; else filled by the verifier
  std::int64_t expires_s = 0;    // presigned
  std::string payload_hash{};    // presigned: X-Amz-Content-Sha256, or empty
  bool has_token = false;        // presigned: X-Amz-Security-Token
};

// What is said to Signature Version 2 and to asymmetric signatures.
Error mechanism_not_supported();

// From an Authorization header's value.
Result<Claim> parse_authorization(std::string_view value);

// Whether the query claims to carry a signature: by Signature Version 4, or by the retired
// Version 2.
struct QueryClaim {
  bool v4 = false;
  bool v2 = false;
};
QueryClaim find_query_claim(std::string_view query);
// REQUIRES: find_query_claim(query).v4
Result<Claim> parse_presigned(std::string_view query);

// The names of a SignedHeaders list, in order; views into it. None if it is not a list of distinct
// lower-case header names or absurdly long.
std::optional<std::vector<std::string_view>> split_signed_headers(std::string_view list);

}  // namespace cairn::auth
