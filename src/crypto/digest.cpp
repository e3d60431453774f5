#include "crypto/digest.h"

#include <openssl/evp.h>

#include <cstring>

#include "base/assert.h"
#include "crypto/openssl_digest.h"

namespace cairn::crypto {
namespace detail {

// Fetched once and kept for good: looking an algorithm up costs as much as hashing a kilobyte.
const EVP_MD* algorithm(Algorithm which) {
  const auto fetch = [](const char* name) {
    EVP_MD* md = EVP_MD_fetch(nullptr, name, nullptr);
    CAIRN_ASSERT(md != nullptr);
    return md;
  };
  static const EVP_MD* const md5 = fetch("MD5");
  static const EVP_MD* const sha1 = fetch("SHA1");
  static const EVP_MD* const sha256 = fetch("SHA256");
  switch (which) {
    case Algorithm::md5:
      return md5;
    case Algorithm::sha1:
      return sha1;
    case Algorithm::sha256:
      break;
  }
  return sha256;
}

DigestContext::DigestContext() : context_(EVP_MD_CTX_new()) {
  CAIRN_ASSERT(context_ != nullptr);
}
DigestContext::~DigestContext() {
  EVP_MD_CTX_free(context_);
}

void DigestContext::start(Algorithm which) {
  CAIRN_ASSERT(EVP_DigestInit_ex2(context_, algorithm(which), nullptr) == 1);
}
void DigestContext::update(Bytes data) {
  CAIRN_ASSERT(EVP_DigestUpdate(context_, data.data(), data.size()) == 1);
}
std::size_t DigestContext::finish(std::uint8_t* out) {
  unsigned length = 0;
  CAIRN_ASSERT(EVP_DigestFinal_ex(context_, out, &length) == 1);
  return length;
}

}  // namespace detail

namespace {

using detail::Algorithm;
using detail::DigestContext;

// One context per thread for the one-shot functions, per algorithm: starting it again costs next to
// nothing then.
template <Algorithm kWhich, std::size_t kBytes>
std::array<std::uint8_t, kBytes> digest(std::initializer_list<Bytes> pieces) {
  thread_local DigestContext context;
  context.start(kWhich);
  for (const Bytes piece : pieces) context.update(piece);
  std::array<std::uint8_t, kBytes> out;
  CAIRN_ASSERT(context.finish(out.data()) == kBytes);
  return out;
}

class DigestHasher final : public Hasher {
 public:
  explicit DigestHasher(Algorithm which) { context_.start(which); }
  void update(Bytes data) override { context_.update(data); }
  std::string finish() override {
    std::uint8_t out[32];
    const std::size_t length = context_.finish(out);
    return {reinterpret_cast<const char*>(out), length};
  }

 private:
  DigestContext context_;
};

}  // namespace

Md5Digest md5(Bytes data) {
  return digest<Algorithm::md5, 16>({data});
}
Sha1Digest sha1(Bytes data) {
  return digest<Algorithm::sha1, 20>({data});
}
Sha256Digest sha256(Bytes data) {
  return digest<Algorithm::sha256, 32>({data});
}

Sha256Digest hmac_sha256(Bytes key, Bytes data) {
  std::array<std::uint8_t, 64> block{};
  if (key.size() > block.size()) {
    const auto short_key = sha256(key);
    std::memcpy(block.data(), short_key.data(), short_key.size());
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  for (auto& b : block) b ^= 0x36;
  const auto inner = digest<Algorithm::sha256, 32>({std::as_bytes(std::span(block)), data});
  for (auto& b : block) b ^= 0x36 ^ 0x5C;
  return digest<Algorithm::sha256, 32>(
      {std::as_bytes(std::span(block)), std::as_bytes(std::span(inner))});
}

std::unique_ptr<Hasher> make_md5() {
  return std::make_unique<DigestHasher>(Algorithm::md5);
}
std::unique_ptr<Hasher> make_sha1() {
  return std::make_unique<DigestHasher>(Algorithm::sha1);
}
std::unique_ptr<Hasher> make_sha256() {
  return std::make_unique<DigestHasher>(Algorithm::sha256);
}

}  // namespace cairn::crypto
