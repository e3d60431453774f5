// MD5 in lanes for AVX2; compiled with it and chosen at run time. Nothing of the standard library's
// inline functions may come in here: the linker might take their AVX2 copies for everybody.
#if defined(__x86_64__)

#include <immintrin.h>

#include "crypto/md5_engines.h"
#include "crypto/md5_kernel.h"

namespace cairn::crypto::detail {
namespace {

struct Four {
  using Reg = __m128i;
  static constexpr int kLanes = 4;

  CAIRN_MD5_INLINE Reg load(const std::uint32_t* at) {
    return _mm_load_si128(reinterpret_cast<const Reg*>(at));
  }
  CAIRN_MD5_INLINE void store(std::uint32_t* at, Reg v) {
    _mm_store_si128(reinterpret_cast<Reg*>(at), v);
  }
  CAIRN_MD5_INLINE Reg all(std::uint32_t v) { return _mm_set1_epi32(static_cast<int>(v)); }
  CAIRN_MD5_INLINE Reg add(Reg a, Reg b) { return _mm_add_epi32(a, b); }
  template <int kBits>
  CAIRN_MD5_INLINE Reg rotate(Reg v) {
    return _mm_or_si128(_mm_slli_epi32(v, kBits), _mm_srli_epi32(v, 32 - kBits));
  }
  CAIRN_MD5_INLINE Reg add_f(Reg sum, Reg b, Reg c, Reg d) {
    return add(sum, _mm_xor_si128(d, _mm_and_si128(b, _mm_xor_si128(c, d))));
  }
  // No bit is in both halves of G, so the half without b can join the sum early.
  CAIRN_MD5_INLINE Reg add_g(Reg sum, Reg b, Reg c, Reg d) {
    sum = add(sum, _mm_andnot_si128(d, c));
    CAIRN_MD5_SETTLE(sum);
    return add(sum, _mm_and_si128(d, b));
  }
  CAIRN_MD5_INLINE Reg add_h(Reg sum, Reg b, Reg c, Reg d) {
    return add(sum, _mm_xor_si128(b, _mm_xor_si128(c, d)));
  }
  CAIRN_MD5_INLINE Reg add_i(Reg sum, Reg b, Reg c, Reg d) {
    return add(sum, _mm_xor_si128(c, _mm_or_si128(b, _mm_xor_si128(d, _mm_set1_epi32(-1)))));
  }
  CAIRN_MD5_INLINE Reg part(const std::byte* at) {
    return _mm_loadu_si128(reinterpret_cast<const Reg*>(at));
  }
  CAIRN_MD5_INLINE void load_block(const std::byte* const* at, std::size_t offset, Reg (&x)[16]) {
#pragma clang loop unroll(full)
    for (int q = 0; q < 4; ++q) {
      const Reg r0 = part(at[0] + offset + 16 * q), r1 = part(at[1] + offset + 16 * q);
      const Reg r2 = part(at[2] + offset + 16 * q), r3 = part(at[3] + offset + 16 * q);
      const Reg t0 = _mm_unpacklo_epi32(r0, r1), t1 = _mm_unpacklo_epi32(r2, r3);
      const Reg t2 = _mm_unpackhi_epi32(r0, r1), t3 = _mm_unpackhi_epi32(r2, r3);
      x[4 * q] = _mm_unpacklo_epi64(t0, t1);
      x[4 * q + 1] = _mm_unpackhi_epi64(t0, t1);
      x[4 * q + 2] = _mm_unpacklo_epi64(t2, t3);
      x[4 * q + 3] = _mm_unpackhi_epi64(t2, t3);
    }
  }
};

struct Eight {
  using Reg = __m256i;
  static constexpr int kLanes = 8;

  CAIRN_MD5_INLINE Reg load(const std::uint32_t* at) {
    return _mm256_load_si256(reinterpret_cast<const Reg*>(at));
  }
  CAIRN_MD5_INLINE void store(std::uint32_t* at, Reg v) {
    _mm256_store_si256(reinterpret_cast<Reg*>(at), v);
  }
  CAIRN_MD5_INLINE Reg all(std::uint32_t v) { return _mm256_set1_epi32(static_cast<int>(v)); }
  CAIRN_MD5_INLINE Reg add(Reg a, Reg b) { return _mm256_add_epi32(a, b); }
  template <int kBits>
  CAIRN_MD5_INLINE Reg rotate(Reg v) {
    return _mm256_or_si256(_mm256_slli_epi32(v, kBits), _mm256_srli_epi32(v, 32 - kBits));
  }
  CAIRN_MD5_INLINE Reg add_f(Reg sum, Reg b, Reg c, Reg d) {
    return add(sum, _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d))));
  }
  CAIRN_MD5_INLINE Reg add_g(Reg sum, Reg b, Reg c, Reg d) {
    sum = add(sum, _mm256_andnot_si256(d, c));
    CAIRN_MD5_SETTLE(sum);
    return add(sum, _mm256_and_si256(d, b));
  }
  CAIRN_MD5_INLINE Reg add_h(Reg sum, Reg b, Reg c, Reg d) {
    return add(sum, _mm256_xor_si256(b, _mm256_xor_si256(c, d)));
  }
  CAIRN_MD5_INLINE Reg add_i(Reg sum, Reg b, Reg c, Reg d) {
    const Reg not_d = _mm256_xor_si256(d, _mm256_set1_epi32(-1));
    return add(sum, _mm256_xor_si256(c, _mm256_or_si256(b, not_d)));
  }
  // Sixteen bytes of two streams, four apart.
  CAIRN_MD5_INLINE Reg parts(const std::byte* const* at, std::size_t offset) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(Four::part(at[0] + offset)),
                                   Four::part(at[4] + offset), 1);
  }
  CAIRN_MD5_INLINE void load_block(const std::byte* const* at, std::size_t offset, Reg (&x)[16]) {
#pragma clang loop unroll(full)
    for (int q = 0; q < 4; ++q) {
      const std::size_t o = offset + static_cast<std::size_t>(16 * q);
      const Reg r0 = parts(at, o), r1 = parts(at + 1, o);
      const Reg r2 = parts(at + 2, o), r3 = parts(at + 3, o);
      const Reg t0 = _mm256_unpacklo_epi32(r0, r1), t1 = _mm256_unpacklo_epi32(r2, r3);
      const Reg t2 = _mm256_unpackhi_epi32(r0, r1), t3 = _mm256_unpackhi_epi32(r2, r3);
      x[4 * q] = _mm256_unpacklo_epi64(t0, t1);
      x[4 * q + 1] = _mm256_unpackhi_epi64(t0, t1);
      x[4 * q + 2] = _mm256_unpacklo_epi64(t2, t3);
      x[4 * q + 3] = _mm256_unpackhi_epi64(t2, t3);
    }
  }
};

constexpr Md5Kernel kKernels[] = {
    {4, Md5Rounds<Four, 1>::run}, {8, Md5Rounds<Eight, 1>::run}, {16, Md5Rounds<Eight, 2>::run}};

}  // namespace

const Md5Engine kMd5Avx2{"avx2", kKernels, 3};

}  // namespace cairn::crypto::detail

#endif
