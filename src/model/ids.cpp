#include "model/ids.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace cairn::model {
namespace {

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// Four groups of digits, as in 192.168.5.4: virtual-host addressing could not tell it from an
// address.
bool looks_like_ip_address(std::string_view text) {
  int dots = 0;
  for (const char c : text) {
    if (c == '.')
      ++dots;
    else if (c < '0' || c > '9')
      return false;
  }
  return dots == 3;
}

// Names that AWS keeps for its own use.
bool is_reserved(std::string_view text) {
  static constexpr std::array<std::string_view, 3> prefixes = {"xn--", "sthree-", "amzn-s3-demo-"};
  static constexpr std::array<std::string_view, 5> suffixes = {"-s3alias", "--ol-s3", ".mrap",
                                                               "--x-s3", "--table-s3"};
  for (const auto p : prefixes)
    if (text.starts_with(p)) return true;
  for (const auto s : suffixes)
    if (text.ends_with(s)) return true;
  return false;
}

// Empty if `text` is a bucket name, else why not.
std::string_view bucket_name_fault(std::string_view text) {
  if (text.size() < 3 || text.size() > 63) return "a bucket name has 3 to 63 characters";
  char previous = '.';
  for (const char c : text) {
    if (!is_lower_alnum(c) && c != '.' && c != '-')
      return "a bucket name consists of lowercase letters, digits, dots and hyphens";
    // Every label between dots is a DNS label.
    if (!is_lower_alnum(c) && previous == '.')
      return "a bucket name, and what follows a dot in it, begins with a letter or a digit";
    if (c == '.' && previous == '-') return "a hyphen in a bucket name is not followed by a dot";
    previous = c;
  }
  if (!is_lower_alnum(previous)) return "a bucket name ends with a letter or a digit";
  if (looks_like_ip_address(text)) return "a bucket name is not formatted as an IP address";
  if (is_reserved(text)) return "this prefix or suffix of a bucket name is reserved";
  return {};
}

// Length of the well-formed UTF-8 sequence at the front of `s` (Unicode table 3-7: no overlong
// forms, no surrogates, nothing above U+10FFFF); 0 if there is none.
std::size_t utf8_sequence(const unsigned char* s, std::size_t left) {
  const unsigned char lead = s[0];
  if (lead < 0x80) return 1;
  unsigned char low = 0x80, high = 0xBF;  // bounds of the second byte
  std::size_t length;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (left < length || s[1] < low || s[1] > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (s[i] < 0x80 || s[i] > 0xBF) return 0;
  return length;
}

bool is_utf8(std::string_view text) {
  const auto* s = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t i = 0;
  while (i < text.size()) {
    // Eight ASCII bytes at once: nearly all keys are ASCII.
    std::uint64_t word;
    if (text.size() - i >= sizeof word) {
      std::memcpy(&word, s + i, sizeof word);
      if ((word & 0x8080808080808080ull) == 0) {
        i += sizeof word;
        continue;
      }
    }
    const std::size_t n = utf8_sequence(s + i, text.size() - i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}

void put_hex64(std::uint64_t value, char* out) {
  static constexpr char digits[] = "0123456789abcdef";
  for (int i = 15; i >= 0; --i, value >>= 4) out[i] = digits[value & 15];
}

bool get_hex64(std::string_view text, std::uint64_t& value) {
  value = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9')
      value = value << 4 | static_cast<std::uint64_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value << 4 | static_cast<std::uint64_t>(c - 'a' + 10);
    else
      return false;
  }
  return true;
}

}  // namespace

ValueId make_value_id(std::int64_t unix_ms, const std::array<std::uint8_t, 16>& random) {
  ValueId id;
  id.bytes = random;
  const auto ms = static_cast<std::uint64_t>(unix_ms);
  for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (8 * (5 - i)));
  return id;
}

ValueId value_id_of_upload(const UploadId& upload) {
  // A one-to-one mapping, so that two uploads never share a value id. The first six bytes stay:
  // they are the time, where the upload's id begins with one. The flipped bit makes the result
  // differ from the upload id for certain.
  ValueId id;
  id.bytes = upload.bytes;
  id.bytes[6] ^= 0x80;
  std::uint64_t x = 0;
  for (std::size_t i = 8; i < 16; ++i) x = x << 8 | id.bytes[i];
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  x ^= x >> 31;
  for (std::size_t i = 16; i-- > 8; x >>= 8) id.bytes[i] = static_cast<std::uint8_t>(x);
  return id;
}

Result<BucketName> BucketName::parse(std::string_view text) {
  const auto fault = bucket_name_fault(text);
  if (!fault.empty()) return Error{Code::invalid_bucket_name, std::string(fault)};
  return BucketName(std::string(text));
}

Result<ObjectKey> ObjectKey::parse(std::string_view text) {
  if (text.empty()) return Error{Code::invalid_argument, "an object key has at least one byte"};
  if (text.size() > 1024) return Error{Code::key_too_long, "an object key has at most 1024 bytes"};
  if (!is_utf8(text)) return Error{Code::invalid_uri, "an object key is valid UTF-8"};
  return ObjectKey(std::string(text));
}

std::string VersionId::text() const {
  if (null) return "null";
  std::string out(32, '0');
  put_hex64(order.term, out.data());
  put_hex64(order.sequence, out.data() + 16);
  return out;
}

Result<VersionId> VersionId::parse(std::string_view text) {
  if (text == "null") return null_version();
  Stamp order;
  // The zero stamp is before all writes: no version was ever created on it.
  if (text.size() != 32 || !get_hex64(text.substr(0, 16), order.term) ||
      !get_hex64(text.substr(16), order.sequence) || order.is_zero())
    return Error{Code::illegal_version_id, "this version id cannot have been given out"};
  return of(order);
}

}  // namespace cairn::model
