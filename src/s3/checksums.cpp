#include "s3/checksums.h"

#include <algorithm>

#include "s3/error.h"
#include "s3/query.h"

namespace cairn::s3 {
namespace {

constexpr std::string_view kPrefix = "x-amz-checksum-";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::string_view checksum_header_name(crypto::Checksum algorithm) {
  switch (algorithm) {
    case crypto::Checksum::crc32:
      return "x-amz-checksum-crc32";
    case crypto::Checksum::crc32c:
      return "x-amz-checksum-crc32c";
    case crypto::Checksum::crc64nvme:
      return "x-amz-checksum-crc64nvme";
    case crypto::Checksum::sha1:
      return "x-amz-checksum-sha1";
    case crypto::Checksum::sha256:
      return "x-amz-checksum-sha256";
  }
  return {};
}

std::string_view checksum_element(crypto::Checksum algorithm) {
  switch (algorithm) {
    case crypto::Checksum::crc32:
      return "ChecksumCRC32";
    case crypto::Checksum::crc32c:
      return "ChecksumCRC32C";
    case crypto::Checksum::crc64nvme:
      return "ChecksumCRC64NVME";
    case crypto::Checksum::sha1:
      return "ChecksumSHA1";
    case crypto::Checksum::sha256:
      return "ChecksumSHA256";
  }
  return {};
}

Result<std::optional<crypto::Checksum>> checksum_of_header(std::string_view name) {
  if (name.size() <= kPrefix.size() || !same(name.substr(0, kPrefix.size()), kPrefix)) {
    return std::optional<crypto::Checksum>{};
  }
  const auto suffix = name.substr(kPrefix.size());
  if (same(suffix, "mode") || same(suffix, "type") || same(suffix, "algorithm")) {
    return std::optional<crypto::Checksum>{};
  }
  const auto algorithm = crypto::parse_checksum(suffix);
  if (!algorithm) return header_not_implemented(name);
  return algorithm;
}

Result<std::string> decode_checksum(crypto::Checksum algorithm, std::string_view text) {
  const std::size_t bytes = crypto::checksum_bytes(algorithm);
  const std::size_t encoded = (bytes + 2) / 3 * 4;
  if (text.size() > encoded + 1 && text[encoded] == '-') {
    const auto parts = parse_number(text.substr(encoded + 1));
    if (parts && *parts >= 1 && *parts <= object::kMaxParts) text = text.substr(0, encoded);
  }
  auto raw = crypto::from_base64(text);
  if (!raw || raw->size() != bytes) {
    return Error{
        Code::invalid_request,
        "Value for " + std::string(checksum_header_name(algorithm)) + " header is invalid."};
  }
  return std::move(*raw);
}

Result<std::optional<ChecksumValue>> checksum_among(const net::Headers& headers) {
  std::optional<ChecksumValue> found;
  for (const auto& [name, value] : headers.fields()) {
    CAIRN_ASSIGN(const auto algorithm, checksum_of_header(name));
    if (!algorithm) continue;
    if (found) {
      return Error{
          Code::invalid_request,
          "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."};
    }
    CAIRN_ASSIGN(std::string raw, decode_checksum(*algorithm, value));
    found.emplace(*algorithm, std::move(raw));
  }
  return found;
}

Result<std::optional<crypto::Checksum>> checksum_algorithm(const net::Headers& headers) {
  const auto value = headers.get("x-amz-checksum-algorithm");
  if (!value) return std::optional<crypto::Checksum>{};
  const auto algorithm = crypto::parse_checksum(*value);
  if (!algorithm) {
    return Error{
        Code::invalid_request,
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
        "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"};
  }
  return algorithm;
}

Result<std::optional<object::ChecksumType>> checksum_type(const net::Headers& headers) {
  using object::ChecksumType;
  const auto value = headers.get("x-amz-checksum-type");
  if (!value) return std::optional<ChecksumType>{};
  if (*value == "FULL_OBJECT") return std::optional(ChecksumType::full_object);
  if (*value == "COMPOSITE") return std::optional(ChecksumType::composite);
  return Error{Code::invalid_request, "Value for x-amz-checksum-type header is invalid."};
}

std::string_view type_text(object::ChecksumType type) {
  return type == object::ChecksumType::composite ? "COMPOSITE" : "FULL_OBJECT";
}

std::string show_checksum(const object::ObjectChecksum& checksum, std::uint32_t part_count) {
  std::string text = crypto::to_base64(io::as_bytes(checksum.value));
  if (checksum.type == object::ChecksumType::composite && part_count > 0) {
    text += '-' + std::to_string(part_count);
  }
  return text;
}

void add_checksum(net::Headers& headers, const object::ObjectChecksum& checksum,
                  std::uint32_t part_count, bool with_type) {
  if (checksum.value.empty()) return;
  headers.add(std::string(checksum_header_name(checksum.algorithm)),
              show_checksum(checksum, part_count));
  if (with_type) headers.add("x-amz-checksum-type", std::string(type_text(checksum.type)));
}

void write_checksum(XmlWriter& xml, const object::ObjectChecksum& checksum,
                    std::uint32_t part_count, bool with_type) {
  if (checksum.value.empty()) return;
  xml.text(checksum_element(checksum.algorithm), show_checksum(checksum, part_count));
  if (with_type) xml.text("ChecksumType", type_text(checksum.type));
}

std::uint32_t parts_of_etag(std::string_view etag) {
  const auto dash = etag.rfind('-');
  if (dash == std::string_view::npos) return 0;
  const auto parts = parse_number(etag.substr(dash + 1));
  return parts && *parts <= object::kMaxParts ? static_cast<std::uint32_t>(*parts) : 0;
}

}  // namespace cairn::s3
