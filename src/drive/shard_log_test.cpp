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
    std::vector<io::Slices> shards;
    for (const auto& bytes : all) {
      EXPECT_TRUE(executor.run(log->make_room()));
      shards.push_back({io::Slice::of(bytes)});
    }
    auto places = log->append(shards);
    EXPECT_TRUE(places) << places.error().message;
    return places ? *places : std::vector<LogPlace>{};
  }
  std::string read(const LogPlace& place) {
    auto opened = executor.run(log->open(place));
    if (!opened) return std::string(opened.error().message);
    std::string bytes(place.bytes, '\0');
    auto read = executor.run((*opened)->read(0, std::as_writable_bytes(std::span(bytes))));
    return read ? bytes : std::string(read.error().message);
  }
  // What lies there, whether it is in use or not.
  std::string on_disk(const LogPlace& place) {
    char name[32];
    std::snprintf(name, sizeof name, "/d/log/%016llx.seg",
                  static_cast<unsigned long long>(place.segment));
    auto file = executor.run(files.open(name, io::FileSystem::Open::read));
    if (!file) return std::string(file.error().message);
    std::string bytes(place.bytes, '\0');
    auto read =
        executor.run((*file)->read_at(place.offset, std::as_writable_bytes(std::span(bytes))));
    return read ? bytes : std::string(read.error().message);
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
  void give_back_left() {
    struct Local {
      static io::Task<bool> go(ShardLog* l) {
        co_await l->give_back_left();
        co_return true;
      }
    };
    EXPECT_TRUE(executor.run(Local::go(log.get())));
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
  const auto& [large, content] = all.back();
  std::string room(1000, '\0');
  const auto into = std::as_writable_bytes(std::span(room));
  const auto opened = executor.run(log->open(large)).value();
  EXPECT_TRUE(executor.run(opened->read(123'456, into)));
  EXPECT_TRUE(room == content.substr(123'456, 1000));
  EXPECT_EQ(executor.run(log->open({99, kLogPage, 1000})).code(), Code::not_found);
  // A segment that is not counted yet may hold anything.
  const auto beyond = executor.run(log->open({1, 100 * kLogPage, 10'000'000})).value();
  EXPECT_EQ(executor.run(beyond->read(9'999'000, into)).code(), Code::corrupt);
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
  std::vector<io::Slices> shards;
  std::size_t at = 0;
  for (const std::size_t bytes : {kLogPage, std::size_t{1}, 3 * kLogPage + 7, 2 * kLogPage,
                                  5 * kLogPage - 1, kLogPage / 2, kLogPage}) {
    shards.push_back({{owner, io::Bytes(memory + at, bytes)}});
    at += shards.size() % 2 == 0 ? bytes : (bytes + kLogPage - 1) / kLogPage * kLogPage;
  }
  // One whose pieces lie scattered.
  shards.push_back({{owner, io::Bytes(memory + 20 * kLogPage, 16 * kLogPage)},
                    {owner, io::Bytes(memory + 3, 16 * kLogPage)},
                    {owner, io::Bytes(memory + 7 * kLogPage, 2 * kLogPage + 9)}});
  ASSERT_TRUE(executor.run(log->make_room()));
  const auto places = log->append(shards);
  ASSERT_TRUE(places);
  for (std::size_t i = 0; i < shards.size(); ++i)
    EXPECT_TRUE(read((*places)[i]) == io::as_text(io::joined(shards[i]).bytes)) << i;
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
  EXPECT_EQ(executor.run(log->open(a)).code(), Code::not_found);
  EXPECT_TRUE(on_disk(a) == text(4 * kLogPage, 'a'));  // not worth it yet
  release({d});
  EXPECT_EQ(on_disk(a), std::string(4 * kLogPage, '\0'));
  EXPECT_EQ(on_disk(d), std::string(4 * kLogPage, '\0'));
  EXPECT_TRUE(read(b) == text(4 * kLogPage, 'b'));
  EXPECT_TRUE(read(c) == text(100, 'c'));
}

// A body that is being sent stays what it was when its version is replaced (7.5).
TEST_F(ShardLogTest, WhatIsOpenStaysReadableUntilItIsClosed) {
  open({.segment_bytes = 20 * kLogPage, .give_back_bytes = kLogPage});
  unsigned woken = 0;
  log->when_left([&] { ++woken; });
  std::vector<LogPlace> places;
  for (int i = 0; i < 5; ++i)
    places.push_back(append(text(4 * kLogPage, static_cast<char>('a' + i))));
  const LogPlace next = append(text(4 * kLogPage, 'n'));
  ASSERT_NE(next.segment, places[0].segment);
  auto first = executor.run(log->open(places[0])).value();
  auto again = executor.run(log->open(places[0])).value();
  auto second = executor.run(log->open(places[1])).value();
  const auto still = [&](const auto& opened, char c) {
    std::string bytes(4 * kLogPage, '\0');
    EXPECT_TRUE(executor.run(opened->read(0, std::as_writable_bytes(std::span(bytes)))));
    return bytes == text(4 * kLogPage, c);
  };
  release({places[0], places[2]});
  EXPECT_TRUE(still(first, 'a'));
  EXPECT_EQ(on_disk(places[2]), std::string(4 * kLogPage, '\0'));  // that was not open
  EXPECT_EQ(executor.run(log->open(places[0])).code(), Code::not_found);
  first.reset();
  EXPECT_EQ(woken, 0u);
  EXPECT_TRUE(still(again, 'a'));
  again.reset();
  EXPECT_EQ(woken, 1u);
  give_back_left();
  EXPECT_EQ(on_disk(places[0]), std::string(4 * kLogPage, '\0'));
  EXPECT_TRUE(still(second, 'b'));
  // One of which nothing is left stays as well, and then goes.
  release({places[1], places[3], places[4]});
  EXPECT_EQ(on_disk(places[3]), std::string(4 * kLogPage, '\0'));
  EXPECT_EQ(segments(), 2u);
  EXPECT_TRUE(still(second, 'b'));
  second.reset();
  EXPECT_EQ(woken, 2u);
  give_back_left();
  EXPECT_EQ(segments(), 1u);
  EXPECT_TRUE(read(next) == text(4 * kLogPage, 'n'));
  {
    const auto named = executor.run(log->open(next)).value();
  }
  EXPECT_EQ(woken, 2u);
}

// Opened before a mount's count was made, released and counted meanwhile.
TEST_F(ShardLogTest, TheCountOfAMountWaitsForWhatIsOpen) {
  const LogPlace a = append(text(4 * kLogPage, 'a')), b = append(text(4 * kLogPage, 'b'));
  open({.give_back_bytes = kLogPage});
  log->take(a);
  log->take(b);
  auto opened = executor.run(log->open(a)).value();
  release({a});
  reclaim();
  std::string bytes(a.bytes, '\0');
  EXPECT_TRUE(executor.run(opened->read(0, std::as_writable_bytes(std::span(bytes)))));
  EXPECT_TRUE(bytes == text(4 * kLogPage, 'a'));
  EXPECT_EQ(executor.run(log->open(a)).code(), Code::not_found);
  opened.reset();
  give_back_left();
  EXPECT_EQ(on_disk(a), std::string(4 * kLogPage, '\0'));
  EXPECT_TRUE(read(b) == text(4 * kLogPage, 'b'));
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
  EXPECT_EQ(on_disk(places[0]), std::string(3 * kLogPage, '\0'));
  EXPECT_EQ(on_disk(places[4]), std::string(3 * kLogPage, '\0'));
  EXPECT_TRUE(read(fresh) == text(100, 'f'));
  release({places[4]});  // said again by whoever saw it go after the snapshot
  EXPECT_TRUE(read(places[1]) == text(3 * kLogPage, 'a'));
  release({places[1]});
  EXPECT_EQ(segments(), 1u);
}

TEST_F(ShardLogTest, AfterAFailedWriteNothingIsAppendedBehindIt) {
  const LogPlace before = append("before");
  files.lose_power_after(0);
  EXPECT_FALSE(log->append({{io::Slice::of("lost")}}));
  // There is no segment until there is room for one.
  EXPECT_EQ(log->append({{io::Slice::of("nor this")}}).code(), Code::no_space);
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
