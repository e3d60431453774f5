// The layout of data over shards: pure arithmetic (docs/format/stripe.md is its text).
//
// The bytes of one data id are cut into stripes of k chunks of C = chunk_bytes. Chunk i of a stripe
// belongs to data shard i, the m parity chunks computed from it to shards k .. k+m-1; each shard is
// its chunks one after the other. The last stripe may hold r < k*C bytes: then its chunks are
// ceil(r / k) bytes, filled up with zeros. So a byte range touches as few drives as it can, and
// position p of every shard belongs to the same code word.
#pragma once

#include <algorithm>
#include <cstdint>

#include "model/record.h"

namespace cairn::store {

// Where the bytes of one data id are. All offsets in bytes.
class Stripes {
 public:
  // REQUIRES: valid(layout).
  Stripes(model::StripeLayout layout, std::uint64_t size);

  // A layout from disk is checked before it is used: at least one data shard, at most 255 shards,
  // chunks of at least one byte and at most 1 GiB.
  static bool valid(const model::StripeLayout& layout);
  // The layout of inline data, which would be cut as `layout` says: the same, but that it says the
  // length of the only chunk where there is one stripe. At least one byte, so that it is valid.
  static model::StripeLayout inline_layout(const model::StripeLayout& layout, std::uint64_t size);

  model::StripeLayout layout() const { return layout_; }
  unsigned data_shards() const { return data_; }
  unsigned parity_shards() const { return parity_; }
  unsigned shards() const { return data_ + parity_; }
  std::uint64_t size() const { return size_; }
  std::uint64_t chunk_bytes() const { return chunk_; }
  std::uint64_t stripe_bytes() const { return chunk_ * data_; }
  std::uint64_t full_stripes() const { return full_; }
  std::uint64_t stripes() const { return full_ + (tail_ > 0 ? 1 : 0); }
  // Bytes of a chunk in the last, shorter stripe; 0 if there is none.
  std::uint64_t tail_chunk() const { return tail_chunk_; }
  std::uint64_t chunk_of(std::uint64_t stripe) const {
    return stripe < full_ ? chunk_ : tail_chunk_;
  }
  // Bytes of every shard, data or parity.
  std::uint64_t shard_size() const { return full_ * chunk_ + tail_chunk_; }
  // Bytes of all data shards: size() and the zeros behind it.
  std::uint64_t padded_size() const { return shard_size() * data_; }

  // A run of bytes inside a shard.
  struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool empty() const { return begin >= end; }
    std::uint64_t length() const { return empty() ? 0 : end - begin; }
    Range with(const Range& o) const { return {std::min(begin, o.begin), std::max(end, o.end)}; }
    bool covers(const Range& o) const { return begin <= o.begin && o.end <= end; }
    bool operator==(const Range&) const = default;
  };
  // What data shard `shard` holds of the object bytes [begin, end): always one run, or nothing.
  // REQUIRES: shard < data_shards(), begin <= end <= size().
  Range shard_range(unsigned shard, std::uint64_t begin, std::uint64_t end) const;

  // Calls visit(shard, offset in the shard, length) for the pieces of [begin, end) in the order of
  // the object's bytes.
  template <class Visit>
  void for_each_piece(std::uint64_t begin, std::uint64_t end, Visit visit) const {
    while (begin < end) {
      const std::uint64_t stripe = begin / stripe_bytes();
      const std::uint64_t chunk = chunk_of(stripe);
      const std::uint64_t in_stripe = begin - stripe * stripe_bytes();
      const auto shard = static_cast<unsigned>(in_stripe / chunk);
      const std::uint64_t in_chunk = in_stripe % chunk;
      const std::uint64_t length = std::min(end - begin, chunk - in_chunk);
      visit(shard, stripe * chunk_ + in_chunk, length);
      begin += length;
    }
  }

 private:
  // What of [begin, end) lies in the chunk of `shard` in `stripe`, as a run of the shard.
  Range in_stripe(unsigned shard, std::uint64_t stripe, std::uint64_t begin,
                  std::uint64_t end) const;

  model::StripeLayout layout_;
  unsigned data_;
  unsigned parity_;
  std::uint64_t chunk_;
  std::uint64_t size_;
  std::uint64_t full_;
  std::uint64_t tail_;
  std::uint64_t tail_chunk_;
};

}  // namespace cairn::store
