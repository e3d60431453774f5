// CRC-64/NVME ("Rocksoft"), which ISA-L of our Debian does not have: folding by carry-less
// multiplication, of one register or of four at once, after "Fast CRC Computation for Generic
// Polynomials Using PCLMULQDQ Instruction" (Intel, 2009), and tables elsewhere.
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "crypto/crc.h"
#include "crypto/crc_math.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cairn::crypto {
namespace {

constexpr std::uint64_t kGenerator = crc_math::kCrc64Nvme;

// tables[n][b]: what byte b contributes with n more bytes behind it.
constexpr auto make_tables() {
  std::array<std::array<std::uint64_t, 256>, 8> tables{};
  for (std::size_t b = 0; b < 256; ++b) {
    std::uint64_t v = b;
    for (int i = 0; i < 8; ++i) v = crc_math::times_x(v, kGenerator);
    tables[0][b] = v;
  }
  for (std::size_t b = 0; b < 256; ++b)
    for (std::size_t n = 1; n < 8; ++n) {
      const std::uint64_t v = tables[n - 1][b];
      tables[n][b] = (v >> 8) ^ tables[0][v & 0xFF];
    }
  return tables;
}
constexpr auto kTables = make_tables();

std::uint64_t load64(const std::byte* p) {
  std::uint64_t v = 0;
  std::memcpy(&v, p, sizeof v);
  if constexpr (std::endian::native == std::endian::big) v = __builtin_bswap64(v);
  return v;
}

// Functions named *_state work on the bare register, without the inversions.
std::uint64_t table_state(const std::byte* p, std::size_t n, std::uint64_t state) {
  for (; n >= 8; p += 8, n -= 8) {
    state ^= load64(p);
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < 8; ++i) next ^= kTables[7 - i][(state >> (8 * i)) & 0xFF];
    state = next;
  }
  for (; n > 0; ++p, --n)
    state = (state >> 8) ^ kTables[0][(state ^ static_cast<std::uint8_t>(*p)) & 0xFF];
  return state;
}

#if defined(__x86_64__)

// Multipliers that move a 128-bit register `bits` ahead. The product of two reflected words comes
// out one bit low, as if divided by x; the exponents make up for it.
struct Fold {
  std::uint64_t low, high;  // for the register's first and second eight bytes
};
constexpr Fold fold_by(std::uint64_t bits) {
  return {crc_math::power_of_x(bits + 64 - 1, kGenerator),
          crc_math::power_of_x(bits - 1, kGenerator)};
}
constexpr Fold kBy128 = fold_by(128);
constexpr Fold kBy512 = fold_by(512);
constexpr Fold kBy2048 = fold_by(2048);

#define CAIRN_CLMUL __attribute__((target("pclmul,sse4.1")))

CAIRN_CLMUL inline __m128i multiplier(Fold f) {
  return _mm_set_epi64x(static_cast<long long>(f.high), static_cast<long long>(f.low));
}
CAIRN_CLMUL inline __m128i load(const std::byte* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
// `reg` moved ahead by the multiplier's distance, plus what is there.
CAIRN_CLMUL inline __m128i fold(__m128i reg, __m128i by, __m128i there) {
  const __m128i low = _mm_clmulepi64_si128(reg, by, 0x00);
  const __m128i high = _mm_clmulepi64_si128(reg, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), there);
}

// A register that stands for all bytes so far, and the bytes behind it. The tables reduce it like
// sixteen bytes of message.
CAIRN_CLMUL std::uint64_t reduce(__m128i r, const std::byte* p, std::size_t n) {
  const __m128i by128 = multiplier(kBy128);
  for (; n >= 16; p += 16, n -= 16) r = fold(r, by128, load(p));
  std::array<std::byte, 16> rest;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest.data()), r);
  return table_state(p, n, table_state(rest.data(), rest.size(), 0));
}

