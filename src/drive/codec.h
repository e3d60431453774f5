// Writing and reading of small binary values: fixed-width big-endian numbers (so that keys sort),
// length-prefixed bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/ids.h"

namespace cairn::drive {

class Writer {
 public:
  explicit Writer(std::size_t reserve = 64) { out_.reserve(reserve); }
  Writer& u8(std::uint8_t v) {
    out_.push_back(static_cast<char>(v));
    return *this;
  }
  Writer& u16(std::uint16_t v) { return number(v, 2); }
  Writer& u32(std::uint32_t v) { return number(v, 4); }
  Writer& u64(std::uint64_t v) { return number(v, 8); }
  Writer& raw(std::string_view bytes) {
    out_.append(bytes);
    return *this;
  }
  Writer& text(std::string_view bytes) {
    return u32(static_cast<std::uint32_t>(bytes.size())).raw(bytes);
  }
  Writer& stamp(const model::Stamp& s) { return u64(s.term).u64(s.sequence); }
  Writer& stamp_inverted(const model::Stamp& s) { return u64(~s.term).u64(~s.sequence); }
  template <class Id>
  Writer& id(const Id& id) {
    return raw(id.raw());
  }
  const std::string& view() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  Writer& number(std::uint64_t v, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) out_.push_back(static_cast<char>(v >> (8 * i)));
    return *this;
  }
  std::string out_;
};

// Reads what Writer wrote. Running over the end gives zeros and ok() == false.
class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}
  bool ok() const { return ok_; }
  bool at_end() const { return in_.empty(); }
  std::size_t left() const { return in_.size(); }
  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  std::string_view raw(std::size_t n) {
    if (n > in_.size()) {
      ok_ = false;
      in_ = {};
      return {};
    }
    const auto out = in_.substr(0, n);
    in_.remove_prefix(n);
    return out;
  }
  std::string_view text() { return raw(u32()); }
  std::string_view rest() { return raw(in_.size()); }
  model::Stamp stamp() {
    const auto term = u64();
    return {term, u64()};
  }
  model::Stamp stamp_inverted() {
    const auto term = ~u64();
    return {term, ~u64()};
  }
  template <class Id>
  Id id() {
    return Id::from_raw(raw(16)).value_or(Id{});
  }

 private:
  std::uint64_t number(std::size_t n) {
    std::uint64_t v = 0;
    for (const char c : raw(n)) v = v << 8 | static_cast<unsigned char>(c);
    return v;
  }
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace cairn::drive
