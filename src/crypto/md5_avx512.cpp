// MD5 in lanes for AVX-512 (F and VL), which has each of MD5's functions and its rotation as one
// instruction. Compiled with it and chosen at run time; as in md5_avx2.cpp, no inline functions of
// the standard library may come in here.
#if defined(__x86_64__)

#include <immintrin.h>

#include "crypto/md5_engines.h"
#include "crypto/md5_kernel.h"

namespace cairn::crypto::detail {
namespace {

// The functions of the four rounds as truth tables over (b, c, d).
constexpr int kF = 0xCA, kG = 0xE4, kH = 0x96, kI = 0x39;

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
    return _mm_rol_epi32(v, kBits);
  }
  template <int kTable>
  CAIRN_MD5_INLINE Reg function(Reg b, Reg c, Reg d) {
    return _mm_ternarylogic_epi32(b, c, d, kTable);
  }
  CAIRN_MD5_INLINE Reg parts(const std::byte* const* at, std::size_t offset) {
    return _mm_loadu_si128(reinterpret_cast<const Reg*>(at[0] + offset));
  }
  CAIRN_MD5_INLINE Reg low32(Reg a, Reg b) { return _mm_unpacklo_epi32(a, b); }
  CAIRN_MD5_INLINE Reg high32(Reg a, Reg b) { return _mm_unpackhi_epi32(a, b); }
  CAIRN_MD5_INLINE Reg low64(Reg a, Reg b) { return _mm_unpacklo_epi64(a, b); }
  CAIRN_MD5_INLINE Reg high64(Reg a, Reg b) { return _mm_unpackhi_epi64(a, b); }
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
    return _mm256_rol_epi32(v, kBits);
  }
  template <int kTable>
  CAIRN_MD5_INLINE Reg function(Reg b, Reg c, Reg d) {
    return _mm256_ternarylogic_epi32(b, c, d, kTable);
  }
  CAIRN_MD5_INLINE Reg parts(const std::byte* const* at, std::size_t offset) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(Four::parts(at, offset)),
                                   Four::parts(at + 4, offset), 1);
  }
  CAIRN_MD5_INLINE Reg low32(Reg a, Reg b) { return _mm256_unpacklo_epi32(a, b); }
  CAIRN_MD5_INLINE Reg high32(Reg a, Reg b) { return _mm256_unpackhi_epi32(a, b); }
  CAIRN_MD5_INLINE Reg low64(Reg a, Reg b) { return _mm256_unpacklo_epi64(a, b); }
  CAIRN_MD5_INLINE Reg high64(Reg a, Reg b) { return _mm256_unpackhi_epi64(a, b); }
};

struct Sixteen {
  using Reg = __m512i;
  static constexpr int kLanes = 16;

  CAIRN_MD5_INLINE Reg load(const std::uint32_t* at) { return _mm512_load_si512(at); }
  CAIRN_MD5_INLINE void store(std::uint32_t* at, Reg v) { _mm512_store_si512(at, v); }
  CAIRN_MD5_INLINE Reg all(std::uint32_t v) { return _mm512_set1_epi32(static_cast<int>(v)); }
  CAIRN_MD5_INLINE Reg add(Reg a, Reg b) { return _mm512_add_epi32(a, b); }
  template <int kBits>
  CAIRN_MD5_INLINE Reg rotate(Reg v) {
    return _mm512_rol_epi32(v, kBits);
  }
  template <int kTable>
  CAIRN_MD5_INLINE Reg function(Reg b, Reg c, Reg d) {
    return _mm512_ternarylogic_epi32(b, c, d, kTable);
  }
  CAIRN_MD5_INLINE Reg parts(const std::byte* const* at, std::size_t offset) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(Eight::parts(at, offset)),
                              Eight::parts(at + 8, offset), 1);
  }
  CAIRN_MD5_INLINE Reg low32(Reg a, Reg b) { return _mm512_unpacklo_epi32(a, b); }
  CAIRN_MD5_INLINE Reg high32(Reg a, Reg b) { return _mm512_unpackhi_epi32(a, b); }
  CAIRN_MD5_INLINE Reg low64(Reg a, Reg b) { return _mm512_unpacklo_epi64(a, b); }
  CAIRN_MD5_INLINE Reg high64(Reg a, Reg b) { return _mm512_unpackhi_epi64(a, b); }
};

template <class V>
struct Lanes : V {
  using Reg = typename V::Reg;

  CAIRN_MD5_INLINE Reg add_f(Reg sum, Reg b, Reg c, Reg d) {
    return V::add(sum, V::template function<kF>(b, c, d));
  }
  CAIRN_MD5_INLINE Reg add_g(Reg sum, Reg b, Reg c, Reg d) {
    return V::add(sum, V::template function<kG>(b, c, d));
  }
  CAIRN_MD5_INLINE Reg add_h(Reg sum, Reg b, Reg c, Reg d) {
    return V::add(sum, V::template function<kH>(b, c, d));
  }
  CAIRN_MD5_INLINE Reg add_i(Reg sum, Reg b, Reg c, Reg d) {
    return V::add(sum, V::template function<kI>(b, c, d));
  }
  // Word w of every stream becomes the vector x[w]: a register holds sixteen bytes of the streams
  // r, r + 4, r + 8 and so on, of which four registers are transposed within their 128 bits.
  CAIRN_MD5_INLINE void load_block(const std::byte* const* at, std::size_t offset, Reg (&x)[16]) {
#pragma clang loop unroll(full)
    for (int q = 0; q < 4; ++q) {
      const std::size_t o = offset + static_cast<std::size_t>(16 * q);
      const Reg r0 = V::parts(at, o), r1 = V::parts(at + 1, o);
      const Reg r2 = V::parts(at + 2, o), r3 = V::parts(at + 3, o);
      const Reg t0 = V::low32(r0, r1), t1 = V::low32(r2, r3);
      const Reg t2 = V::high32(r0, r1), t3 = V::high32(r2, r3);
      x[4 * q] = V::low64(t0, t1);
      x[4 * q + 1] = V::high64(t0, t1);
      x[4 * q + 2] = V::low64(t2, t3);
      x[4 * q + 3] = V::high64(t2, t3);
    }
  }
};

constexpr Md5Kernel kKernels[] = {{4, Md5Rounds<Lanes<Four>, 1>::run},
                                  {8, Md5Rounds<Lanes<Eight>, 1>::run},
                                  {16, Md5Rounds<Lanes<Sixteen>, 1>::run}};

}  // namespace

const Md5Engine kMd5Avx512{"avx512", kKernels, 3};

}  // namespace cairn::crypto::detail

#endif
