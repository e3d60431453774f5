// Erasure profiles and the quorums that follow from them (protocol.md 1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cairn::model {

struct ErasureProfile {
  std::uint8_t data = 1;    // k
  std::uint8_t parity = 0;  // m
  constexpr auto operator<=>(const ErasureProfile&) const = default;

  constexpr unsigned drives() const { return data + parity; }  // N
  // Write quorum W. `per_node`: the most drives f of one partition on one node (needs m >= 2f where f > 1).
  constexpr unsigned write_quorum(unsigned per_node = 1) const {
    if (per_node > 1) return data + per_node;
    if (parity >= 2) return data + 1u;
    if (parity == 1 && data >= 2) return data;
    return drives();
  }
  constexpr unsigned read_quorum(unsigned per_node = 1) const { return drives() - write_quorum(per_node) + 1; }  // R
  constexpr unsigned fence_quorum(unsigned per_node = 1) const {                                                 // F
    const unsigned w = write_quorum(per_node), r = read_quorum(per_node);
    return w > r ? w : r;
  }

  std::string text() const;                                   // "4+2"
  static Result<ErasureProfile> parse(std::string_view text);  // 1 <= k <= 16, 0 <= m <= 8, k + m <= 16 ...
  // The default for a number of drives (design.md 4).
  static ErasureProfile for_drives(std::size_t drives);
};

// 1 <= data <= 16, parity <= 8, data + parity <= 16. What parse() accepts and what readers of stored profiles check.
bool profile_is_allowed(unsigned data, unsigned parity);

constexpr bool profile_is_sound(ErasureProfile p) {
  const unsigned w = p.write_quorum(), r = p.read_quorum();
  return r + w > p.drives() && w >= p.data && w <= p.drives() && r >= 1;
}
static_assert(profile_is_sound({1, 0}) && profile_is_sound({1, 1}) && profile_is_sound({1, 2}) &&
              profile_is_sound({2, 1}) && profile_is_sound({2, 2}) && profile_is_sound({3, 2}) &&
              profile_is_sound({4, 2}) && profile_is_sound({5, 3}) && profile_is_sound({8, 4}) &&
              profile_is_sound({12, 4}));

}  // namespace cairn::model
