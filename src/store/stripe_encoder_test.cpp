// Stripes that are encoded while they arrive (how whole objects come out: data_path_test).
#include "store/stripe_encoder.h"

#include <gtest/gtest.h>

#include <cstring>

#include "store/testing/data_fixture.h"

namespace cairn::store::testing {
namespace {

constexpr std::size_t kChunk = drive::kShardBlockBytes;
constexpr std::size_t kStripe = 2 * kChunk;

// The parity of each shard lies behind the data, in the same block.
bool parity_is_there(const std::byte* base, std::size_t capacity, std::size_t stripe) {
  const auto code = erasure::Code::of({2, 1});
  std::vector<std::byte> expected(kChunk);
  const std::byte* const data[] = {base + stripe * kStripe, base + stripe * kStripe + kChunk};
  std::byte* const parity[] = {expected.data()};
  code->encode(data, parity, kChunk);
  return std::memcmp(expected.data(), base + capacity + stripe * kChunk, kChunk) == 0;
}

TEST(StripeEncoder, EncodesAStripeAsSoonAsItIsComplete) {
  Cell cell({2, 1});
  const model::StripeLayout layout{{2, 1}, kChunk};
  constexpr std::size_t kCapacity = 3 * kStripe;
  auto block = *cell.executor.run(cell.memory->allocate(StripeEncoder::room(layout, kCapacity)));
  std::memset(block->bytes().data(), 0xEE, block->bytes().size());
  std::byte* const base = block->bytes().data();
  StripeEncoder encoder(erasure::Code::of({2, 1}), layout, value_id(1), 5, std::move(block),
                        kCapacity);
  ASSERT_EQ(encoder.data().size(), kCapacity);
  const std::string text = random_bytes(kCapacity);
  std::memcpy(encoder.data().data(), text.data(), kCapacity);
  encoder.filled(kStripe - 1);
  EXPECT_FALSE(parity_is_there(base, kCapacity, 0));
  encoder.filled(kStripe);
  EXPECT_TRUE(parity_is_there(base, kCapacity, 0));
  EXPECT_FALSE(parity_is_there(base, kCapacity, 1));
  encoder.filled(kCapacity - 1);
  EXPECT_TRUE(parity_is_there(base, kCapacity, 1));
  EXPECT_FALSE(parity_is_there(base, kCapacity, 2));
  const ShardBatch batch = std::move(encoder).finish(kCapacity);
  EXPECT_TRUE(parity_is_there(base, kCapacity, 2));
  // Blocks are counted on from the stripes that went before.
  ASSERT_EQ(batch.shards.size(), 3u);
  for (const auto& shard : batch.shards) ASSERT_EQ(shard.sums.size(), 3u);
  EXPECT_EQ(batch.shards[1].sums[2],
            drive::block_sum({value_id(1), 1}, 7, io::Bytes(base + 2 * kStripe + kChunk, kChunk)));
}

TEST(StripeEncoder, AnEndBeforeTheCapacityLeavesAShorterStripe) {
  Cell cell({2, 1});
  const model::StripeLayout layout{{2, 1}, kChunk};
  constexpr std::size_t kCapacity = 3 * kStripe;
  auto block = *cell.executor.run(cell.memory->allocate(StripeEncoder::room(layout, kCapacity)));
  StripeEncoder encoder(erasure::Code::of({2, 1}), layout, value_id(1), 0, std::move(block),
                        kCapacity);
  const std::string text = random_bytes(kStripe + 1'001);
  std::memcpy(encoder.data().data(), text.data(), text.size());
  const ShardBatch batch = std::move(encoder).finish(text.size());
  std::string shards[3];
  for (int i = 0; i < 3; ++i)
    for (const io::Bytes piece : batch.shards[i].pieces) shards[i] += io::as_text(piece);
  for (const auto& shard : shards) ASSERT_EQ(shard.size(), kChunk + 501);
  EXPECT_EQ(shards[0], text.substr(0, kChunk) + text.substr(kStripe, 501));
  EXPECT_EQ(shards[1], text.substr(kChunk, kChunk) + text.substr(kStripe + 501) + '\0');
}

}  // namespace
}  // namespace cairn::store::testing
