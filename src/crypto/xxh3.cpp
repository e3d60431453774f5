#include "crypto/xxh3.h"

#include "crypto/digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cairn::crypto {

std::uint64_t xxh3_64(Bytes data, std::uint64_t seed) {
#if defined(__x86_64__)
  // Short input takes the same scalar path everywhere: it is not worth a call.
  static const bool wide = __builtin_cpu_supports("avx2");
  if (data.size() > 240 && wide) return detail::xxh3_64_avx2(data.data(), data.size(), seed);
#endif
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}

}  // namespace cairn::crypto
