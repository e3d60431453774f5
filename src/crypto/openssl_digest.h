// OpenSSL's digests, for the sources of this module.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

struct evp_md_ctx_st;

namespace cairn::crypto::detail {

enum class Algorithm : std::uint8_t { md5, sha1, sha256 };

class DigestContext {
 public:
  DigestContext();
  ~DigestContext();
  DigestContext(const DigestContext&) = delete;
  DigestContext& operator=(const DigestContext&) = delete;
  void start(Algorithm which);  // also again, after finish()
  void update(Bytes data);
  std::size_t finish(std::uint8_t* out);  // up to 32 bytes; returns how many

 private:
  evp_md_ctx_st* context_;
};

}  // namespace cairn::crypto::detail
