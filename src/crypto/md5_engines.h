// The instruction sets that MD5's lanes are written for; md5_lanes.h has the functions to call.
// Included by what is compiled for one instruction set: nothing here may have inline code.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::crypto::detail {

struct Md5Kernel {
  unsigned lanes;
  // Advances the four words of each of `lanes` states by `blocks` whole blocks of its data.
  void (*run)(std::uint32_t* const* states, const std::byte* const* data, std::size_t blocks);
};

struct Md5Engine {
  const char* name;
  const Md5Kernel* kernels;  // in ascending number of lanes, each more than one; may be none
  std::size_t count;
};

extern const Md5Engine kMd5Avx2;
extern const Md5Engine kMd5Avx512;
extern const Md5Engine kMd5Neon;

}  // namespace cairn::crypto::detail
