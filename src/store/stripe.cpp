#include "store/stripe.h"

#include <algorithm>

#include "base/assert.h"

namespace cairn::store {

Stripes::Stripes(model::StripeLayout layout, std::uint64_t size)
    : layout_(layout),
      data_(layout.profile.data),
      parity_(layout.profile.parity),
      chunk_(layout.chunk_bytes),
      size_(size) {
  CAIRN_ASSERT(valid(layout));
  full_ = size / stripe_bytes();
  tail_ = size % stripe_bytes();
  tail_chunk_ = (tail_ + data_ - 1) / data_;
}

bool Stripes::valid(const model::StripeLayout& layout) {
  return layout.profile.data >= 1 && layout.profile.drives() <= 255 && layout.chunk_bytes >= 1 &&
         layout.chunk_bytes <= (1u << 30);
}

model::StripeLayout Stripes::inline_layout(const model::StripeLayout& layout, std::uint64_t size) {
  const std::uint64_t chunk = (size + layout.profile.data - 1) / layout.profile.data;
  return {layout.profile,
          static_cast<std::uint32_t>(std::clamp<std::uint64_t>(chunk, 1, layout.chunk_bytes))};
}

Stripes::Range Stripes::in_stripe(unsigned shard, std::uint64_t stripe, std::uint64_t begin,
                                  std::uint64_t end) const {
  const std::uint64_t chunk = chunk_of(stripe);
  const std::uint64_t at = stripe * stripe_bytes() + shard * chunk;  // object offset of the chunk
  const std::uint64_t from = std::max(begin, at), to = std::min(end, at + chunk);
  if (from >= to) return {};
  return {stripe * chunk_ + (from - at), stripe * chunk_ + (to - at)};
}

Stripes::Range Stripes::shard_range(unsigned shard, std::uint64_t begin, std::uint64_t end) const {
  CAIRN_ASSERT(shard < data_ && begin <= end && end <= size_);
  if (begin == end) return {};
  const std::uint64_t first = begin / stripe_bytes(), last = (end - 1) / stripe_bytes();
  // Stripes between the first and the last are covered whole, so the run is theirs and what the
  // edges add to it. An edge may miss the shard altogether; then the run begins or ends with the
  // neighbour.
  Range from = in_stripe(shard, first, begin, end);
  if (from.empty() && first < last) from = in_stripe(shard, first + 1, begin, end);
  Range to = in_stripe(shard, last, begin, end);
  if (to.empty() && first < last) to = in_stripe(shard, last - 1, begin, end);
  if (from.empty() || to.empty()) return {};
  return {from.begin, to.end};
}

}  // namespace cairn::store
