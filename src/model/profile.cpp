#include "model/profile.h"

#include <array>

namespace cairn::model {
namespace {

constexpr unsigned kMaxData = 16;
constexpr unsigned kMaxParity = 8;
constexpr unsigned kMaxDrives = 16;

// One or two decimal digits without a leading zero; -1 otherwise.
int parse_count(std::string_view text) {
  if (text.empty() || text.size() > 2 || (text.size() > 1 && text[0] == '0')) return -1;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = 10 * value + (c - '0');
  }
  return value;
}

}  // namespace

bool profile_is_allowed(unsigned data, unsigned parity) {
  return data >= 1 && data <= kMaxData && parity <= kMaxParity && data + parity <= kMaxDrives;
}

std::string ErasureProfile::text() const {
  return std::to_string(data) + "+" + std::to_string(parity);
}

Result<ErasureProfile> ErasureProfile::parse(std::string_view text) {
  const auto plus = text.find('+');
  const int k = plus == text.npos ? -1 : parse_count(text.substr(0, plus));
  const int m = plus == text.npos ? -1 : parse_count(text.substr(plus + 1));
  if (k < 0 || m < 0)
    return Error{Code::invalid_argument,
                 "an erasure profile is written DATA+PARITY, for example 4+2"};
  if (!profile_is_allowed(static_cast<unsigned>(k), static_cast<unsigned>(m)))
    return Error{Code::invalid_argument,
                 "an erasure profile has 1 to 16 data shards, up to 8 parity shards and at most 16 "
                 "of both together"};
  return ErasureProfile{static_cast<std::uint8_t>(k), static_cast<std::uint8_t>(m)};
}

ErasureProfile ErasureProfile::for_drives(std::size_t drives) {
  // Indexed by the number of drives. All drives are used; parity is a third to a quarter of them,
  // from three drives on at least two, so that a drive can be lost while another is being replaced.
  static constexpr std::array<ErasureProfile, 17> table = {{
      {1, 0},
      {1, 0},
      {1, 1},
      {1, 2},
      {2, 2},
      {3, 2},
      {4, 2},
      {5, 2},
      {5, 3},
      {6, 3},
      {7, 3},
      {8, 3},
      {8, 4},
      {9, 4},
      {10, 4},
      {11, 4},
      {12, 4},
  }};
  return table[drives < table.size() ? drives : table.size() - 1];
}

}  // namespace cairn::model
