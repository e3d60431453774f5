// Compiled with AVX2 and chosen at run time. Nothing of the standard library's inline functions may
// come in here: the linker might take their AVX2 copies for everybody.
#if defined(__x86_64__)

#include "crypto/xxh3.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cairn::crypto::detail {
std::uint64_t xxh3_64_avx2(const void* data, std::size_t length, std::uint64_t seed) {
  return XXH3_64bits_withSeed(data, length, seed);
}
}  // namespace cairn::crypto::detail

#endif
