#include <algorithm>

#include "auth/auth.h"
#include "auth/canonical.h"
#include "auth/claim.h"
#include "auth/signing_key.h"
#include "auth/times.h"
#include "base/assert.h"

namespace cairn::auth {
namespace {

// The first header of that name; null if none.
const std::string* find_header(const HttpView& request, std::string_view name) {
  for (const auto& [field, value] : *request.headers) {
    if (equal_ignoring_case(field, name)) return &value;
  }
  return nullptr;
}

std::string_view header_text(const HttpView& request, std::string_view name) {
  const std::string* const value = find_header(request, name);
  if (value == nullptr) return {};
  std::string_view text = *value;
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

Error one_mechanism_only() {
  return {
      Code::invalid_argument,
      "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
      "string parameter or the Authorization header should be specified",
      {{"ArgumentName", "Authorization"}}};
}

bool is_hex_sha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

std::optional<Payload> payload_kind(std::string_view value) {
  if (is_hex_sha256(value)) return Payload::digest;
  if (value == "UNSIGNED-PAYLOAD") return Payload::unsigned_payload;
  if (value == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") return Payload::signed_chunks;
  if (value == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") return Payload::signed_chunks_trailer;
  if (value == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return Payload::unsigned_chunks_trailer;
  return std::nullopt;
}

Error bad_payload_hash(std::string_view value) {
  return {Code::invalid_argument,
          "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
          "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a "
          "valid sha256 value.",
          {{"ArgumentName", "x-amz-content-sha256"}, {"ArgumentValue", std::string(value)}}};
}

void set_payload(Verified& verified, Payload kind, std::string_view value) {
  verified.payload = kind;
  if (kind != Payload::digest) return;
  verified.payload_sha256 = value;
  for (char& c : verified.payload_sha256) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c + 32);
  }
}

// Host and all x-amz-* headers that were sent must be signed: else somebody on the way could have
// added them.
Result<void> check_all_signed(const HttpView& request, const std::vector<std::string_view>& names) {
  const auto is_signed = [&](std::string_view field) {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view name) { return equal_ignoring_case(field, name); });
  };
  std::string missing;
  if (!is_signed("host")) missing = "host";
  for (const auto& [field, value] : *request.headers) {
    if (field.size() < 6 || !equal_ignoring_case(std::string_view(field).substr(0, 6), "x-amz-"))
      continue;
    if (is_signed(field)) continue;
    if (!missing.empty()) missing += ", ";
    missing += field;
  }
  if (missing.empty()) return {};
  return Error(Code::unsigned_headers,
               "There were headers present in the request which were not signed",
               {{"HeadersNotSigned", std::move(missing)}});
}

Error mismatch(const Claim& claim, const std::string& string_to_sign,
               const std::string& canonical) {
  return {
      Code::signature_does_not_match,
      "The request signature we calculated does not match the signature you provided. Check your "
      "key and signing method.",
      {{"AWSAccessKeyId", claim.access_key},
       {"StringToSign", string_to_sign},
       {"SignatureProvided", claim.signature},
       {"CanonicalRequest", canonical}}};
}

class SigV4Verifier final : public Verifier {
 public:
  SigV4Verifier(const Credentials& credentials, VerifyOptions options)
      : credentials_(credentials), options_(std::move(options)) {}

  Result<Verified> verify(const HttpView& request, std::int64_t now_ms) const override {
    CAIRN_ASSERT(request.headers != nullptr);
    const std::string* authorization = nullptr;
    for (const auto& [field, value] : *request.headers) {
      if (!equal_ignoring_case(field, "authorization")) continue;
      if (value.find_first_not_of(" \t") == std::string::npos) continue;  // nobody says who it is
      if (authorization != nullptr) return one_mechanism_only();
      authorization = &value;
    }
    const QueryClaim in_query = find_query_claim(request.query);
    if ((authorization != nullptr) + in_query.v4 + in_query.v2 > 1) return one_mechanism_only();
    if (authorization != nullptr) return verify_header(request, *authorization, now_ms);
    if (in_query.v4) return verify_presigned(request, now_ms);
    if (in_query.v2) return mechanism_not_supported();
    return anonymous(request);
  }

 private:
  Result<Verified> anonymous(const HttpView& request) const {
    Verified verified;
    const std::string_view hash = header_text(request, "x-amz-content-sha256");
    if (hash.empty()) return verified;
    const auto kind = payload_kind(hash);
    // There is no key that a signed chunk could be verified with.
    if (!kind || *kind == Payload::signed_chunks || *kind == Payload::signed_chunks_trailer)
      return bad_payload_hash(hash);
    set_payload(verified, *kind, hash);
    return verified;
  }

  Result<Verified> verify_header(const HttpView& request, std::string_view authorization,
                                 std::int64_t now_ms) const {
    CAIRN_ASSIGN(Claim claim, parse_authorization(authorization));
    CAIRN_TRY(check_region(claim));
    CAIRN_ASSIGN(const std::int64_t signed_at, take_date(request, claim));
    CAIRN_TRY(check_skew(signed_at, now_ms));
    const std::string* const hash = find_header(request, "x-amz-content-sha256");
    if (hash == nullptr)
      return Error(Code::invalid_request,
                   "Missing required header for this request: x-amz-content-sha256");
    claim.payload_hash = header_text(request, "x-amz-content-sha256");
    claim.has_token = find_header(request, "x-amz-security-token") != nullptr;
    return check_signature(request, claim);
  }

