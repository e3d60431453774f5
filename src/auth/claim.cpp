#include "auth/claim.h"

#include <algorithm>
#include <charconv>

#include "auth/canonical.h"
#include "auth/times.h"

namespace cairn::auth {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::size_t kSignedHeadersMax = 128;
constexpr std::int64_t kExpiresMaxS = 604'800;

// Both forms of a request have the same mistakes in their credential; only the frame of the
// sentence differs.
struct Frame {
  Code code;
  std::string_view intro;
  Error error(std::string_view what) const {
    return {code, std::string(intro) + "; " + std::string(what)};
  }
};
constexpr Frame kHeader{Code::authorization_header_malformed,
                        "The authorization header is malformed"};
constexpr Frame kQuery{Code::authorization_query_parameters_error,
                       "Error parsing the X-Amz-Credential parameter"};

// "AKID/20130524/us-east-1/s3/aws4_request". An access key may hold slashes, so the scope is taken
// from the end.
Result<void> parse_credential(std::string_view text, const Frame& frame, Claim& claim) {
  std::string_view parts[4];
  std::string_view rest = text;
  for (int i = 3; i >= 0; --i) {
    const auto slash = rest.rfind('/');
    if (slash == std::string_view::npos)
      return frame.error(
          "the Credential is mal-formed; expecting "
          "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
    parts[i] = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
  }
  if (rest.empty())
    return frame.error("a non-empty Access Key (AKID) must be provided in the credential.");
  const std::string date(parts[0]);
  if (!is_scope_date(date))
    return frame.error("incorrect date format \"" + date +
                       "\". This date in the credential must be in the format \"yyyyMMdd\".");
  if (parts[2] != "s3")
    return frame.error("incorrect service \"" + std::string(parts[2]) +
                       "\". This endpoint belongs to \"s3\".");
  if (parts[3] != "aws4_request")
    return frame.error("incorrect terminal \"" + std::string(parts[3]) +
                       "\". This endpoint uses \"aws4_request\".");
  claim.access_key = rest;
  claim.date = date;
  claim.region = parts[1];
  claim.service = parts[2];
  claim.terminal = parts[3];
  claim.scope = text.substr(rest.size() + 1);
  return {};
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// Calls f(decoded name, raw value) for every parameter.
template <class F>
void for_each_parameter(std::string_view query, F f) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const auto equals = pair.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    const std::string_view name = pair.substr(0, equals);
    if (name.find('%') == std::string_view::npos && name.find('+') == std::string_view::npos) {
      f(name, value);
    } else {
      f(std::string_view(decode_query(name)), value);
    }
  }
}

Error query_error(std::string message) {
  return {Code::authorization_query_parameters_error, std::move(message)};
}

Result<std::int64_t> parse_expires(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range && text.front() != '-')
    value = INT64_MAX;
  else if (error != std::errc{} || end != text.data() + text.size())
    return query_error("X-Amz-Expires should be a number");
  if (value < 0) return query_error("X-Amz-Expires must be non-negative");
  if (value > kExpiresMaxS)
    return query_error(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires "
        "must "
        "be less than 604800 seconds");
  return value;
}

struct Presigned {
  std::optional<std::string> algorithm, credential, date, expires, signed_headers, signature,
      content_sha256, token;
};

Result<Presigned> collect_presigned(std::string_view query) {
  Presigned p;
  const std::pair<std::string_view, std::optional<std::string>*> wanted[] = {
      {"X-Amz-Algorithm", &p.algorithm},
      {"X-Amz-Credential", &p.credential},
      {"X-Amz-Date", &p.date},
      {"X-Amz-Expires", &p.expires},
      {"X-Amz-SignedHeaders", &p.signed_headers},
      {"X-Amz-Signature", &p.signature},
      {"X-Amz-Content-Sha256", &p.content_sha256},
      {"X-Amz-Security-Token", &p.token},
  };
  std::optional<Error> repeated;
  for_each_parameter(query, [&](std::string_view name, std::string_view value) {
    for (const auto& [known, slot] : wanted) {
      if (name != known) continue;
      if (*slot) repeated = query_error("The " + std::string(known) + " parameter is given twice");
      *slot = decode_query(value);
    }
  });
  if (repeated) return std::move(*repeated);
  return p;
}

}  // namespace

