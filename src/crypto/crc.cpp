#include "crypto/crc.h"

#include <isa-l/crc.h>

#include <algorithm>

#include "base/assert.h"
#include "crypto/crc_math.h"

namespace cairn::crypto {
namespace {

template <class Word>
Word combine(Word a, Word b, std::uint64_t length_b, Word generator) {
  CAIRN_ASSERT(length_b < 1ull << 61);
  return crc_math::shift_bytes(a, length_b, generator) ^ b;
}

}  // namespace

std::uint32_t crc32(Bytes data, std::uint32_t previous) {
  // Inverts before and after by itself.
  return crc32_gzip_refl(previous, reinterpret_cast<const unsigned char*>(data.data()),
                         data.size());
}

std::uint32_t crc32c(Bytes data, std::uint32_t previous) {
  // Takes and gives the bare register, and counts in int.
  constexpr std::size_t most = 1u << 30;
  std::uint32_t state = ~previous;
  while (!data.empty()) {
    const Bytes piece = data.first(std::min(most, data.size()));
    // The parameter is not const; the function only reads.
    auto* bytes = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(piece.data()));
    state = crc32_iscsi(bytes, static_cast<int>(piece.size()), state);
    data = data.subspan(piece.size());
  }
  return ~state;
}

std::uint32_t combine_crc32(std::uint32_t a, std::uint32_t b, std::uint64_t length_b) {
  return combine(a, b, length_b, crc_math::kCrc32);
}
std::uint32_t combine_crc32c(std::uint32_t a, std::uint32_t b, std::uint64_t length_b) {
  return combine(a, b, length_b, crc_math::kCrc32c);
}
std::uint64_t combine_crc64nvme(std::uint64_t a, std::uint64_t b, std::uint64_t length_b) {
  return combine(a, b, length_b, crc_math::kCrc64Nvme);
}

}  // namespace cairn::crypto
