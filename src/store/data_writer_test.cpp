// What a write does when drives fail, hang or fill up, and when its caller gives up.
#include "store/data_writer.h"

#include <gtest/gtest.h>

#include "store/testing/data_fixture.h"

namespace cairn::store::testing {
namespace {

std::size_t holders(const Cell& cell) {
  return static_cast<std::size_t>(
      std::ranges::count_if(cell.drives, [](const auto& d) { return !d->blobs.empty(); }));
}

class WriterProfiles : public ::testing::TestWithParam<model::ErasureProfile> {};
INSTANTIATE_TEST_SUITE_P(Profiles, WriterProfiles, ::testing::ValuesIn(kProfiles),
                         [](const auto& i) {
                           return std::to_string(i.param.data) + "_" +
                                  std::to_string(i.param.parity);
                         });

TEST_P(WriterProfiles, GoesOnWhileWMembersTakeTheData) {
  const unsigned n = GetParam().drives(), w = GetParam().write_quorum();
  for (unsigned failing = 0; failing <= n - w + 1; ++failing) {
    Cell cell(GetParam());
    for (unsigned i = 0; i < failing; ++i) cell.drives[i]->faults.append_fails_after = 300'000;
    const std::string data = random_bytes(500'000ul * GetParam().data);
    const auto put = cell.put(data);
    cell.executor.drain();
    ASSERT_EQ(put.has_value(), failing <= n - w) << failing;
    if (put) {
      EXPECT_EQ(holders(cell), n - failing);
      const auto back = cell.read(cell.commit(*put));
      ASSERT_TRUE(back && *back == data);
    } else {
      EXPECT_EQ(put.code(), Code::unavailable);
      EXPECT_EQ(holders(cell), 0u) << "what a failed write staged stays behind";
    }
    for (const auto& d : cell.drives) EXPECT_EQ(d->writers_open, 0u);
    EXPECT_EQ(cell.memory->used(), 0u);
  }
}

TEST_P(WriterProfiles, AMemberWhoseSyncFailsIsNotCounted) {
  const unsigned n = GetParam().drives(), w = GetParam().write_quorum();
  for (unsigned failing = 0; failing <= n - w + 1; ++failing) {
    Cell cell(GetParam());
    for (unsigned i = 0; i < failing; ++i) cell.drives[n - 1 - i]->faults.finish_fails = true;
    const auto put = cell.put(random_bytes(400'000));
    cell.executor.drain();
    ASSERT_EQ(put.has_value(), failing <= n - w) << failing;
    EXPECT_EQ(holders(cell), put ? n - failing : 0);
  }
}

TEST(DataWriter, FullDrivesAreToldFromFailedOnes) {
  Cell cell({4, 2});
  cell.drives[0]->faults.full = cell.drives[1]->faults.full = true;
  auto put = cell.put(random_bytes(1'000'000));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.code(), Code::no_space);
  cell.drives[2]->faults.out_of_service = cell.drives[3]->faults.out_of_service = true;
  put = cell.put(random_bytes(1'000'000));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.code(), Code::unavailable);
}

TEST(DataWriter, AHangingMemberIsLeftBehindSoon) {
  Cell cell({4, 2});
  cell.drives[3]->faults.write_delay = std::chrono::seconds(8);
  const std::string data = random_bytes(5'000'000);
  const io::Instant before = cell.executor.now();
  const auto put = cell.put(data);
  ASSERT_TRUE(put) << put.error().message;
  EXPECT_LT(cell.executor.now() - before, std::chrono::seconds(4));
  EXPECT_EQ(holders(cell), 5u);
  const auto back = cell.read(cell.commit(*put));
  ASSERT_TRUE(back && *back == data);
}

TEST(DataWriter, MembersThatHangBeyondTheQuorumFailTheWriteAtTheDeadline) {
  Cell cell({4, 2});
  cell.drives[3]->faults.write_delay = cell.drives[4]->faults.write_delay = std::chrono::hours(1);
  const io::Instant before = cell.executor.now();
  const auto put = cell.put(random_bytes(1'000'000));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.code(), Code::unavailable);
  EXPECT_LT(cell.executor.now() - before, 2 * cell.options.call_deadline);
  cell.executor.drain();
  EXPECT_EQ(holders(cell), 0u);
  EXPECT_EQ(cell.memory->used(), 0u);
}

TEST(DataWriter, EqualSlownessIsWaitedFor) {
  Cell cell({4, 2});
  for (const auto& d : cell.drives) d->faults.write_delay = std::chrono::seconds(3);
  const auto put = cell.put(random_bytes(600'000));
  ASSERT_TRUE(put) << put.error().message;
  EXPECT_EQ(holders(cell), 6u);
}

TEST(DataWriter, WithoutAQuorumOfDrivesNothingIsBegun) {
  Cell cell({2, 2});
  cell.drives[0]->faults.out_of_service = cell.drives[1]->faults.out_of_service = true;
  const auto put = cell.put("x");
  ASSERT_FALSE(put);
  EXPECT_EQ(put.code(), Code::unavailable);
}

io::Task<Result<void>> abandon(WriteContext context, std::size_t bytes) {
  auto writer = make_data_writer(context, model::UnitKey::object(model::BucketId{1}, "key"),
                                 value_id(1), std::uint64_t{10'000'000});
  if (!writer) co_return Error{std::move(writer.error())};
  while (bytes > 0) {
    CAIRN_CO_ASSIGN(io::MutableBytes room, co_await (*writer)->buffer());
    const std::size_t n = std::min(room.size(), bytes);
    CAIRN_CO_TRY(co_await (*writer)->advance(n));
    bytes -= n;
  }
  co_return Result<void>{};
}

TEST(DataWriter, WhatIsNotFinishedGoesAway) {
  for (const std::size_t bytes : {0ul, 1ul, 300'000ul, 3'000'000ul}) {
    Cell cell({4, 2});
    cell.drives[2]->faults.write_delay = std::chrono::milliseconds(100);
    ASSERT_TRUE(cell.executor.run(abandon(cell.writing(), bytes)));
    cell.executor.drain();
    EXPECT_EQ(holders(cell), 0u);
    for (const auto& d : cell.drives) EXPECT_EQ(d->writers_open, 0u);
    EXPECT_EQ(cell.memory->used(), 0u);
  }
}

io::Task<Result<void>> wrong_length(WriteContext context, std::uint64_t announced,
                                    std::size_t sent) {
  auto writer = make_data_writer(context, model::UnitKey::object(model::BucketId{1}, "key"),
                                 value_id(1), announced);
  if (!writer) co_return Error{std::move(writer.error())};
  while (sent > 0) {
    CAIRN_CO_ASSIGN(io::MutableBytes room, co_await (*writer)->buffer());
    const std::size_t n = std::min(room.size(), sent);
    CAIRN_CO_TRY(co_await (*writer)->advance(n));
    sent -= n;
  }
  CAIRN_CO_ASSIGN(const io::MutableBytes end, co_await (*writer)->buffer());
  EXPECT_FALSE(end.empty())
      << "a caller that looks for the end of its body needs room to read into";
  PutVersion put;
  co_return co_await (*writer)->finish(put);
}

TEST(DataWriter, DataOfAnotherLengthThanAnnouncedIsRefused) {
  for (const std::uint64_t announced : {0ul, 10ul, 200'000ul}) {
    Cell cell({2, 1});
    EXPECT_TRUE(cell.executor.run(wrong_length(cell.writing(), announced, announced)));
    EXPECT_FALSE(cell.executor.run(wrong_length(cell.writing(), announced, announced + 1)));
    if (announced > 0)
      EXPECT_FALSE(cell.executor.run(wrong_length(cell.writing(), announced, announced - 1)));
  }
}

TEST(DataWriter, ASpentBudgetSlowsDownAndLeavesNothing) {
  Cell cell({4, 2});
  cell.memory = io::make_memory_budget(1 << 20, std::chrono::milliseconds(50));
  auto taken = cell.executor.run(cell.memory->allocate(1 << 20));
  ASSERT_TRUE(taken);
  const auto put = cell.put(random_bytes(1'000'000));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.code(), Code::slow_down);
  cell.executor.drain();
  EXPECT_EQ(holders(cell), 0u);
  taken->reset();
  EXPECT_TRUE(cell.put(random_bytes(1'000'000)));
}

TEST(DataWriter, DiscardRemovesWhatNoCommitWillName) {
  Cell cell({2, 1});
  ASSERT_TRUE(cell.put(random_bytes(400'000)));
  ASSERT_EQ(holders(cell), 3u);
  struct Run {
    static io::Task<bool> go(std::shared_ptr<const PartitionView> view, DataOptions options) {
      co_await discard_data(std::move(view), value_id(1), options);
      co_return true;
    }
  };
  cell.executor.run(Run::go(cell.view, cell.options));
  EXPECT_EQ(holders(cell), 0u);
}

}  // namespace
}  // namespace cairn::store::testing
