#include "model/unit_key.h"

#include <cstring>

#include "base/assert.h"

namespace cairn::model {
namespace {

constexpr std::size_t kHeader = 1 + 8;  // kind, bucket id
constexpr std::size_t kUpload = 16;
constexpr std::size_t kPart = 2;

std::size_t suffix_bytes(UnitKind kind) {
  switch (kind) {
    case UnitKind::object:
      return 0;
    case UnitKind::upload:
      return kUpload;
    case UnitKind::part:
      return kUpload + kPart;
  }
  return 0;
}

void append_header(std::string& out, UnitKind kind, BucketId bucket) {
  char header[kHeader];
  header[0] = static_cast<char>(kind);
  for (std::size_t i = 0; i < 8; ++i)
    header[1 + i] = static_cast<char>(bucket.value >> (8 * (7 - i)));
  out.append(header, kHeader);
}

bool needs_escape(char c) {
  return static_cast<unsigned char>(c) <= 1;
}

void append_escaped(std::string& out, std::string_view key) {
  std::size_t from = 0;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (!needs_escape(key[i])) [[likely]]
      continue;
    out.append(key.substr(from, i - from));
    out.push_back('\x01');
    out.push_back(static_cast<char>(key[i] + 1));
    from = i + 1;
  }
  out.append(key.substr(from));
}

// Whether `escaped` is what append_escaped makes of some key.
bool is_escaped(std::string_view escaped) {
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (!needs_escape(escaped[i])) continue;
    if (escaped[i] == 0 || ++i == escaped.size()) return false;
    if (escaped[i] != 1 && escaped[i] != 2) return false;
  }
  return true;
}

std::string start(UnitKind kind, BucketId bucket, std::string_view key) {
  std::string out;
  out.reserve(kHeader + key.size() + 1 + suffix_bytes(kind) + 4);
  append_header(out, kind, bucket);
  append_escaped(out, key);
  return out;
}

}  // namespace

UnitKey UnitKey::object(BucketId bucket, std::string_view key) {
  UnitKey unit;
  unit.encoded_ = start(UnitKind::object, bucket, key);
  unit.encoded_.push_back('\0');
  return unit;
}

UnitKey UnitKey::upload(BucketId bucket, std::string_view key, const UploadId& upload) {
  UnitKey unit;
  unit.encoded_ = start(UnitKind::upload, bucket, key);
  unit.encoded_.push_back('\0');
  unit.encoded_.append(upload.raw());
  return unit;
}

UnitKey UnitKey::part(BucketId bucket, std::string_view key, const UploadId& upload,
                      std::uint16_t number) {
  UnitKey unit;
  unit.encoded_ = start(UnitKind::part, bucket, key);
  unit.encoded_.push_back('\0');
  unit.encoded_.append(upload.raw());
  unit.encoded_.push_back(static_cast<char>(number >> 8));
  unit.encoded_.push_back(static_cast<char>(number & 0xFF));
  return unit;
}

Result<UnitKey> UnitKey::decode(std::string_view encoded) {
  const auto corrupt = [](const char* what) { return Error{Code::corrupt, what}; };
  if (encoded.size() < kHeader + 1) return corrupt("unit key: too short");
  const auto kind = static_cast<UnitKind>(encoded[0]);
  if (kind != UnitKind::object && kind != UnitKind::upload && kind != UnitKind::part)
    return corrupt("unit key: unknown kind");
  const std::size_t suffix = suffix_bytes(kind);
  if (encoded.size() < kHeader + 1 + suffix) return corrupt("unit key: too short");
  const std::size_t end = encoded.size() - suffix - 1;
  if (encoded[end] != 0 || !is_escaped(encoded.substr(kHeader, end - kHeader)))
    return corrupt("unit key: malformed object key");
  UnitKey unit;
  unit.encoded_ = encoded;
  return unit;
}

BucketId UnitKey::bucket() const {
  CAIRN_ASSERT(encoded_.size() > kHeader);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i)
    value = value << 8 | static_cast<unsigned char>(encoded_[1 + i]);
  return BucketId{value};
}

std::string UnitKey::object_key() const {
  const auto lock = lock_key();
  auto key = unescape_key(lock.substr(8, lock.size() - 9));
  CAIRN_ASSERT(key.has_value());
  return std::move(*key);
}

UploadId UnitKey::upload_id() const {
  CAIRN_ASSERT(!encoded_.empty() && kind() != UnitKind::object);
  UploadId id;
  std::memcpy(id.bytes.data(), encoded_.data() + encoded_.size() - suffix_bytes(kind()), kUpload);
  return id;
}

std::uint16_t UnitKey::part_number() const {
  CAIRN_ASSERT(!encoded_.empty() && kind() == UnitKind::part);
  const auto* end = reinterpret_cast<const unsigned char*>(encoded_.data() + encoded_.size());
  return static_cast<std::uint16_t>(end[-2] << 8 | end[-1]);
}

std::string_view UnitKey::lock_key() const {
  return lock_key_of(encoded_);
}

std::string_view lock_key_of(std::string_view unit) {
  CAIRN_ASSERT(unit.size() > kHeader);
  return unit.substr(1, unit.size() - 1 - suffix_bytes(static_cast<UnitKind>(unit[0])));
}

std::string_view escaped_key_of(std::string_view unit) {
  const auto lock = lock_key_of(unit);
  return lock.substr(8, lock.size() - 9);
}

std::string escape_key(std::string_view key) {
  std::string out;
  out.reserve(key.size() + 8);
  append_escaped(out, key);
  return out;
}

Result<std::string> unescape_key(std::string_view escaped) {
  std::string out;
  out.reserve(escaped.size());
  std::size_t from = 0;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (!needs_escape(escaped[i])) [[likely]]
      continue;
    if (escaped[i] == 0 || i + 1 == escaped.size() || (escaped[i + 1] != 1 && escaped[i + 1] != 2))
      return Error{Code::corrupt, "escaped key: malformed escape"};
    out.append(escaped.substr(from, i - from));
    out.push_back(static_cast<char>(escaped[i + 1] - 1));
    ++i;
    from = i + 1;
  }
  out.append(escaped.substr(from));
  return out;
}

std::string range_begin(UnitKind kind, BucketId bucket, std::string_view key_prefix) {
  return start(kind, bucket, key_prefix);
}

std::string range_end(UnitKind kind, BucketId bucket, std::string_view key_prefix) {
  // The first string after all that start with range_begin(): its last byte that can be raised,
  // raised. The kind byte can, so the result is never empty.
  std::string out = start(kind, bucket, key_prefix);
  while (static_cast<unsigned char>(out.back()) == 0xFF) out.pop_back();
  out.back() = static_cast<char>(out.back() + 1);
  return out;
}

}  // namespace cairn::model
