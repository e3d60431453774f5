// Strong types: an id, index or count of one kind cannot be passed where another is meant.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

// A named unsigned number. Tag is an empty struct that names the kind.
template <class Tag, class T = std::uint64_t>
struct Number {
  T value{};
  constexpr Number() = default;
  constexpr explicit Number(T v) : value(v) {}
  constexpr auto operator<=>(const Number&) const = default;
};

// A 128-bit identifier. Text form: 32 lower-case hex digits.
template <class Tag>
struct Id128 {
  std::array<std::uint8_t, 16> bytes{};
  constexpr auto operator<=>(const Id128&) const = default;
  constexpr bool is_zero() const { return *this == Id128{}; }
  std::string hex() const {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out(32, '0');
    for (std::size_t i = 0; i < 16; ++i) {
      out[2 * i] = digits[bytes[i] >> 4];
      out[2 * i + 1] = digits[bytes[i] & 15];
    }
    return out;
  }
  static std::optional<Id128> from_hex(std::string_view text) {
    if (text.size() != 32) return std::nullopt;
    Id128 id;
    for (std::size_t i = 0; i < 32; ++i) {
      const char c = text[i];
      int digit;
      if (c >= '0' && c <= '9') digit = c - '0';
      else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
      else return std::nullopt;
      id.bytes[i / 2] = static_cast<std::uint8_t>(id.bytes[i / 2] << 4 | digit);
    }
    return id;
  }
  // The 16 raw bytes, for keys on disk.
  std::string_view raw() const { return {reinterpret_cast<const char*>(bytes.data()), 16}; }
  static std::optional<Id128> from_raw(std::string_view raw) {
    if (raw.size() != 16) return std::nullopt;
    Id128 id;
    std::memcpy(id.bytes.data(), raw.data(), 16);
    return id;
  }
};

}  // namespace cairn

template <class Tag, class T>
struct std::hash<cairn::Number<Tag, T>> {
  std::size_t operator()(const cairn::Number<Tag, T>& n) const noexcept { return std::hash<T>{}(n.value); }
};
template <class Tag>
struct std::hash<cairn::Id128<Tag>> {
  std::size_t operator()(const cairn::Id128<Tag>& id) const noexcept {
    std::uint64_t a, b;
    std::memcpy(&a, id.bytes.data(), 8);
    std::memcpy(&b, id.bytes.data() + 8, 8);
    return static_cast<std::size_t>(a * 0x9E3779B97F4A7C15ull ^ b);
  }
};
