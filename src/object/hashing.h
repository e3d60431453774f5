// The stages that look at every byte of a body on its way to the drives: MD5 for the ETag and the
// checksums. Objects of one executor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "crypto/digest.h"
#include "io/bytes.h"
#include "object/hash_stage.h"
#include "object/object.h"

namespace cairn::object {

struct BodyDigest {
  std::uint64_t size = 0;
  std::string md5{};                   // raw
  ObjectChecksum checksum{};           // in the algorithm that is kept; of the full body
  std::optional<std::string> other{};  // raw, in the algorithm that is only verified
  std::string etag() const { return crypto::to_hex(io::as_bytes(md5)); }
};

class BodyHasher {
 public:
  // `keep`: the checksum that is stored. `verify`: another one that the client stated, if any.
  BodyHasher(std::shared_ptr<HashStage> stage, crypto::Checksum keep,
             std::optional<crypto::Checksum> verify);
  // `bytes` stay as they are until the buffer that they are in is settled: MD5 waits for company.
  void update(io::Bytes bytes);
  // The buffer that was filled is done with; it is held as long as needed. Waits until the one
  // before it is settled, or also this one unless `may_stay`.
  HashStage::Stream::Settle settle(std::shared_ptr<const void> buffer, bool may_stay);
  // Waits until all bytes are hashed, in company if there is any.
  HashStage::Stream::Settle settle_all() { return md5_.settle(0); }
  BodyDigest finish();  // REQUIRES: called once

 private:
  crypto::Checksum keep_;
  HashStage::Stream md5_;
  std::unique_ptr<crypto::Hasher> checksum_, other_;
  std::uint64_t size_ = 0;
};

// What the client says about its body.
struct BodyClaims {
  std::optional<std::uint64_t> size{};
  std::optional<std::string> content_md5{};  // raw
  std::optional<ExpectedChecksum> checksum{};
  crypto::Checksum keep = crypto::Checksum::crc64nvme;
};
// Compares them with what came. REQUIRES: the body has ended (trailers are read now). bad_digest,
// invalid_digest, incomplete_body, and what reading the trailer says.
Result<void> verify_claims(const BodyClaims& claims, const BodyDigest& digest);

Error checksum_mismatch(crypto::Checksum algorithm);

// The ETag and the checksum of an object made of parts
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ checking-object-integrity.html), from
// those of its parts, in order.
struct PartDigest {
  std::string md5{};       // raw
  std::string checksum{};  // raw
  std::uint64_t size = 0;
};
std::string multipart_etag(const std::vector<PartDigest>& parts);
// REQUIRES: a CRC where the type is full_object.
std::string multipart_checksum(crypto::Checksum algorithm, ChecksumType type,
                               const std::vector<PartDigest>& parts);

}  // namespace cairn::object
