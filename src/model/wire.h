// The protobuf wire format (https://protobuf.dev/programming-guides/encoding/), as much of it as
// records use. By hand, because records are decoded for every GET and for every line of a LIST: no
// message object, no copies.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cairn::model::wire {

enum class Type : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  std::uint32_t number = 0;
  Type type{};
  std::uint64_t value = 0;     // of varints
  std::string_view bytes{};    // of bytes
  std::string_view encoded{};  // tag and all
};

// Reads fields one after the other. Views point into the text that was given.
class Reader {
 public:
  explicit Reader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  // The next field; false at the end and on malformed input, which malformed() tells apart.
  bool next(Field& field) {
    if (at_ == end_ || malformed_) return false;
    const char* const begin = at_;
    std::uint64_t tag;
    if (!varint(tag) || tag > UINT32_MAX || (tag >> 3) == 0) return fail();
    field.number = static_cast<std::uint32_t>(tag >> 3);
    field.type = static_cast<Type>(tag & 7);
    if (!payload(field)) return fail();
    field.encoded = {begin, static_cast<std::size_t>(at_ - begin)};
    return true;
  }
  bool malformed() const { return malformed_; }

 private:
  bool fail() {
    malformed_ = true;
    return false;
  }
  bool payload(Field& field) {
    switch (field.type) {
      case Type::varint:
        return varint(field.value);
      case Type::fixed64:
        return skip(8);
      case Type::fixed32:
        return skip(4);
      case Type::bytes: {
        std::uint64_t length;
        if (!varint(length) || length > static_cast<std::size_t>(end_ - at_)) return false;
        field.bytes = {at_, static_cast<std::size_t>(length)};
        at_ += length;
        return true;
      }
    }
    return false;  // groups, and what is no type
  }
  bool skip(std::ptrdiff_t n) {
    if (end_ - at_ < n) return false;
    at_ += n;
    return true;
  }
  bool varint(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return false;
      const auto byte = static_cast<unsigned char>(*at_++);
      if (shift == 63 && byte > 1) return false;
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  const char* at_;
  const char* end_;
  bool malformed_ = false;
};

inline void put_varint(std::string& out, std::uint64_t value) {
  char buffer[10];
  std::size_t n = 0;
  while (value >= 0x80) {
    buffer[n++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  buffer[n++] = static_cast<char>(value);
  out.append(buffer, n);
}

// Fields of value zero and empty bytes are left out, as protobuf does.
inline void put_number(std::string& out, std::uint32_t number, std::uint64_t value) {
  if (value == 0) return;
  put_varint(out, number << 3 | static_cast<std::uint32_t>(Type::varint));
  put_varint(out, value);
}

inline void put_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
  if (bytes.empty()) return;
  put_varint(out, number << 3 | static_cast<std::uint32_t>(Type::bytes));
  put_varint(out, bytes.size());
  out.append(bytes);
}

inline std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
inline std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}

}  // namespace cairn::model::wire