// REQUIRES: n >= 64.
CAIRN_CLMUL std::uint64_t clmul_state(const std::byte* p, std::size_t n, std::uint64_t state) {
  __m128i r0 = _mm_xor_si128(load(p), _mm_cvtsi64_si128(static_cast<long long>(state)));
  __m128i r1 = load(p + 16), r2 = load(p + 32), r3 = load(p + 48);
  p += 64;
  n -= 64;
  const __m128i by512 = multiplier(kBy512);
  for (; n >= 64; p += 64, n -= 64) {
    r0 = fold(r0, by512, load(p));
    r1 = fold(r1, by512, load(p + 16));
    r2 = fold(r2, by512, load(p + 32));
    r3 = fold(r3, by512, load(p + 48));
  }
  const __m128i by128 = multiplier(kBy128);
  return reduce(fold(fold(fold(r0, by128, r1), by128, r2), by128, r3), p, n);
}

// The same, four registers to a word.
#define CAIRN_WIDE __attribute__((target("avx512f,vpclmulqdq,pclmul,sse4.1")))

CAIRN_WIDE inline __m512i wide_multiplier(Fold f) {
  return _mm512_broadcast_i32x4(multiplier(f));
}
CAIRN_WIDE inline __m512i wide_load(const std::byte* p) {
  return _mm512_loadu_si512(p);
}
CAIRN_WIDE inline __m512i wide_fold(__m512i reg, __m512i by, __m512i there) {
  constexpr int kXorOfThree = 0x96;
  return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(reg, by, 0x00),
                                   _mm512_clmulepi64_epi128(reg, by, 0x11), there, kXorOfThree);
}

// REQUIRES: n >= 256.
CAIRN_WIDE std::uint64_t wide_state(const std::byte* p, std::size_t n, std::uint64_t state) {
  const __m128i first = _mm_cvtsi64_si128(static_cast<long long>(state));
  __m512i r0 = _mm512_xor_si512(wide_load(p), _mm512_zextsi128_si512(first));
  __m512i r1 = wide_load(p + 64), r2 = wide_load(p + 128), r3 = wide_load(p + 192);
  p += 256;
  n -= 256;
  const __m512i by2048 = wide_multiplier(kBy2048);
  for (; n >= 256; p += 256, n -= 256) {
    r0 = wide_fold(r0, by2048, wide_load(p));
    r1 = wide_fold(r1, by2048, wide_load(p + 64));
    r2 = wide_fold(r2, by2048, wide_load(p + 128));
    r3 = wide_fold(r3, by2048, wide_load(p + 192));
  }
  const __m512i by512 = wide_multiplier(kBy512);
  r0 = wide_fold(wide_fold(wide_fold(r0, by512, r1), by512, r2), by512, r3);
  for (; n >= 64; p += 64, n -= 64) r0 = wide_fold(r0, by512, wide_load(p));
  const __m128i by128 = multiplier(kBy128);
  __m128i r = fold(_mm512_castsi512_si128(r0), by128, _mm512_extracti32x4_epi32(r0, 1));
  r = fold(r, by128, _mm512_extracti32x4_epi32(r0, 2));
  r = fold(r, by128, _mm512_extracti32x4_epi32(r0, 3));
  return reduce(r, p, n);
}

#endif

std::uint64_t by_table(Bytes data, std::uint64_t previous) {
  return ~table_state(data.data(), data.size(), ~previous);
}

#if defined(__x86_64__)
std::uint64_t by_clmul(Bytes data, std::uint64_t previous) {
  if (data.size() < 64) return by_table(data, previous);
  return ~clmul_state(data.data(), data.size(), ~previous);
}
std::uint64_t by_wide_clmul(Bytes data, std::uint64_t previous) {
  if (data.size() < 256) return by_clmul(data, previous);
  return ~wide_state(data.data(), data.size(), ~previous);
}
#endif

std::vector<Crc64Engine> find_engines() {
  std::vector<Crc64Engine> engines{{"table", by_table}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
    engines.push_back({"pclmul", by_clmul});
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq"))
      engines.push_back({"vpclmulqdq", by_wide_clmul});
  }
#endif
  return engines;
}

}  // namespace

std::span<const Crc64Engine> crc64nvme_engines() {
  static const std::vector<Crc64Engine> engines = find_engines();
  return engines;
}

std::uint64_t crc64nvme(Bytes data, std::uint64_t previous) {
  static const auto best = crc64nvme_engines().back().crc;
  return best(data, previous);
}

}  // namespace cairn::crypto
