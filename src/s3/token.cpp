#include "s3/token.h"

#include <algorithm>

#include "crypto/digest.h"
#include "s3/error.h"

namespace cairn::s3 {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kHead = 9;
constexpr std::uint64_t kSeed =
    0x6C6973742D746F6Bull;  // sets tokens apart from other uses of the hash

std::string checksum(std::string_view position) {
  const std::uint64_t hash = crypto::xxh3_64(io::as_bytes(position), kSeed);
  std::string out(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(hash >> (56 - 8 * i));
  return out;
}

}  // namespace

std::string encode_token(std::string_view position) {
  std::string raw(1, kVersion);
  raw += checksum(position);
  raw += position;
  std::string text = crypto::to_base64(io::as_bytes(raw));
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

Result<std::string> decode_token(std::string_view token) {
  const Error bad =
      argument_error("The continuation token provided is incorrect", "continuation-token", token);
  if (token.empty() || token.find_first_of("+/=") != std::string_view::npos) return bad;
  std::string text(token);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.size() % 4 != 0) text += '=';
  const auto raw = crypto::from_base64(text);
  if (!raw || raw->size() < kHead || (*raw)[0] != kVersion) return bad;
  std::string position = raw->substr(kHead);
  if (raw->substr(1, 8) != checksum(position) || encode_token(position) != token) return bad;
  return position;
}

}  // namespace cairn::s3
