#include "auth/signing_key.h"

#include <array>
#include <functional>
#include <span>

namespace cairn::auth {
namespace {

crypto::Sha256Digest mac(const crypto::Sha256Digest& key, std::string_view text) {
  return crypto::hmac_sha256(std::as_bytes(std::span(key)), as_bytes(text));
}

}  // namespace

crypto::Sha256Digest derive_signing_key(std::string_view secret, std::string_view date,
                                        std::string_view region) {
  std::string first = "AWS4";
  first += secret;
  auto key = crypto::hmac_sha256(as_bytes(first), as_bytes(date));
  for (const std::string_view part :
       {region, std::string_view("s3"), std::string_view("aws4_request")})
    key = mac(key, part);
  return key;
}

crypto::Sha256Digest cached_signing_key(std::string_view secret, std::string_view date,
                                        std::string_view region) {
  // The whole input is compared, so an entry is right whoever put it there, and a changed secret
  // finds nothing old.
  struct Entry {
    std::string secret, date, region;
    crypto::Sha256Digest key;
  };
  static thread_local std::array<Entry, 64> entries;
  const std::hash<std::string_view> hash;
  Entry& entry = entries[(hash(secret) ^ hash(date) * 31) % entries.size()];
  if (entry.date != date || entry.region != region || entry.secret != secret) {
    entry.key = derive_signing_key(secret, date, region);
    entry.secret = secret;
    entry.date = date;
    entry.region = region;
  }
  return entry.key;
}

std::string signature_of(const crypto::Sha256Digest& signing_key, std::string_view string_to_sign) {
  const auto digest = mac(signing_key, string_to_sign);
  return crypto::to_hex(std::as_bytes(std::span(digest)));
}

}  // namespace cairn::auth
