#include "store/stripe.h"

#include <gtest/gtest.h>

#include <vector>

namespace cairn::store {
namespace {

struct Spot {
  unsigned shard;
  std::uint64_t offset;
  bool operator==(const Spot&) const = default;
};

// The layout once more, byte by byte, as docs/format/stripe.md tells it.
std::vector<Spot> reference(unsigned k, std::uint64_t chunk, std::uint64_t size) {
  std::vector<Spot> out;
  const std::uint64_t stripe = k * chunk, full = size / stripe, rest = size % stripe;
  const std::uint64_t tail = (rest + k - 1) / k;
  for (std::uint64_t b = 0; b < size; ++b) {
    const std::uint64_t s = b / stripe, in = b % stripe, c = s < full ? chunk : tail;
    out.push_back({static_cast<unsigned>(in / c), s * chunk + in % c});
  }
  return out;
}

model::StripeLayout layout_of(unsigned k, unsigned m, std::uint32_t chunk) {
  return {{static_cast<std::uint8_t>(k), static_cast<std::uint8_t>(m)}, chunk};
}

void check_ranges(const Stripes& stripes, const std::vector<Spot>& expected) {
  const std::uint64_t size = stripes.size();
  for (std::uint64_t begin = 0; begin <= size; ++begin) {
    for (std::uint64_t end = begin; end <= size; ++end) {
      std::vector<Spot> pieces;
      stripes.for_each_piece(begin, end,
                             [&](unsigned shard, std::uint64_t offset, std::uint64_t length) {
                               for (std::uint64_t i = 0; i < length; ++i)
                                 pieces.push_back({shard, offset + i});
                             });
      ASSERT_EQ(pieces, std::vector<Spot>(expected.begin() + static_cast<std::ptrdiff_t>(begin),
                                          expected.begin() + static_cast<std::ptrdiff_t>(end)));
      for (unsigned shard = 0; shard < stripes.data_shards(); ++shard) {
        std::uint64_t low = ~0ull, high = 0, count = 0;
        for (const Spot& p : pieces) {
          if (p.shard != shard) continue;
          low = std::min(low, p.offset);
          high = std::max(high, p.offset + 1);
          ++count;
        }
        const Stripes::Range range = stripes.shard_range(shard, begin, end);
        ASSERT_EQ(range.length(), count);
        if (count > 0) ASSERT_EQ(range, (Stripes::Range{low, high}));
      }
    }
  }
}

TEST(Stripes, EveryByteOfEverySmallLayoutIsWhereTheFormatSays) {
  for (unsigned k = 1; k <= 5; ++k)
    for (std::uint32_t chunk = 1; chunk <= 4; ++chunk)
      for (std::uint64_t size = 0; size <= 3ull * k * chunk + 1 && size <= 40; ++size) {
        SCOPED_TRACE(testing::Message() << "k=" << k << " C=" << chunk << " size=" << size);
        const Stripes stripes(layout_of(k, 2, chunk), size);
        const auto expected = reference(k, chunk, size);
        std::uint64_t longest = 0;
        for (const Spot& p : expected) {
          ASSERT_LT(p.shard, k);
          longest = std::max(longest, p.offset + 1);
        }
        ASSERT_EQ(stripes.shard_size(), longest);
        ASSERT_EQ(stripes.padded_size(), longest * k);
        check_ranges(stripes, expected);
      }
}

TEST(Stripes, TheExampleOfTheFormatPage) {
  const Stripes stripes(layout_of(4, 2, 65536), 600'000);
  EXPECT_EQ(stripes.full_stripes(), 2u);
  EXPECT_EQ(stripes.tail_chunk(), 18'928u);
  EXPECT_EQ(stripes.shard_size(), 150'000u);
}

TEST(Stripes, SmallInlineDataIsOneStripe) {
  for (std::uint64_t size : {1ull, 2ull, 3ull, 4095ull, 4096ull, 4097ull, 65536ull, 131072ull})
    for (unsigned k : {1u, 2u, 3u, 4u, 5u, 8u, 12u}) {
      const auto layout = Stripes::inline_layout(layout_of(k, 2, 65536), size);
      ASSERT_TRUE(Stripes::valid(layout));
      const Stripes stripes(layout, size);
      EXPECT_EQ(stripes.shard_size(), (size + k - 1) / k);
      if (size <= k * 65536) EXPECT_EQ(stripes.stripes(), 1u);
    }
}

TEST(Stripes, LargerInlineDataIsCutIntoBlocks) {
  const Stripes stripes(Stripes::inline_layout(layout_of(2, 2, 65536), 500'000), 500'000);
  EXPECT_EQ(stripes.chunk_bytes(), 65'536u);
  EXPECT_EQ(stripes.full_stripes(), 3u);
  EXPECT_EQ(stripes.shard_size(), 250'000u);
}

TEST(Stripes, LayoutsThatCannotBeAreRefused) {
  EXPECT_FALSE(Stripes::valid(layout_of(0, 2, 65536)));
  EXPECT_FALSE(Stripes::valid(layout_of(4, 2, 0)));
  EXPECT_FALSE(Stripes::valid(layout_of(200, 100, 65536)));
  EXPECT_FALSE(Stripes::valid(layout_of(4, 2, (1u << 30) + 1)));
  EXPECT_TRUE(Stripes::valid(layout_of(12, 4, 65536)));
}

TEST(Stripes, SmallRangesOfLargeObjectsTouchOneDriveOrTwo) {
  const Stripes stripes(layout_of(12, 4, 65536), 1ull << 40);
  for (std::uint64_t at :
       {0ull, 1ull, 65535ull, 786431ull, 123456789012ull, (1ull << 40) - 2'000'000}) {
    unsigned touched = 0;
    for (unsigned shard = 0; shard < 12; ++shard)
      if (!stripes.shard_range(shard, at, at + 65536).empty()) ++touched;
    EXPECT_LE(touched, 2u) << at;
  }
}

}  // namespace
}  // namespace cairn::store
