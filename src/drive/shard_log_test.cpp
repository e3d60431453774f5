// The shard log by itself: what is appended is durable and read back, and space comes back.
#include "drive/shard_log.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "io/testing/power_cut.h"
#include "io/testing/sim_executor.h"
#include "io/world.h"

namespace cairn::drive {
namespace {

class ShardLogTest : public ::testing::Test {
 protected:
  ShardLogTest() : executor(1) {
    EXPECT_TRUE(executor.run(files.make_directory("/d")));
    EXPECT_TRUE(executor.run(files.sync_directory("/")));
    open({});
  }
  void open(ShardLog::Limits limits) {
    log = std::make_shared<ShardLog>(files, "/d/log", limits);
    ASSERT_TRUE(executor.run(log->load()));
  }
  static std::string text(std::size_t bytes, char seed) {
    std::string out(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(seed + i * 7 + i / 250);
    return out;
  }
  LogPlace append(const std::string& bytes) {
    const auto places = append_all({bytes});
    return places.empty() ? LogPlace{} : places[0];
  }
  std::vector<LogPlace> append_all(const std::vector<std::string>& all) {
    std::vector<io::Slice> shards;
    for (const auto& bytes : all) {
      EXPECT_TRUE(executor.run(log->make_room()));
      shards.push_back(io::Slice::of(bytes));
    }
    auto places = log->append(shards);
    EXPECT_TRUE(places) << places.error().message;
    return places ? *places : std::vector<LogPlace>{};
  }
  std::string read(const LogPlace& place) {
    auto bytes = executor.run(log->read(place));
    return bytes ? std::string(io::as_text(bytes->bytes)) : std::string(bytes.error().message);
  }
  void release(std::vector<LogPlace> places) {
    struct Local {
      static io::Task<bool> go(ShardLog* l, std::vector<LogPlace> p) {
        co_await l->release(std::move(p));
        co_return true;
      }
    };
    EXPECT_TRUE(executor.run(Local::go(log.get(), std::move(places))));
  }
  void reclaim() {
    struct Local {
      static io::Task<bool> go(ShardLog* l) {
        co_await l->reclaim();
        co_return true;
      }
    };
    EXPECT_TRUE(executor.run(Local::go(log.get())));
  }
  std::size_t segments() { return executor.run(files.list("/d/log"))->size(); }

  io::testing::SimExecutor executor;
  io::testing::PowerCutFileSystem files;
  std::shared_ptr<ShardLog> log;
};

TEST_F(ShardLogTest, WhatIsAppendedIsReadAndSurvivesAPowerCut) {
  std::vector<std::pair<LogPlace, std::string>> all;
  for (const std::size_t bytes : {1u, 4095u, 4096u, 4097u, 70'000u, 300'000u}) {
    const std::string content = text(bytes, static_cast<char>(bytes));
    all.emplace_back(append(content), content);
    EXPECT_EQ(all.back().first.offset % kLogPage, 0u);
  }
  for (const auto& [place, content] : all) EXPECT_TRUE(read(place) == content);
  files.power_cut_losing_all();
  open({});
  for (const auto& [place, content] : all) EXPECT_TRUE(read(place) == content);
  EXPECT_EQ(executor.run(log->read({99, kLogPage, 10})).code(), Code::not_found);
  EXPECT_EQ(executor.run(log->read({1, 100 * kLogPage, 10'000'000})).code(), Code::corrupt);
}

TEST_F(ShardLogTest, WhatWaitsTogetherSharesASync) {
  append("first");
  files.forget_syncs();
  std::vector<std::string> all;
  for (int i = 0; i < 50; ++i)
    all.push_back(text(1 + static_cast<std::size_t>(i) * 700, static_cast<char>(i)));
  const auto places = append_all(all);
  ASSERT_EQ(places.size(), all.size());
  EXPECT_EQ(files.syncs().size(), 1u);
  files.power_cut_losing_all();
  open({});
  for (std::size_t i = 0; i < places.size(); ++i) {
    EXPECT_TRUE(read(places[i]) == all[i]) << i;
    if (i > 0) {
      EXPECT_GE(places[i].offset, places[i - 1].offset + places[i - 1].bytes);
    }
  }
}

// What lies on pages in memory is written from there, also beside what is copied.
TEST_F(ShardLogTest, ShardsOnPageBoundariesAndNot) {
  constexpr std::size_t kBytes = 64 * kLogPage;
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kLogPage, kBytes));
  const std::shared_ptr<const void> owner(memory,
                                          [](const void* p) { std::free(const_cast<void*>(p)); });
  const std::string content = text(kBytes, 'p');
  std::memcpy(memory, content.data(), kBytes);
  std::vector<io::Slice> shards;
  std::size_t at = 0;
  for (const std::size_t bytes : {kLogPage, std::size_t{1}, 3 * kLogPage + 7, 2 * kLogPage,
                                  5 * kLogPage - 1, kLogPage / 2, kLogPage}) {
    shards.push_back({owner, io::Bytes(memory + at, bytes)});
    at += shards.size() % 2 == 0 ? bytes : (bytes + kLogPage - 1) / kLogPage * kLogPage;
  }
  ASSERT_TRUE(executor.run(log->make_room()));
  const auto places = log->append(shards);
  ASSERT_TRUE(places);
  for (std::size_t i = 0; i < shards.size(); ++i)
    EXPECT_TRUE(read((*places)[i]) == io::as_text(shards[i].bytes)) << i;
}

TEST_F(ShardLogTest, AFullSegmentGoesWhenNothingOfItIsNamed) {
  open({.segment_bytes = 39 * kLogPage});
  std::vector<LogPlace> places;
  for (int i = 0; i < 30; ++i) places.push_back(append(text(3 * kLogPage, 'a')));
  EXPECT_EQ(segments(), 3u);  // it is full when it has reached the limit, with 13
  EXPECT_EQ(places[12].segment, places[0].segment);
  EXPECT_NE(places[13].segment, places[0].segment);
  release({places.begin(), places.begin() + 12});
  EXPECT_EQ(segments(), 3u);
  EXPECT_TRUE(read(places[12]) == text(3 * kLogPage, 'a'));
  release({places[12]});
  EXPECT_EQ(segments(), 2u);
  release({places[12]});  // said twice: nothing else goes
  release({places.begin() + 26, places.end()});
  EXPECT_EQ(segments(), 2u);  // the last one is being appended to
  EXPECT_TRUE(read(places[13]) == text(3 * kLogPage, 'a'));
}

TEST_F(ShardLogTest, WhatIsFreedInAUsedSegmentIsCutOut) {
  open({.give_back_bytes = 8 * kLogPage});
  const LogPlace a = append(text(4 * kLogPage, 'a')), b = append(text(4 * kLogPage, 'b')),
                 c = append(text(100, 'c')), d = append(text(4 * kLogPage, 'd'));
  release({a});
  EXPECT_TRUE(read(a) == text(4 * kLogPage, 'a'));  // not worth it yet
  release({d});
  EXPECT_EQ(read(a), std::string(4 * kLogPage, '\0'));
  EXPECT_EQ(read(d), std::string(4 * kLogPage, '\0'));
  EXPECT_TRUE(read(b) == text(4 * kLogPage, 'b'));
  EXPECT_TRUE(read(c) == text(100, 'c'));
}

TEST_F(ShardLogTest, AMountGivesBackWhatNothingNames) {
  open({.segment_bytes = 20 * kLogPage});
  std::vector<LogPlace> places;
  for (int i = 0; i < 12; ++i) places.push_back(append(text(3 * kLogPage, 'a')));
  EXPECT_EQ(segments(), 2u);
  open({});
  log->take(places[1]);
  log->take(places[4]);
  const LogPlace fresh = append(text(100, 'f'));
  EXPECT_GT(fresh.segment, places.back().segment);
  release({places[4]});  // meanwhile
  reclaim();
  EXPECT_EQ(segments(), 2u);  // the second old one held nothing
  EXPECT_TRUE(read(places[1]) == text(3 * kLogPage, 'a'));
  EXPECT_EQ(read(places[0]), std::string(3 * kLogPage, '\0'));
  EXPECT_EQ(read(places[4]), std::string(3 * kLogPage, '\0'));
  EXPECT_TRUE(read(fresh) == text(100, 'f'));
  release({places[4]});  // said again by whoever saw it go after the snapshot
  EXPECT_TRUE(read(places[1]) == text(3 * kLogPage, 'a'));
  release({places[1]});
  EXPECT_EQ(segments(), 1u);
}

TEST_F(ShardLogTest, AfterAFailedWriteNothingIsAppendedBehindIt) {
  const LogPlace before = append("before");
  files.lose_power_after(0);
  EXPECT_FALSE(log->append({io::Slice::of("lost")}));
  // There is no segment until there is room for one.
  EXPECT_EQ(log->append({io::Slice::of("nor this")}).code(), Code::no_space);
  files.power_cut_losing_all();
  EXPECT_EQ(log->bytes_in_use(), kLogPage);  // what was lost is in nobody's way
  const LogPlace after = append("after");
  EXPECT_NE(after.segment, before.segment);
  release({before});
  EXPECT_EQ(segments(), 1u);
  EXPECT_EQ(read(after), "after");
}

}  // namespace
}  // namespace cairn::drive
