// Hex and base64, and comparing secrets.
#include <array>

#include "crypto/digest.h"

namespace cairn::crypto {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto make_base64_values() {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kBase64.size(); ++i)
    values[static_cast<unsigned char>(kBase64[i])] = static_cast<std::int8_t>(i);
  return values;
}
constexpr auto kBase64Values = make_base64_values();

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_hex(Bytes raw) {
  std::string out(2 * raw.size(), '\0');
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const auto b = static_cast<std::uint8_t>(raw[i]);
    out[2 * i] = kHex[b >> 4];
    out[2 * i + 1] = kHex[b & 15];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string out(hex.size() / 2, '\0');
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string to_base64(Bytes raw) {
  std::string out((raw.size() + 2) / 3 * 4, '=');
  for (std::size_t i = 0, o = 0; i < raw.size(); i += 3, o += 4) {
    const std::size_t n = std::min<std::size_t>(3, raw.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j)
      bits = bits << 8 | (j < n ? static_cast<std::uint8_t>(raw[i + j]) : 0u);
    for (std::size_t j = 0; j <= n; ++j) out[o + j] = kBase64[(bits >> (18 - 6 * j)) & 63];
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const std::size_t n = i + 4 == text.size() ? 4 - padding : 4;
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const int value = kBase64Values[static_cast<unsigned char>(text[i + j])];
      if (value < 0) return std::nullopt;
      bits |= static_cast<std::uint32_t>(value) << (18 - 6 * j);
    }
    for (std::size_t j = 0; j + 1 < n; ++j)
      out.push_back(static_cast<char>(bits >> (16 - 8 * j) & 0xFF));
    // Bits that no byte takes are zero, so that every value has one text.
    if (n < 4 && (bits & (n == 3 ? 0xFFu : 0xFFFFu)) != 0) return std::nullopt;
  }
  return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  // Keeps the compiler from leaving the loop early.
  __asm__ volatile("" : "+r"(difference));
  return difference == 0;
}

}  // namespace cairn::crypto
