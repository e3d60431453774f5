// A block of memory that fills with the data of stripes: data in front, the parity of each shard
// behind. A stripe is encoded, and its blocks summed, as soon as it is complete: while its data is
// still in the processor's cache.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "drive/drive.h"
#include "erasure/erasure.h"
#include "io/memory.h"
#include "store/stripe.h"

namespace cairn::store {

// Encoded stripes: what each shard appends. The bytes live in `block`.
struct ShardBatch {
  std::shared_ptr<io::Block> block{};
  std::vector<drive::ShardBytes> shards{};  // by slot
};

class StripeEncoder {
 public:
  // Room that a block must have for `bytes` of data.
  static std::size_t room(const model::StripeLayout& layout, std::uint64_t bytes);

  // `before`: full stripes of the same data id that went before. REQUIRES: `block` has the room for
  // `capacity`.
  StripeEncoder(std::shared_ptr<const erasure::Code> code, const model::StripeLayout& layout,
                model::ValueId data_id, std::uint64_t before, std::shared_ptr<io::Block> block,
                std::size_t capacity);

  const std::shared_ptr<io::Block>& block() const { return block_; }
  // The data: `capacity` bytes.
  io::MutableBytes data() const { return block_->bytes().first(capacity_); }
  // The first `bytes` of the data are what they will be.
  void filled(std::size_t bytes);
  // Ends with the first `bytes`: the last stripe may be a shorter one.
  ShardBatch finish(std::size_t bytes) &&;

 private:
  void encode(std::uint64_t stripe, std::size_t chunk);

  std::shared_ptr<const erasure::Code> code_;
  const Stripes stripes_;  // of the capacity
  const model::ValueId data_id_;
  const std::uint64_t before_;
  std::shared_ptr<io::Block> block_;
  const std::size_t capacity_;
  std::uint64_t encoded_ = 0;  // stripes
  std::vector<drive::ShardBytes> shards_;
};

}  // namespace cairn::store
