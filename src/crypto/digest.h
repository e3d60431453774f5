// Digests, MACs and checksums. Streaming ones are objects that are fed pieces; pure functions for whole buffers.
// OpenSSL, ISA-L and xxHash are behind this door. Single-threaded objects, thread-safe functions.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace cairn::crypto {

using Md5Digest = std::array<std::uint8_t, 16>;
using Sha1Digest = std::array<std::uint8_t, 20>;
using Sha256Digest = std::array<std::uint8_t, 32>;

Sha256Digest sha256(Bytes data);
Sha256Digest hmac_sha256(Bytes key, Bytes data);
Md5Digest md5(Bytes data);
Sha1Digest sha1(Bytes data);

// A stage that hashes a stream; fed in large pieces. Implementations may hash several streams side by side.
class Hasher {
 public:
  virtual ~Hasher() = default;
  virtual void update(Bytes data) = 0;
  virtual std::string finish() = 0;  // raw digest bytes (checksums big endian); REQUIRES: called once
};

// S3's checksum algorithms: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
enum class Checksum : std::uint8_t { crc32 = 1, crc32c = 2, crc64nvme = 3, sha1 = 4, sha256 = 5 };
std::size_t checksum_bytes(Checksum algorithm);           // length of the raw value
std::string_view checksum_name(Checksum algorithm);       // "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"
std::optional<Checksum> parse_checksum(std::string_view name);  // any case
bool checksum_is_crc(Checksum algorithm);                 // may be FULL_OBJECT for multipart
// The checksum of A‖B from those of A and B (CRCs only): raw big-endian values. `length_b` in bytes.
std::string combine_crc(Checksum algorithm, std::string_view a, std::string_view b, std::uint64_t length_b);

std::unique_ptr<Hasher> make_md5();
std::unique_ptr<Hasher> make_sha1();
std::unique_ptr<Hasher> make_sha256();
std::unique_ptr<Hasher> make_checksum(Checksum algorithm);
// The same for data that is at hand: raw value, without allocating a hasher.
std::string checksum_of(Checksum algorithm, Bytes data);

// XXH3, for Cairn's own bytes on disk and for placement. Stable over versions and platforms.
std::uint64_t xxh3_64(Bytes data, std::uint64_t seed = 0);

std::string to_hex(Bytes raw);
std::optional<std::string> from_hex(std::string_view hex);
std::string to_base64(Bytes raw);
std::optional<std::string> from_base64(std::string_view text);  // strict: padding required, no spaces
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace cairn::crypto
