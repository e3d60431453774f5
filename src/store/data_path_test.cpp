// Writing and reading back through drives in memory: every profile, sizes around every boundary,
// ranges.
#include <gtest/gtest.h>

#include <random>

#include "store/testing/data_fixture.h"

namespace cairn::store::testing {
namespace {

std::vector<std::size_t> boundary_sizes(unsigned k, const DataOptions& o) {
  const std::size_t c = o.chunk_bytes, stripe = k * c, limit = o.inline_max_bytes;
  std::vector<std::size_t> sizes{
      0,          1,      2,          k,         k + 1, c - 1,     c,          c + 1,
      stripe - 1, stripe, stripe + 1, limit - 1, limit, limit + 1, 2 * stripe, 3 * stripe + 12345,
      3'000'001};
  std::ranges::sort(sizes);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

class EveryProfile : public ::testing::TestWithParam<model::ErasureProfile> {};
INSTANTIATE_TEST_SUITE_P(Profiles, EveryProfile, ::testing::ValuesIn(kProfiles), [](const auto& i) {
  return std::to_string(i.param.data) + "_" + std::to_string(i.param.parity);
});

TEST_P(EveryProfile, WhatIsWrittenIsReadBackAtEverySize) {
  for (const std::size_t size : boundary_sizes(GetParam().data, Cell(GetParam()).options)) {
    for (const bool known : {true, false}) {
      SCOPED_TRACE(::testing::Message() << size << " bytes, known " << known);
      Cell cell(GetParam());
      const std::string data = random_bytes(size);
      const auto put = cell.put(data, known, known ? SIZE_MAX : 10'007);
      ASSERT_TRUE(put) << put.error().message;
      EXPECT_EQ(put->record.size, size);
      using Kind = model::Record::DataKind;
      EXPECT_EQ(put->record.data_kind, size == 0                               ? Kind::none
                                       : size <= cell.options.inline_max_bytes ? Kind::inline_
                                                                               : Kind::blob);
      const auto back = cell.read(cell.commit(*put));
      ASSERT_TRUE(back) << back.error().message;
      ASSERT_TRUE(*back == data);
      for (const auto& d : cell.drives) EXPECT_EQ(d->writers_open, 0u);
      EXPECT_TRUE(cell.damage.empty());
    }
  }
}

// Sums that are sent along are those of the blocks of what is sent along.
TEST_P(EveryProfile, SumsThatComeWithShardsAreThoseOfTheirBlocks) {
  const auto check = [](const drive::BlobName& name, std::string_view bytes,
                        const std::vector<std::uint64_t>& sums, bool expected) {
    ASSERT_EQ(!sums.empty(), expected);
    for (std::size_t block = 0; block < sums.size(); ++block) {
      const auto one = bytes.substr(block * drive::kShardBlockBytes, drive::kShardBlockBytes);
      ASSERT_EQ(sums[block], drive::block_sum(name, block, io::as_bytes(one))) << block;
    }
    if (expected)
      ASSERT_EQ(sums.size(),
                (bytes.size() + drive::kShardBlockBytes - 1) / drive::kShardBlockBytes);
  };
  for (const std::uint32_t chunk : {65'536u, 777u}) {
    for (const std::size_t size : {4'096ul, 900'001ul, 4'000'000ul}) {
      for (const bool known : {true, false}) {
        SCOPED_TRACE(::testing::Message() << size << " bytes, chunks of " << chunk);
        Cell cell(GetParam());
        cell.options.chunk_bytes = chunk;
        cell.options.inline_max_bytes = 1 << 20;
        const std::string data = random_bytes(size);
        const auto put = cell.put(data, known, known ? SIZE_MAX : 100'003);
        ASSERT_TRUE(put);
        for (unsigned slot = 0; slot < cell.drives.size(); ++slot) {
          const drive::BlobName name{value_id(1), static_cast<std::uint8_t>(slot)};
          const bool expected = chunk == 65'536 && size > 16'384ul * GetParam().data;
          if (put->record.data_kind == model::Record::DataKind::inline_) {
            const auto& shard = put->inline_shards[slot];
            const io::Slice whole = io::joined(shard.pieces);
            check(name, io::as_text(whole.bytes), shard.sums, expected);
          } else {
            check(name, cell.drives[slot]->blobs[name], cell.drives[slot]->sums[name], expected);
          }
        }
        const auto back = cell.read(cell.commit(*put));
        ASSERT_TRUE(back && *back == data);
      }
    }
  }
}

// An inline object is one block also where that is more than the batch of a crowded store.
TEST_P(EveryProfile, InlineObjectsOfEverySizeAreWrittenWhileMemoryIsShort) {
  Cell cell(GetParam());
  cell.options.inline_max_bytes = 1 << 20;
  const auto crowd = cell.executor.run(cell.memory->allocate(cell.memory->limit() / 4));
  ASSERT_TRUE(crowd && is_crowded(*cell.memory));
  for (const std::size_t size : {1ul, 400'000ul, 700'000ul, 1ul << 20}) {
    for (const bool known : {true, false}) {
      SCOPED_TRACE(::testing::Message() << size << " bytes, known " << known);
      const std::string data = random_bytes(size);
      const auto put = cell.put(data, known);
      ASSERT_TRUE(put) << put.error().message;
      EXPECT_EQ(put->record.data_kind, model::Record::DataKind::inline_);
      const auto back = cell.read(cell.commit(*put));
      ASSERT_TRUE(back) << back.error().message;
      EXPECT_TRUE(*back == data);
    }
  }
}

TEST_P(EveryProfile, RangesAreThoseOfTheData) {
  std::mt19937_64 random(7);
  for (const std::size_t size : {100ul, 100'000ul, 131'073ul, 2'500'000ul}) {
    Cell cell(GetParam());
    const std::string data = random_bytes(size);
    const Found found = cell.commit(*cell.put(data));
    for (int i = 0; i < 25; ++i) {
      const std::size_t offset = random() % (size + 1);
      const std::size_t length = i % 2 == 0
                                     ? random() % (size - offset + 1)
                                     : std::min<std::size_t>(random() % 70'000, size - offset);
      SCOPED_TRACE(::testing::Message() << size << ": " << offset << "+" << length);
      const auto back = cell.read(found, offset, length);
      ASSERT_TRUE(back) << back.error().message;
      ASSERT_TRUE(*back == data.substr(offset, length));
    }
  }
}

TEST_P(EveryProfile, AnyLossTheProfileAllowsIsReadAround) {
  const unsigned n = GetParam().drives(), m = GetParam().parity;
  for (const std::size_t size : {5'000ul, 1'500'000ul}) {
    Cell cell(GetParam());
    const std::string data = random_bytes(size);
    const Found found = cell.commit(*cell.put(data));
    const std::size_t offset = size / 3, length = 1'000;
    for (unsigned a = 0; a < n; ++a) {
      for (unsigned b = a; b < n; ++b) {
        if (m == 0 || (b != a && m < 2)) continue;
        cell.drives[a]->faults.out_of_service = cell.drives[b]->faults.out_of_service = true;
        const auto all = cell.read(found);
        const auto range = cell.read(found, offset, length);
        cell.drives[a]->faults.out_of_service = cell.drives[b]->faults.out_of_service = false;
        ASSERT_TRUE(all) << a << " " << b << ": " << all.error().message;
        ASSERT_TRUE(*all == data);
        ASSERT_TRUE(range);
        ASSERT_TRUE(*range == data.substr(offset, length));
      }
    }
    EXPECT_TRUE(cell.damage.empty());  // a drive that is away is not a damaged shard
  }
}

TEST_P(EveryProfile, OneLossTooManyIsUnavailableAndNeverWrong) {
  for (const std::size_t size : {5'000ul, 1'500'000ul}) {
    Cell cell(GetParam());
    const Found found = cell.commit(*cell.put(random_bytes(size)));
    for (unsigned i = 0; i <= GetParam().parity; ++i) cell.drives[i]->faults.out_of_service = true;
    const auto back = cell.read(found);
    ASSERT_FALSE(back);
    EXPECT_EQ(back.code(), Code::unavailable);
  }
}

TEST_P(EveryProfile, CorruptAndMissingShardsAreReadAroundAndReported) {
  if (GetParam().parity == 0) GTEST_SKIP() << "without parity there is nothing to read instead";
  Cell cell(GetParam());
  const std::string data = random_bytes(2'000'000);
  const auto put = cell.put(data);
  const Found found = cell.commit(*put);
  const drive::BlobName name{value_id(1), 0};
  const std::uint64_t last = (cell.drives[0]->blobs[name].size() - 1) / drive::kShardBlockBytes;
  cell.drives[0]->bad_blocks.insert({name, last});
  auto back = cell.read(found);
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_TRUE(*back == data);
  ASSERT_EQ(cell.damage, (std::vector<std::pair<unsigned, Code>>{{0u, Code::corrupt}}));

  cell.damage.clear();
  cell.drives[0]->blobs.erase(name);
  back = cell.read(found);
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_TRUE(*back == data);
  ASSERT_EQ(cell.damage, (std::vector<std::pair<unsigned, Code>>{{0u, Code::not_found}}));
}

TEST_P(EveryProfile, DamagedInlineShardsAreReadAroundAndReported) {
  if (GetParam().parity == 0) GTEST_SKIP() << "without parity there is nothing to read instead";
  for (const std::size_t size : {7'777ul, 400'000ul}) {  // gathered, and opened
    Cell cell(GetParam());
    cell.options.inline_max_bytes = size;
    const std::string data = random_bytes(size);
    const Found found = cell.commit(*cell.put(data));
    ASSERT_EQ(found.record.data_kind, model::Record::DataKind::inline_);
    cell.drives[0]->bad_inline.insert(value_id(1));
    auto back = cell.read(found);
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_TRUE(*back == data);
    ASSERT_EQ(cell.damage, (std::vector<std::pair<unsigned, Code>>{{0u, Code::corrupt}}));
    cell.drives[0]->bad_inline.clear();
    cell.drives[0]->inlined[value_id(1)] += "x";  // of the wrong length
    back = cell.read(found);
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_TRUE(*back == data);
  }
}

TEST(DataReader, ARangeOfMidSizeInlineDataReadsOnlyWhatItTouches) {
  Cell cell({2, 2});
  cell.options.inline_max_bytes = 500'000;
  const std::string data = random_bytes(500'000);
  const Found found = cell.commit(*cell.put(data));
  ASSERT_EQ(found.record.data_kind, model::Record::DataKind::inline_);
  const auto back = cell.read(found, 200'000, 1000);  // in the second shard
  ASSERT_TRUE(back && *back == data.substr(200'000, 1000));
  std::uint64_t opened = 0, read = 0;
  for (const auto& d : cell.drives) opened += d->blobs_opened, read += d->bytes_read;
  EXPECT_EQ(opened, 1u);
  EXPECT_EQ(read, 1000u);
  EXPECT_EQ(cell.memory->used(), 0u);
}

// What readers of inline data hold is counted against the budget of memory.
TEST(DataReader, MidSizeInlineDataIsReadIntoTheBudget) {
  Cell cell({2, 2});
  cell.options.inline_max_bytes = 200'000;
  const std::string data = random_bytes(200'000);
  const Found found = cell.commit(*cell.put(data));
  auto source = cell.executor.run(open_data(cell.reading(), found, 0, data.size()));
  ASSERT_TRUE(source);
  EXPECT_GE(cell.memory->used(), data.size());
  source->reset();
  EXPECT_EQ(cell.memory->used(), 0u);
}

TEST(DataReader, InlineDataWhoseShardsWentIsToldFromAnUnreachableOne) {
  Cell cell({2, 1});
  cell.options.inline_max_bytes = 300'000;
  const Found found = cell.commit(*cell.put(random_bytes(300'000)));
  for (const auto& d : cell.drives) d->inlined.clear();
  EXPECT_EQ(cell.read(found).code(), Code::conflict);
}

TEST(DataReader, ShardsThatCameWithTheRecordAreNotFetchedAgain) {
  Cell cell({4, 2});
  const std::string data = random_bytes(10'000);
  const auto put = cell.put(data);
  Found found;
  found.record = put->record;
  for (const unsigned slot : {5u, 4u, 3u, 1u})
    found.inline_shards.emplace_back(slot, io::joined(put->inline_shards[slot].pieces));
  const auto back = cell.read(found);  // the drives have nothing
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(*back == data);
  EXPECT_TRUE(cell.damage.empty());
}

TEST(DataReader, ASmallRangeOpensAndReadsOnlyWhatItTouches) {
  Cell cell({4, 2});
  const std::string data = random_bytes(3'000'000);
  const Found found = cell.commit(*cell.put(data));
  const auto back = cell.read(found, 4 * 65536 + 100, 1000);  // inside the second chunk of shard 0
  ASSERT_TRUE(back && *back == data.substr(4 * 65536 + 100, 1000));
  std::uint64_t opened = 0, read = 0;
  for (const auto& d : cell.drives) opened += d->blobs_opened, read += d->bytes_read;
  EXPECT_EQ(opened, 1u);
  EXPECT_EQ(read, 1000u);
}

TEST(DataReader, AReplacedVersionIsToldFromAnUnreachableOne) {
  Cell cell({2, 1});
  const Found found = cell.commit(*cell.put(random_bytes(1'500'000)));
  for (const auto& d : cell.drives) d->blobs.clear();
  const auto back = cell.read(found);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.code(), Code::conflict);
}

TEST(DataReader, ABodyGoesOnWhenItsShardsAreReplacedMeanwhile) {
  for (const bool is_inline : {false, true}) {
    Cell cell({2, 1});
    const std::string data = random_bytes(3'000'000);
    if (is_inline) cell.options.inline_max_bytes = data.size();
    const Found found = cell.commit(*cell.put(data));
    ASSERT_EQ(found.record.data_kind == model::Record::DataKind::inline_, is_inline);
    auto source = cell.executor.run(open_data(cell.reading(), found, 0, data.size()));
    ASSERT_TRUE(source);
    for (const auto& d : cell.drives) {
      d->blobs.clear();
      d->inlined.clear();
    }
    std::string out;
    for (;;) {
      auto slices = cell.executor.run((*source)->next());
      ASSERT_TRUE(slices) << slices.error().message;
      if (slices->empty()) break;
      for (const io::Slice& s : *slices) out += io::as_text(s.bytes);
    }
    EXPECT_TRUE(out == data);
  }
}

TEST(DataReader, ASlowDriveIsPassedBy) {
  Cell cell({4, 2});
  const std::string data = random_bytes(3'000'000);
  const Found found = cell.commit(*cell.put(data));
  cell.drives[1]->faults.read_delay = std::chrono::seconds(60);
  const io::Instant before = cell.executor.now();
  const auto back = cell.read(found);
  ASSERT_TRUE(back && *back == data);
  EXPECT_LT(cell.executor.now() - before,
            std::chrono::seconds(1));  // one hedge, not one for each batch
  EXPECT_TRUE(cell.damage.empty());
}

TEST(DataReader, ADriveThatIsOnlySlowStillServesWhereNothingElseCan) {
  Cell cell({2, 1});
  const std::string data = random_bytes(300'000);
  const Found found = cell.commit(*cell.put(data));
  cell.drives[0]->faults.read_delay = std::chrono::seconds(2);
  cell.drives[2]->faults.out_of_service = true;
  const auto back = cell.read(found);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(*back == data);
}

TEST(DataReader, ADriveThatHangsIsGivenUpAtTheDeadline) {
  Cell cell({2, 1});
  const Found found = cell.commit(*cell.put(random_bytes(300'000)));
  cell.drives[0]->faults.read_delay = std::chrono::hours(1);
  cell.drives[2]->faults.out_of_service = true;
  const io::Instant before = cell.executor.now();
  const auto back = cell.read(found);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.code(), Code::unavailable);
  EXPECT_LE(cell.executor.now() - before, cell.options.call_deadline + std::chrono::seconds(1));
}

TEST(DataReader, ALateReadKeepsItsMemory) {
  Cell cell({2, 1});
  const Found found = cell.commit(*cell.put(random_bytes(300'000)));
  cell.drives[0]->faults.read_delay = std::chrono::minutes(10);
  cell.drives[2]->faults.out_of_service = true;
  ASSERT_FALSE(cell.read(found));
  // Nobody waits any more, but the drive will still write there: the memory is nobody else's.
  EXPECT_GT(cell.memory->used(), 0u);
  cell.executor.drain();
  EXPECT_EQ(cell.memory->used(), 0u);
}

TEST(DataReader, ABodyThatLosesItsShardsEndsInAnError) {
  Cell cell({2, 1});
  const std::string data = random_bytes(4'000'000);
  const Found found = cell.commit(*cell.put(data));
  auto source = cell.executor.run(open_data(cell.reading(), found, 0, data.size()));
  ASSERT_TRUE(source);
  cell.drives[0]->faults.out_of_service = cell.drives[1]->faults.out_of_service = true;
  std::string out;
  for (;;) {
    auto slices = cell.executor.run((*source)->next());
    if (!slices) break;
    ASSERT_FALSE(slices->empty()) << "the body ended as if it were whole";
    for (const io::Slice& s : *slices) out += io::as_text(s.bytes);
  }
  ASSERT_LT(out.size(), data.size());
  EXPECT_TRUE(data.starts_with(out));
  EXPECT_FALSE(cell.executor.run((*source)->next()).value_or(io::Slices{}).size() > 0);
}

TEST(DataReader, ObjectsOfManyPartsAreReadAcrossTheirBorders) {
  Cell cell({3, 2});
  Found found;
  std::string whole;
  for (std::uint8_t i = 0; i < 40; ++i) {
    const std::string data = random_bytes(1 + i * 7'001, i);
    const auto put = cell.put_part(data, value_id(static_cast<std::uint8_t>(100 + i)));
    ASSERT_TRUE(put);
    ASSERT_EQ(put->record.data_kind, model::Record::DataKind::blob) << "parts are never inline";
    found.parts.push_back(put->record.data);
    whole += data;
  }
  found.record.data_kind = model::Record::DataKind::parts;
  found.record.size = whole.size();
  const auto all = cell.read(found);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_TRUE(*all == whole);
  std::mt19937_64 random(3);
  for (int i = 0; i < 60; ++i) {
    const std::size_t offset = random() % whole.size();
    const std::size_t length = 1 + random() % std::min<std::size_t>(whole.size() - offset, 400'000);
    const auto back = cell.read(found, offset, length);
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_TRUE(*back == whole.substr(offset, length)) << offset << "+" << length;
  }
  cell.drives[1]->faults.out_of_service = cell.drives[2]->faults.out_of_service = true;
  const auto degraded = cell.read(found);
  ASSERT_TRUE(degraded && *degraded == whole);
}

TEST(DataReader, ATableOfPartsThatDoesNotAddUpIsRefused) {
  Cell cell({2, 1});
  Found found;
  found.record.data_kind = model::Record::DataKind::parts;
  found.record.size = 10;
  const auto back = cell.read(found, 0, 10);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.code(), Code::corrupt);
}

TEST(DataReader, MemoryIsBoundedWhileALongBodyWaits) {
  Cell cell({4, 2});
  const std::string data = random_bytes(8'000'000);
  const Found found = cell.commit(*cell.put(data));
  ASSERT_EQ(cell.memory->used(), 0u);
  auto source = cell.executor.run(open_data(cell.reading(), found, 0, data.size()));
  ASSERT_TRUE(source);
  {
    const auto first = cell.executor.run((*source)->next());
  }
  cell.executor.drain();
  EXPECT_LE(cell.memory->used(),
            (cell.options.read_batches_ahead + 1) * 2 * cell.options.read_batch_bytes);
  source->reset();
  cell.executor.drain();
  EXPECT_EQ(cell.memory->used(), 0u);
}

}  // namespace
}  // namespace cairn::store::testing
