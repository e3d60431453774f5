// MD5 in lanes for 64-bit ARM, where NEON is always there.
#if defined(__aarch64__)

#include <arm_neon.h>

#include "crypto/md5_engines.h"
#include "crypto/md5_kernel.h"

namespace cairn::crypto::detail {
namespace {

struct Four {
  using Reg = uint32x4_t;
  static constexpr int kLanes = 4;

  CAIRN_MD5_INLINE Reg load(const std::uint32_t* at) { return vld1q_u32(at); }
  CAIRN_MD5_INLINE void store(std::uint32_t* at, Reg v) { vst1q_u32(at, v); }
  CAIRN_MD5_INLINE Reg all(std::uint32_t v) { return vdupq_n_u32(v); }
  CAIRN_MD5_INLINE Reg add(Reg a, Reg b) { return vaddq_u32(a, b); }
  template <int kBits>
  CAIRN_MD5_INLINE Reg rotate(Reg v) {
    return vsriq_n_u32(vshlq_n_u32(v, kBits), v, 32 - kBits);
  }
  CAIRN_MD5_INLINE Reg add_f(Reg sum, Reg b, Reg c, Reg d) { return add(sum, vbslq_u32(b, c, d)); }
  CAIRN_MD5_INLINE Reg add_g(Reg sum, Reg b, Reg c, Reg d) { return add(sum, vbslq_u32(d, b, c)); }
  CAIRN_MD5_INLINE Reg add_h(Reg sum, Reg b, Reg c, Reg d) {
    return add(sum, veorq_u32(b, veorq_u32(c, d)));
  }
  CAIRN_MD5_INLINE Reg add_i(Reg sum, Reg b, Reg c, Reg d) {
    return add(sum, veorq_u32(c, vornq_u32(b, d)));
  }
  CAIRN_MD5_INLINE uint64x2_t wide(Reg v) { return vreinterpretq_u64_u32(v); }
  CAIRN_MD5_INLINE Reg part(const std::byte* at) {
    return vreinterpretq_u32_u8(vld1q_u8(reinterpret_cast<const std::uint8_t*>(at)));
  }
  CAIRN_MD5_INLINE void load_block(const std::byte* const* at, std::size_t offset, Reg (&x)[16]) {
#pragma clang loop unroll(full)
    for (int q = 0; q < 4; ++q) {
      const std::size_t o = offset + static_cast<std::size_t>(16 * q);
      const Reg r0 = part(at[0] + o), r1 = part(at[1] + o);
      const Reg r2 = part(at[2] + o), r3 = part(at[3] + o);
      const Reg t0 = vzip1q_u32(r0, r1), t1 = vzip1q_u32(r2, r3);
      const Reg t2 = vzip2q_u32(r0, r1), t3 = vzip2q_u32(r2, r3);
      x[4 * q] = vreinterpretq_u32_u64(vzip1q_u64(wide(t0), wide(t1)));
      x[4 * q + 1] = vreinterpretq_u32_u64(vzip2q_u64(wide(t0), wide(t1)));
      x[4 * q + 2] = vreinterpretq_u32_u64(vzip1q_u64(wide(t2), wide(t3)));
      x[4 * q + 3] = vreinterpretq_u32_u64(vzip2q_u64(wide(t2), wide(t3)));
    }
  }
};

constexpr Md5Kernel kKernels[] = {{4, Md5Rounds<Four, 1>::run}, {8, Md5Rounds<Four, 2>::run}};

}  // namespace

const Md5Engine kMd5Neon{"neon", kKernels, 2};

}  // namespace cairn::crypto::detail

#endif