  Result<Verified> verify_presigned(const HttpView& request, std::int64_t now_ms) const {
    CAIRN_ASSIGN(Claim claim, parse_presigned(request.query));
    CAIRN_TRY(check_region(claim));
    const std::int64_t signed_at = parse_amz_date(claim.date_time).value_or(0);
    if (signed_at > now_ms + options_.max_skew_ms)
      return Error(Code::access_denied, "Request is not yet valid");
    const std::int64_t expires_at = signed_at + claim.expires_s * 1000;
    if (now_ms >= expires_at)
      return Error(Code::request_expired, "Request has expired",
                   {{"X-Amz-Expires", std::to_string(claim.expires_s)},
                    {"Expires", format_iso_date(expires_at)},
                    {"ServerTime", format_iso_date(now_ms)}});
    if (claim.payload_hash.empty())
      claim.payload_hash = header_text(request, "x-amz-content-sha256");
    if (claim.payload_hash.empty()) claim.payload_hash = "UNSIGNED-PAYLOAD";
    claim.has_token |= find_header(request, "x-amz-security-token") != nullptr;
    return check_signature(request, claim);
  }

  Result<void> check_region(const Claim& claim) const {
    if (claim.region == options_.region) return {};
    const std::string what =
        "the region '" + claim.region + "' is wrong; expecting '" + options_.region + "'";
    if (claim.presigned)
      return Error(Code::authorization_query_parameters_error,
                   "Error parsing the X-Amz-Credential parameter; " + what,
                   {{"Region", options_.region}});
    return Error(Code::authorization_header_malformed,
                 "The authorization header is malformed; " + what, {{"Region", options_.region}});
  }

  // The time of signing, from x-amz-date or else Date.
  Result<std::int64_t> take_date(const HttpView& request, Claim& claim) const {
    std::string_view text = header_text(request, "x-amz-date");
    if (text.empty()) text = header_text(request, "date");
    auto at = parse_amz_date(text);
    if (!at) at = parse_http_date(text);
    if (!at || *at < 0)
      return Error(Code::access_denied,
                   "AWS authentication requires a valid Date or x-amz-date header");
    claim.date_time = format_amz_date(*at);
    return *at;
  }

  Result<void> check_scope_date(const Claim& claim) const {
    if (std::string_view(claim.date_time).substr(0, 8) == claim.date) return {};
    const std::string what = "Invalid credential date \"" + claim.date +
                             "\". This date is not the same as X-Amz-Date: \"" +
                             claim.date_time.substr(0, 8) + "\".";
    if (claim.presigned) return Error(Code::authorization_query_parameters_error, what);
    return Error(Code::authorization_header_malformed,
                 "The authorization header is malformed; " + what);
  }

  Result<void> check_skew(std::int64_t signed_at, std::int64_t now_ms) const {
    const std::int64_t skew = signed_at > now_ms ? signed_at - now_ms : now_ms - signed_at;
    if (skew <= options_.max_skew_ms) return {};
    return Error(Code::request_time_too_skewed,
                 "The difference between the request time and the current time is too large.",
                 {{"RequestTime", format_amz_date(signed_at)},
                  {"ServerTime", format_iso_date(now_ms)},
                  {"MaxAllowedSkewMilliseconds", std::to_string(options_.max_skew_ms)}});
  }

  Result<Verified> check_signature(const HttpView& request, Claim& claim) const {
    const auto kind = payload_kind(claim.payload_hash);
    if (!kind) return bad_payload_hash(claim.payload_hash);
    auto found = credentials_.find(claim.access_key);
    if (!found)
      return Error(Code::invalid_access_key_id,
                   "The AWS Access Key Id you provided does not exist in our records.",
                   {{"AWSAccessKeyId", claim.access_key}});
    CAIRN_TRY(check_scope_date(claim));
    if (claim.has_token)  // temporary credentials are not given out
      return Error(Code::invalid_token, "The provided token is malformed or otherwise invalid.");
    const auto names = split_signed_headers(claim.signed_headers);
    CAIRN_ASSERT(names.has_value());  // the parser saw to it
    CAIRN_TRY(check_all_signed(request, *names));

    // Reused from request to request: most need no allocation here.
    static thread_local std::string canonical, string_to_sign;
    canonical.clear();
    string_to_sign.clear();
    append_canonical_request(canonical,
                             {request, *names, claim.signed_headers, claim.payload_hash});
    append_string_to_sign(string_to_sign, claim.date_time, claim.scope, canonical);
    Verified verified;
    verified.signing_key = cached_signing_key(found->secret, claim.date, claim.region);
    verified.seed_signature = signature_of(verified.signing_key, string_to_sign);
    if (!crypto::equal_constant_time(verified.seed_signature, claim.signature))
      return mismatch(claim, string_to_sign, canonical);
    verified.identity = std::move(found->identity);
    verified.presigned = claim.presigned;
    verified.date_time = std::move(claim.date_time);
    verified.scope = std::move(claim.scope);
    set_payload(verified, *kind, claim.payload_hash);
    return verified;
  }

  const Credentials& credentials_;
  const VerifyOptions options_;
};

}  // namespace

std::unique_ptr<Verifier> make_verifier(const Credentials& credentials, VerifyOptions options) {
  return std::make_unique<SigV4Verifier>(credentials, std::move(options));
}

}  // namespace cairn::auth
