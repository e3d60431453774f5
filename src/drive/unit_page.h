// Units in key order, packed into one run of bytes: what a scan of a drive answers. A listing reads
// a thousand units from every drive it asks, so a unit costs one append here and no allocation, and
// the bytes can be sent as they are.
//
// A unit is a header (below), its key and its rows, newest first; numbers are little endian. The
// bytes are made by this process or come from a drive that is trusted to have made them: they are
// walked, not validated. Values; not thread-safe while they grow.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/ids.h"
#include "model/unit_key.h"

namespace cairn::drive {

static_assert(std::endian::native == std::endian::little);

class UnitPage {
 public:
  struct Row {
    model::Stamp order{};
    model::Stamp stamp{};
    std::string_view record{};
  };

  // The rows of a unit, newest first.
  class Rows {
   public:
    class Iterator {
     public:
      using value_type = Row;
      using difference_type = std::ptrdiff_t;
      Iterator() = default;
      Iterator(const char* at, std::uint32_t left) : at_(at), left_(left) {}
      Row operator*() const {
        Row row;
        std::uint32_t length;
        std::memcpy(&row.order, at_, sizeof row.order);
        std::memcpy(&row.stamp, at_ + 16, sizeof row.stamp);
        std::memcpy(&length, at_ + 32, sizeof length);
        row.record = {at_ + kRowHeader, length};
        return row;
      }
      Iterator& operator++() {
        std::uint32_t length;
        std::memcpy(&length, at_ + 32, sizeof length);
        at_ += kRowHeader + length;
        --left_;
        return *this;
      }
      Iterator operator++(int) {
        auto before = *this;
        ++*this;
        return before;
      }
      bool operator==(const Iterator& o) const { return left_ == o.left_; }

     private:
      const char* at_ = nullptr;
      std::uint32_t left_ = 0;
    };
    Rows(const char* at, std::uint32_t count) : at_(at), count_(count) {}
    std::size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    Iterator begin() const { return {at_, count_}; }
    Iterator end() const { return {nullptr, 0}; }
    Row front() const { return *begin(); }  // REQUIRES: not empty

   private:
    const char* at_;
    std::uint32_t count_;
  };

  // A view of one unit: valid while the page lives, wherever it is moved to, and does not grow.
  class Unit {
   public:
    Unit() = default;
    explicit Unit(const char* at) : at_(at) {}
    std::string_view key() const {  // encoded
      return {at_ + sizeof(Header), header().key_bytes};
    }
    model::UnitKey unit() const;
    std::optional<model::Stamp> head() const;  // none: the drive knows nothing of it
    bool has_head() const { return (flags() & kHead) != 0; }
    bool settled() const { return (flags() & kSettled) != 0; }  // the head is known settled
    bool exact() const { return (flags() & kExact) != 0; }  // rows are the exact state as of head
    // Nothing is said of the units between this one and the end of its group.
    bool passes_group() const { return (flags() & kPassesGroup) != 0; }
    Rows rows() const {
      const Header h = header();
      return {at_ + sizeof(Header) + h.key_bytes, h.rows};
    }
    bool same_head(const Unit& o) const { return std::memcmp(at_, o.at_, 17) == 0; }

   private:
    friend class UnitPage;
    struct Header {
      model::Stamp head{};  // zero without one
      std::uint8_t has_head = 0;
      std::uint8_t flags = 0;
      std::uint16_t unused = 0;
      std::uint32_t key_bytes = 0;
      std::uint32_t rows = 0;
      std::uint32_t bytes = 0;  // of the whole unit
    };
    static_assert(sizeof(Header) == 32);
    Header header() const {
      Header out;
      std::memcpy(&out, at_, sizeof out);
      return out;
    }
    std::uint8_t flags() const { return static_cast<std::uint8_t>(at_[17] | at_[16]); }
    const char* at_ = nullptr;
  };

  class Iterator {
   public:
    using value_type = Unit;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    explicit Iterator(const char* at) : at_(at) {}
    Unit operator*() const { return Unit(at_); }
    Iterator& operator++() {
      at_ += Unit(at_).header().bytes;
      return *this;
    }
    Iterator operator++(int) {
      auto before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const char* at_ = nullptr;
  };

  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  std::size_t bytes() const { return bytes_.size(); }
  Iterator begin() const { return Iterator(bytes_.data()); }
  Iterator end() const { return Iterator(bytes_.data() + bytes_.size()); }
  Unit front() const { return *begin(); }  // REQUIRES: not empty

  // -- making one
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  // Adds a unit above all others; add_row() adds its rows.
  void add(std::string_view key, std::optional<model::Stamp> head, bool settled, bool exact = true);
  void add_row(const model::Stamp& order, const model::Stamp& stamp, std::string_view record);
  void set_passes_group();                                   // of the last unit
  Unit last() const { return Unit(bytes_.data() + last_); }  // REQUIRES: not empty

 private:
  enum Flags : std::uint8_t { kHead = 1, kSettled = 2, kExact = 4, kPassesGroup = 8 };
  static constexpr std::size_t kRowHeader = 36;

  std::string bytes_{};
  std::size_t count_ = 0;
  std::size_t last_ = 0;  // where the last unit begins
};

}  // namespace cairn::drive
