// Units: what one head governs (protocol.md 1), and how their keys are laid out in every drive's ordered index.
//
//   unit key   = kind (1 byte) ‖ bucket id (8, big endian) ‖ escaped object key ‖ 00 ‖ [upload id (16) ‖ [part (2, BE)]]
//   escaped    = the key's bytes, with 00 -> 01 01 and 01 -> 01 02: order is kept and 00 ends the key
//   kind       = 'o' object, 'p' part of an upload, 'u' upload
// The lock of a unit and its partition are those of (bucket, object key).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/ids.h"

namespace cairn::model {

enum class UnitKind : char { object = 'o', part = 'p', upload = 'u' };

class UnitKey {
 public:
  UnitKey() = default;
  static UnitKey object(BucketId bucket, std::string_view key);
  static UnitKey upload(BucketId bucket, std::string_view key, const UploadId& upload);
  static UnitKey part(BucketId bucket, std::string_view key, const UploadId& upload, std::uint16_t number);
  // A key read from disk or wire; corrupt if it is not one of the three forms.
  static Result<UnitKey> decode(std::string_view encoded);

  const std::string& encoded() const { return encoded_; }
  UnitKind kind() const { return static_cast<UnitKind>(encoded_[0]); }
  BucketId bucket() const;
  std::string object_key() const;  // unescaped
  UploadId upload_id() const;      // REQUIRES: kind is upload or part
  std::uint16_t part_number() const;  // REQUIRES: kind is part
  // bucket id ‖ escaped key ‖ 00: what lock and partition are computed from. A view into this object.
  std::string_view lock_key() const;

  auto operator<=>(const UnitKey&) const = default;

 private:
  std::string encoded_;
};

// Parts of an encoded unit key, which must be one, as views: lock_key(), and the object key as it is escaped there.
std::string_view lock_key_of(std::string_view unit);
std::string_view escaped_key_of(std::string_view unit);

// Helpers for ranges of unit keys.
std::string escape_key(std::string_view key);
Result<std::string> unescape_key(std::string_view escaped);
// Where the units of `kind` in `bucket` whose object keys start with `prefix` begin; and the first key after them.
std::string range_begin(UnitKind kind, BucketId bucket, std::string_view key_prefix);
std::string range_end(UnitKind kind, BucketId bucket, std::string_view key_prefix);

}  // namespace cairn::model

template <>
struct std::hash<cairn::model::UnitKey> {
  std::size_t operator()(const cairn::model::UnitKey& k) const noexcept {
    return std::hash<std::string>{}(k.encoded());
  }
};
