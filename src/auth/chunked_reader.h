// Bodies in aws-chunked encoding, signed or not, with or without trailers.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
//
//   body    = *chunk last-chunk [trailer] CRLF
//   chunk   = hex-size [";chunk-signature=" 64hex] CRLF data CRLF
//   last    = "0" [";chunk-signature=" 64hex] CRLF
//   trailer = *(name ":" value CRLF) ["x-amz-trailer-signature:" 64hex CRLF]
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "auth/auth.h"

namespace cairn::auth {

// Signs chunk after chunk, each signature covering the one before it.
class ChunkSigner {
 public:
  explicit ChunkSigner(const Verified& verified);
  // The signature that a chunk with this SHA-256 (hex) must have; the next one builds on it.
  std::string next_chunk(std::string_view data_sha256_hex);
  // The one of the trailer, over its canonical lines ("name:value\n").
  std::string trailer(std::string_view canonical_lines) const;

 private:
  std::string prefix(std::string_view algorithm) const;
  crypto::Sha256Digest key_;
  std::string date_time_, scope_, previous_;
};

// REQUIRES: verified.payload is one of the chunked kinds. `raw` outlives the reader.
std::unique_ptr<BodyReader> make_chunked_reader(const Verified& verified, io::ByteSource& raw,
                                                std::optional<std::uint64_t> decoded_length,
                                                std::vector<std::string> announced_trailers);

}  // namespace cairn::auth
