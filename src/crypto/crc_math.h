// Polynomials over GF(2) modulo a CRC's generator, in the reflected form that all CRCs here use:
// the highest bit of a word is the coefficient of x^0. Evaluated at compile time for tables and
// folding constants.
#pragma once

#include <cstdint>
#include <limits>

namespace cairn::crypto::crc_math {

inline constexpr std::uint32_t kCrc32 = 0xEDB88320;
inline constexpr std::uint32_t kCrc32c = 0x82F63B78;
inline constexpr std::uint64_t kCrc64Nvme = 0x9A6C9329AC4BC9B5;

template <class Word>
inline constexpr Word kOne = Word{1} << (std::numeric_limits<Word>::digits - 1);

template <class Word>
constexpr Word times_x(Word a, Word generator) {
  return static_cast<Word>(a >> 1) ^ ((a & 1) != 0 ? generator : Word{0});
}

template <class Word>
constexpr Word multiply(Word a, Word b, Word generator) {
  Word result = 0;
  for (; b != 0; b = static_cast<Word>(b << 1)) {
    if ((b & kOne<Word>) != 0) result ^= a;
    a = times_x(a, generator);
  }
  return result;
}

// x to the power of `n`.
template <class Word>
constexpr Word power_of_x(std::uint64_t n, Word generator) {
  Word result = kOne<Word>;
  for (Word square = kOne<Word> >> 1; n != 0; n >>= 1) {
    if ((n & 1) != 0) result = multiply(result, square, generator);
    square = multiply(square, square, generator);
  }
  return result;
}

// `a` after `bytes` zero bytes more.
template <class Word>
constexpr Word shift_bytes(Word a, std::uint64_t bytes, Word generator) {
  // Powers of x repeat after (2^width - 1) at the latest; so 8 * bytes may be computed modulo 2^64
  // only if it does not overflow. Lengths here are far below 2^61.
  return multiply(a, power_of_x(8 * bytes, generator), generator);
}

}  // namespace cairn::crypto::crc_math
