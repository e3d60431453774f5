#include "object/hashing.h"

#include "base/assert.h"

namespace cairn::object {

BodyHasher::BodyHasher(std::shared_ptr<HashStage> stage, crypto::Checksum keep,
                       std::optional<crypto::Checksum> verify)
    : keep_(keep), md5_(std::move(stage)), checksum_(crypto::make_checksum(keep)) {
  if (verify && *verify != keep) other_ = crypto::make_checksum(*verify);
}

void BodyHasher::update(io::Bytes bytes) {
  md5_.add(bytes);
  checksum_->update(bytes);
  if (other_) other_->update(bytes);
  size_ += bytes.size();
}

HashStage::Stream::Settle BodyHasher::settle(std::shared_ptr<const void> buffer, bool may_stay) {
  md5_.keep(std::move(buffer));
  return md5_.settle(may_stay ? md5_.worth_keeping() : 0);
}

BodyDigest BodyHasher::finish() {
  BodyDigest digest;
  digest.size = size_;
  const crypto::Md5Digest md5 = md5_.digest();
  digest.md5.assign(md5.begin(), md5.end());
  digest.checksum = {keep_, ChecksumType::full_object, checksum_->finish()};
  if (other_) digest.other = other_->finish();
  return digest;
}

Error checksum_mismatch(crypto::Checksum algorithm) {
  return {Code::bad_digest, "The " + std::string(crypto::checksum_name(algorithm)) +
                                " you specified did not match the calculated checksum."};
}

Result<void> verify_claims(const BodyClaims& claims, const BodyDigest& digest) {
  if (claims.size && *claims.size != digest.size) {
    return Error{
        Code::incomplete_body,
        "You did not provide the number of bytes specified by the Content-Length HTTP header"};
  }
  if (claims.content_md5 && *claims.content_md5 != digest.md5) {
    return Error{Code::bad_digest,
                 "The Content-MD5 you specified did not match what we received.",
                 {{"ExpectedDigest", crypto::to_base64(io::as_bytes(*claims.content_md5))},
                  {"CalculatedDigest", crypto::to_base64(io::as_bytes(digest.md5))}}};
  }
  if (claims.checksum) {
    const crypto::Checksum algorithm = claims.checksum->algorithm;
    const std::string& computed = digest.other ? *digest.other : digest.checksum.value;
    std::optional<std::string> expected = claims.checksum->value;
    if (!expected && claims.checksum->from_trailer) {
      CAIRN_ASSIGN(expected, claims.checksum->from_trailer());
    }
    if (expected && *expected != computed) return checksum_mismatch(algorithm);
  }
  return {};
}

std::string multipart_etag(const std::vector<PartDigest>& parts) {
  const auto md5 = crypto::make_md5();
  for (const PartDigest& part : parts) md5->update(io::as_bytes(part.md5));
  return crypto::to_hex(io::as_bytes(md5->finish())) + "-" + std::to_string(parts.size());
}

std::string multipart_checksum(crypto::Checksum algorithm, ChecksumType type,
                               const std::vector<PartDigest>& parts) {
  CAIRN_ASSERT(!parts.empty());
  if (type == ChecksumType::composite) {
    const auto hasher = crypto::make_checksum(algorithm);
    for (const PartDigest& part : parts) hasher->update(io::as_bytes(part.checksum));
    return hasher->finish();
  }
  CAIRN_ASSERT(crypto::checksum_is_crc(algorithm));
  std::string whole = parts.front().checksum;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    whole = crypto::combine_crc(algorithm, whole, parts[i].checksum, parts[i].size);
  }
  return whole;
}

}  // namespace cairn::object
