#include "store/stripe_encoder.h"

#include <array>
#include <cstring>

#include "base/assert.h"

namespace cairn::store {

std::size_t StripeEncoder::room(const model::StripeLayout& layout, std::uint64_t bytes) {
  const Stripes stripes(layout, bytes);
  return static_cast<std::size_t>(stripes.shard_size() * stripes.shards());
}

StripeEncoder::StripeEncoder(std::shared_ptr<const erasure::Code> code,
                             const model::StripeLayout& layout, model::ValueId data_id,
                             std::uint64_t before, std::shared_ptr<io::Block> block,
                             std::size_t capacity)
    : code_(std::move(code)),
      stripes_(layout, capacity),
      data_id_(data_id),
      before_(before),
      block_(std::move(block)),
      capacity_(capacity),
      shards_(stripes_.shards()) {
  CAIRN_ASSERT(room(layout, capacity) <= block_->bytes().size());
  const auto chunks = static_cast<std::size_t>(stripes_.stripes());
  for (drive::ShardBytes& shard : shards_) {
    shard.pieces.reserve(chunks);
    shard.sums.reserve(chunks);
  }
}

void StripeEncoder::filled(std::size_t bytes) {
  CAIRN_ASSERT(bytes <= capacity_);
  while ((encoded_ + 1) * stripes_.stripe_bytes() <= bytes)
    encode(encoded_, static_cast<std::size_t>(stripes_.chunk_bytes()));
}

void StripeEncoder::encode(std::uint64_t stripe, std::size_t chunk) {
  CAIRN_ASSERT(stripe == encoded_);
  const unsigned k = stripes_.data_shards(), n = stripes_.shards();
  std::byte* const base = block_->bytes().data();
  std::array<std::byte*, 256> chunks;  // by shard
  for (unsigned i = 0; i < k; ++i) chunks[i] = base + stripe * stripes_.stripe_bytes() + i * chunk;
  for (unsigned j = k; j < n; ++j)
    chunks[j] = base + stripes_.padded_size() + (j - k) * stripes_.shard_size() +
                stripe * stripes_.chunk_bytes();
  if (n > k) code_->encode({chunks.data(), k}, {chunks.data() + k, n - k}, chunk);
  // Chunks are blocks, as a rule. Of a small shard the drive wants no sums.
  const bool summed = stripes_.chunk_bytes() == drive::kShardBlockBytes &&
                      (before_ + stripe > 0 || chunk >= drive::kOpenedShardBytes);
  for (unsigned i = 0; i < n; ++i) {
    const io::Bytes bytes(chunks[i], chunk);
    std::vector<io::Bytes>& pieces = shards_[i].pieces;
    if (!pieces.empty() && pieces.back().data() + pieces.back().size() == bytes.data())
      pieces.back() = io::Bytes(pieces.back().data(), pieces.back().size() + chunk);
    else
      pieces.push_back(bytes);
    const drive::BlobName name{data_id_, static_cast<std::uint8_t>(i)};
    if (summed) shards_[i].sums.push_back(drive::block_sum(name, before_ + stripe, bytes));
  }
  ++encoded_;
}

ShardBatch StripeEncoder::finish(std::size_t bytes) && {
  filled(bytes);
  const Stripes stripes(stripes_.layout(), bytes);
  if (stripes.tail_chunk() > 0) {
    const auto padded = static_cast<std::size_t>(stripes.padded_size());
    std::memset(block_->bytes().data() + bytes, 0, padded - bytes);
    encode(encoded_, static_cast<std::size_t>(stripes.tail_chunk()));
  }
  return {std::move(block_), std::move(shards_)};
}

}  // namespace cairn::store
