// The rounds of MD5 (RFC 1321) over vectors, for whatever instruction set includes this. Everything
// is in an unnamed namespace and always inlined: each includer gets its own copy and shares none.
#pragma once

#include <cstddef>
#include <cstdint>

#define CAIRN_MD5_INLINE static inline __attribute__((always_inline))

// Makes the compiler have this value before it goes on. Sums are associative, and left to itself it
// adds what was known long ago last, where the next step waits for it.
#if defined(__x86_64__)
#define CAIRN_MD5_SETTLE(vector) asm("" : "+v"(vector))
#else
#define CAIRN_MD5_SETTLE(vector) asm("" : "+w"(vector))
#endif

namespace cairn::crypto::detail {
namespace {

constexpr std::uint32_t kSines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
constexpr int kTurns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

constexpr int word_of(int step) {
  switch (step / 16) {
    case 0:
      return step;
    case 1:
      return (5 * step + 1) % 16;
    case 2:
      return (3 * step + 5) % 16;
    default:
      return 7 * step % 16;
  }
}

// V is a vector of V::kLanes words: a type Reg and the operations used here. `kGroups` vectors are
// worked on in turns, so that the steps of one fill the waits of the other's.
template <class V, int kGroups>
struct Md5Rounds {
  using Reg = typename V::Reg;
  static constexpr int kLanes = V::kLanes * kGroups;

  template <int kStep>
  CAIRN_MD5_INLINE void step(Reg (&s)[kGroups][4], const Reg (&x)[kGroups][16]) {
    constexpr int a = (64 - kStep) % 4, b = (a + 1) % 4, c = (a + 2) % 4, d = (a + 3) % 4;
    const Reg sine = V::all(kSines[kStep]);
#pragma clang loop unroll(full)
    for (int g = 0; g < kGroups; ++g) {
      Reg* w = s[g];
      // The sum of what has been known for long comes first: b alone is new.
      Reg sum = V::add(w[a], V::add(x[g][word_of(kStep)], sine));
      CAIRN_MD5_SETTLE(sum);
      if constexpr (kStep < 16)
        sum = V::add_f(sum, w[b], w[c], w[d]);
      else if constexpr (kStep < 32)
        sum = V::add_g(sum, w[b], w[c], w[d]);
      else if constexpr (kStep < 48)
        sum = V::add_h(sum, w[b], w[c], w[d]);
      else
        sum = V::add_i(sum, w[b], w[c], w[d]);
      w[a] = V::add(w[b], V::template rotate<kTurns[kStep / 16][kStep % 4]>(sum));
    }
  }

  template <int kStep = 0>
  CAIRN_MD5_INLINE void steps(Reg (&s)[kGroups][4], const Reg (&x)[kGroups][16]) {
    step<kStep>(s, x);
    if constexpr (kStep < 63) steps<kStep + 1>(s, x);
  }

  static void run(std::uint32_t* const* states, const std::byte* const* data, std::size_t blocks) {
    alignas(64) std::uint32_t words[kGroups][4][V::kLanes];
    const std::byte* at[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      at[i] = data[i];
      for (int w = 0; w < 4; ++w) words[i / V::kLanes][w][i % V::kLanes] = states[i][w];
    }
    Reg s[kGroups][4];
    for (int g = 0; g < kGroups; ++g) {
      for (int w = 0; w < 4; ++w) s[g][w] = V::load(words[g][w]);
    }
    for (std::size_t block = 0; block < blocks; ++block) {
      Reg x[kGroups][16], before[kGroups][4];
#pragma clang loop unroll(full)
      for (int g = 0; g < kGroups; ++g) {
        V::load_block(at + g * V::kLanes, block * 64, x[g]);
        for (int w = 0; w < 4; ++w) before[g][w] = s[g][w];
      }
      steps(s, x);
#pragma clang loop unroll(full)
      for (int g = 0; g < kGroups; ++g) {
        for (int w = 0; w < 4; ++w) s[g][w] = V::add(s[g][w], before[g][w]);
      }
    }
    for (int g = 0; g < kGroups; ++g) {
      for (int w = 0; w < 4; ++w) V::store(words[g][w], s[g][w]);
    }
    for (int i = 0; i < kLanes; ++i) {
      for (int w = 0; w < 4; ++w) states[i][w] = words[i / V::kLanes][w][i % V::kLanes];
    }
  }
};

}  // namespace
}  // namespace cairn::crypto::detail
