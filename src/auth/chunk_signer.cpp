#include "auth/chunked_reader.h"
#include "auth/signing_key.h"

namespace cairn::auth {
namespace {

std::string hex_sha256(std::string_view text) {
  const auto digest = crypto::sha256(as_bytes(text));
  return crypto::to_hex(std::as_bytes(std::span(digest)));
}

}  // namespace

ChunkSigner::ChunkSigner(const Verified& verified)
    : key_(verified.signing_key),
      date_time_(verified.date_time),
      scope_(verified.scope),
      previous_(verified.seed_signature) {}

std::string ChunkSigner::prefix(std::string_view algorithm) const {
  std::string text(algorithm);
  for (const std::string& part : {date_time_, scope_, previous_}) {
    text += '\n';
    text += part;
  }
  text += '\n';
  return text;
}

std::string ChunkSigner::next_chunk(std::string_view data_sha256_hex) {
  static const std::string empty_hash = hex_sha256("");
  std::string text = prefix("AWS4-HMAC-SHA256-PAYLOAD");
  text += empty_hash;
  text += '\n';
  text += data_sha256_hex;
  previous_ = signature_of(key_, text);
  return previous_;
}

std::string ChunkSigner::trailer(std::string_view canonical_lines) const {
  std::string text = prefix("AWS4-HMAC-SHA256-TRAILER");
  text += hex_sha256(canonical_lines);
  return signature_of(key_, text);
}

}  // namespace cairn::auth
