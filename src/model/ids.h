// Names, ids and numbers of Cairn. Values only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/strong.h"

namespace cairn::model {

using DriveId = Id128<struct DriveIdTag>;
using ClusterId = Id128<struct ClusterIdTag>;
using UploadId = Id128<struct UploadIdTag>;
// Names what one mutation writes (protocol.md 1) and the data it brings. Made by make_value_id: time-ordered, so that
// rows keyed by it are written near the end of the table.
using ValueId = Id128<struct ValueIdTag>;

using BucketId = Number<struct BucketIdTag>;        // never reused, also when a name is
using Term = Number<struct TermTag>;                // leader epoch of a partition
using MapEpoch = Number<struct MapEpochTag>;
using PartitionId = Number<struct PartitionIdTag, std::uint32_t>;

// Totally orders the writes to a partition. Zero is before all.
struct Stamp {
  std::uint64_t term = 0;
  std::uint64_t sequence = 0;
  constexpr auto operator<=>(const Stamp&) const = default;
  constexpr bool is_zero() const { return term == 0 && sequence == 0; }
};

// 48 bits of milliseconds, then 80 random bits.
ValueId make_value_id(std::int64_t unix_ms, const std::array<std::uint8_t, 16>& random);
// The value id of completing an upload (protocol.md 9.3): the same for every repetition.
ValueId value_id_of_upload(const UploadId& upload);

// Bucket names as AWS allows them for general purpose buckets:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
class BucketName {
 public:
  static Result<BucketName> parse(std::string_view text);  // invalid_bucket_name
  const std::string& text() const { return text_; }
  auto operator<=>(const BucketName&) const = default;

 private:
  explicit BucketName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// An object key: 1 to 1024 bytes of UTF-8, any characters, compared as bytes.
class ObjectKey {
 public:
  static Result<ObjectKey> parse(std::string_view text);  // key_too_long, invalid_argument, invalid_uri
  const std::string& text() const { return text_; }
  auto operator<=>(const ObjectKey&) const = default;

 private:
  explicit ObjectKey(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// A version of an object: "null", or named by the stamp of its creation.
struct VersionId {
  bool null = true;
  Stamp order{};  // of a version that is not null
  static VersionId null_version() { return {}; }
  static VersionId of(Stamp order) { return {false, order}; }
  // "null", or 32 hex digits.
  std::string text() const;
  static Result<VersionId> parse(std::string_view text);  // illegal_version_id
  auto operator<=>(const VersionId&) const = default;
};

}  // namespace cairn::model
