// What S3 keeps about an object beyond the record: `meta` of model::Record (docs/format/record.md,
// object/meta.proto).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "crypto/digest.h"

namespace cairn::object {

using Tags = std::vector<std::pair<std::string, std::string>>;
using Headers = std::vector<std::pair<std::string, std::string>>;

enum class ChecksumType : std::uint8_t { full_object = 1, composite = 2 };

struct ObjectChecksum {
  crypto::Checksum algorithm = crypto::Checksum::crc64nvme;
  ChecksumType type = ChecksumType::full_object;
  std::string value{};  // raw bytes, big endian; without the "-N" of composites
};

struct Meta {
  // System headers stored as given, names in lower case: cache-control, content-disposition,
  // content-encoding, content-language, content-type, expires, x-amz-website-redirect-location.
  Headers system{};
  Headers user{};  // names without "x-amz-meta-", lower case; values as decoded UTF-8
  Tags tags{};
  std::optional<ObjectChecksum> checksum{};
  std::string owner{};
  // Uploads only: what the completed object will carry.
  std::optional<crypto::Checksum> upload_algorithm{};
  ChecksumType upload_type = ChecksumType::composite;
  std::string unknown{};  // fields of a newer version, kept

  std::string_view content_type() const;  // "binary/octet-stream" when none was given, as AWS
};

std::string encode_meta(const Meta& meta);
Result<Meta> decode_meta(std::string_view bytes);  // corrupt
// What a line of a listing shows. The view points into the bytes that were decoded.
struct ListedMeta {
  struct Checksum {
    crypto::Checksum algorithm{};
    ChecksumType type{};
  };
  std::optional<Checksum> checksum{};
  std::string_view owner{};
};
Result<ListedMeta> decode_listed_meta(std::string_view bytes);  // corrupt

}  // namespace cairn::object
