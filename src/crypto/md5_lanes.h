// MD5 of several streams side by side, in the lanes of vector registers: one stream alone cannot be
// hashed faster than its chain of dependent steps, but eight or sixteen take hardly longer than
// one. Pure functions over values that the caller owns; thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "crypto/digest.h"

namespace cairn::crypto {

// A digest on its way: what was hashed so far. A plain value that may be copied and resumed.
struct Md5State {
  std::array<std::uint32_t, 4> words{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
  std::uint64_t length = 0;  // bytes hashed
  std::array<std::byte, 64>
      partial{};  // the first length % 64 of them wait for the rest of a block
};

// The next bytes of one stream, of any length.
struct Md5Piece {
  Md5State* state;  // outlives the call
  Bytes data{};
};

// Advances every stream by its piece. Streams that end sooner make room for those that wait.
// REQUIRES: no two pieces of one call share a state.
void md5_update(std::span<const Md5Piece> pieces);
Md5Digest md5_finish(const Md5State& state);

// How many streams at once this machine hashes best; 1: it has no lanes.
unsigned md5_lanes();

}  // namespace cairn::crypto