std::optional<std::vector<std::string_view>> split_signed_headers(std::string_view list) {
  std::vector<std::string_view> names;
  names.reserve(12);
  for (;;) {
    const auto end = list.find(';');
    const std::string_view name = list.substr(0, end);
    const bool fine = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return c > ' ' && c < 0x7f && !(c >= 'A' && c <= 'Z') && c != ':' && c != ',';
    });
    if (!fine || names.size() == kSignedHeadersMax ||
        std::find(names.begin(), names.end(), name) != names.end())
      return std::nullopt;
    names.push_back(name);
    if (end == std::string_view::npos) return names;
    list.remove_prefix(end + 1);
  }
}

Error mechanism_not_supported() {
  return {Code::invalid_request,
          "The authorization mechanism you have provided is not supported. Please use "
          "AWS4-HMAC-SHA256."};
}

Result<Claim> parse_authorization(std::string_view value) {
  value = trim(value);
  const auto space = value.find(' ');
  const std::string_view scheme = value.substr(0, space);
  if (scheme == "AWS" && value.find(':') == std::string_view::npos)
    return Error(Code::invalid_argument,
                 "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
                 {{"ArgumentName", "Authorization"}, {"ArgumentValue", std::string(value)}});
  if (scheme == "AWS" || scheme == "AWS4-ECDSA-P256-SHA256") return mechanism_not_supported();
  if (scheme != kAlgorithm)
    return Error(Code::invalid_argument, "Unsupported Authorization Type",
                 {{"ArgumentName", "Authorization"}});
  std::optional<std::string_view> credential, signed_headers, signature;
  std::string_view rest = space == std::string_view::npos ? "" : value.substr(space + 1);
  while (!trim(rest).empty()) {
    const auto end = rest.find(',');
    const std::string_view part = trim(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const auto equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    auto* const slot = name == "Credential"      ? &credential
                       : name == "SignedHeaders" ? &signed_headers
                       : name == "Signature"     ? &signature
                                                 : nullptr;
    if (slot == nullptr || *slot || equals == std::string_view::npos)
      return kHeader.error("the authorization component \"" + std::string(part.substr(0, 128)) +
                           "\" is malformed.");
    *slot = part.substr(equals + 1);
  }
  if (!credential || !signed_headers || !signature)
    return kHeader.error(
        "the authorization header requires three components: Credential, SignedHeaders, and "
        "Signature.");
  Claim claim;
  CAIRN_TRY(parse_credential(*credential, kHeader, claim));
  if (!split_signed_headers(*signed_headers))
    return kHeader.error("the SignedHeaders component is malformed.");
  if (signature->empty()) return kHeader.error("the Signature component is empty.");
  claim.signed_headers = *signed_headers;
  claim.signature = *signature;
  return claim;
}

QueryClaim find_query_claim(std::string_view query) {
  QueryClaim found;
  bool v2_key = false, v2_signature = false;
  for_each_parameter(query, [&](std::string_view name, std::string_view) {
    if (name == "X-Amz-Algorithm" || name == "X-Amz-Credential" || name == "X-Amz-Signature")
      found.v4 = true;
    if (name == "AWSAccessKeyId") v2_key = true;
    if (name == "Signature") v2_signature = true;
  });
  found.v2 = v2_key && v2_signature;
  return found;
}

Result<Claim> parse_presigned(std::string_view query) {
  CAIRN_ASSIGN(auto p, collect_presigned(query));
  if (!p.algorithm || !p.credential || !p.date || !p.expires || !p.signed_headers || !p.signature)
    return query_error(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
        "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
  if (*p.algorithm != kAlgorithm)
    return query_error("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  Claim claim;
  claim.presigned = true;
  CAIRN_TRY(parse_credential(*p.credential, kQuery, claim));
  if (!parse_amz_date(*p.date))
    return query_error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  CAIRN_ASSIGN(claim.expires_s, parse_expires(*p.expires));
  if (!split_signed_headers(*p.signed_headers))
    return query_error("X-Amz-SignedHeaders is malformed");
  claim.date_time = std::move(*p.date);
  claim.signed_headers = std::move(*p.signed_headers);
  claim.signature = std::move(*p.signature);
  claim.payload_hash = std::move(p.content_sha256).value_or("");
  claim.has_token = p.token.has_value();
  return claim;
}

}  // namespace cairn::auth
