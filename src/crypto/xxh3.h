// XXH3 compiled for a processor with AVX2; digest.h has the function to call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::crypto::detail {
std::uint64_t xxh3_64_avx2(const void* data, std::size_t length, std::uint64_t seed);
}
