#include "s3/rfc2047.h"

#include <algorithm>
#include <optional>

#include "crypto/digest.h"
#include "s3/xml.h"

namespace cairn::s3 {
namespace {

std::string latin1_to_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() * 2);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0 | byte >> 6);
      out += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return out;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::optional<std::string> decode_q(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      out += ' ';
    } else if (text[i] != '=') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const auto high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (!high || !low) return std::nullopt;
      out += static_cast<char>(*high << 4 | *low);
      i += 2;
    }
  }
  return out;
}

struct Word {
  std::string text;
  std::size_t length = 0;  // of the encoded form
};

// The encoded word that starts here: =?charset?B-or-Q?text?=
std::optional<Word> decode_word(std::string_view text) {
  if (!text.starts_with("=?")) return std::nullopt;
  const auto charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size() ||
      text[charset_end + 2] != '?') {
    return std::nullopt;
  }
  const auto end = text.find("?=", charset_end + 3);
  if (end == std::string_view::npos) return std::nullopt;
  const auto body = text.substr(charset_end + 3, end - charset_end - 3);
  std::optional<std::string> raw;
  switch (text[charset_end + 1]) {
    case 'B':
    case 'b':
      raw = crypto::from_base64(body);
      break;
    case 'Q':
    case 'q':
      raw = decode_q(body);
      break;
    default:
      return std::nullopt;
  }
  if (!raw) return std::nullopt;
  auto charset = text.substr(2, charset_end - 2);
  charset = charset.substr(0, charset.find('*'));  // RFC 2231 language
  if (equals_ignoring_case(charset, "iso-8859-1")) {
    raw = latin1_to_utf8(*raw);
  } else if ((!equals_ignoring_case(charset, "utf-8") &&
              !equals_ignoring_case(charset, "us-ascii")) ||
             !is_utf8(*raw)) {
    return std::nullopt;
  }
  return Word{std::move(*raw), end + 2};
}

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7E; }) &&
         (text.empty() || (text.front() != ' ' && text.back() != ' '));
}

}  // namespace

std::string decode_header_text(std::string_view value) {
  if (value.find("=?") == std::string_view::npos) {
    return is_utf8(value) ? std::string(value) : latin1_to_utf8(value);
  }
  std::string out;
  bool after_word = false;
  for (std::size_t i = 0; i < value.size();) {
    const auto word = decode_word(value.substr(i));
    if (word) {
      out += word->text;
      i += word->length;
      after_word = true;
      continue;
    }
    if (after_word && value[i] == ' ') {  // space between two encoded words is no text
      const auto next = value.find_first_not_of(' ', i);
      if (next != std::string_view::npos && decode_word(value.substr(next))) {
        i = next;
        continue;
      }
    }
    after_word = false;
    out += value[i++];
  }
  return is_utf8(out) ? out : latin1_to_utf8(out);
}

std::string encode_header_text(std::string_view utf8) {
  if (is_plain(utf8)) return std::string(utf8);
  return "=?UTF-8?B?" + crypto::to_base64(io::as_bytes(utf8)) + "?=";
}

}  // namespace cairn::s3
