// What the write-ahead log keeps through a crash, and what it refuses (write_ahead_log.h, L1 to
// L4).
#include "drive/write_ahead_log.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

namespace cairn::drive {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSeed = 0x1234567890abcdef;

std::string read_all(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}
void write_all(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

class WriteAheadLogTest : public ::testing::Test {
 protected:
  using Batches = std::map<std::uint64_t, std::string>;
  struct Opened {
    std::unique_ptr<WriteAheadLog> log{};
    Batches applied{};
    std::optional<Error> error{};
  };

  WriteAheadLogTest() {
    root_ = fs::temp_directory_path() / ("cairn_wal_test_" + std::to_string(::getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~WriteAheadLogTest() override { fs::remove_all(root_); }

  static Opened open(const fs::path& directory, std::uint64_t applied = 0,
                     std::uint64_t seed = kSeed) {
    Opened out;
    std::uint64_t last = applied;
    auto log = WriteAheadLog::open(directory.string(), seed, applied, options(),
                                   [&](std::uint64_t number, std::string_view batch) {
                                     EXPECT_EQ(number, last + 1) << "in order, without gaps";
                                     last = number;
                                     out.applied[number] = batch;
                                     return Result<void>{};
                                   });
    if (!log) {
      out.error = log.error();
    } else {
      EXPECT_EQ((*log)->last(), last);
      out.log = std::move(*log);
    }
    return out;
  }
  static WriteAheadLog::Options options() {
    return {.segment_bytes = 64 * 1024, .unsynced_bytes = 32 * 1024};
  }
  static std::string text(std::uint64_t number, std::size_t bytes = 300) {
    std::string out = std::to_string(number) + ":";
    out.resize(std::max(bytes, out.size()), static_cast<char>('a' + number % 26));
    return out;
  }
  static void append(WriteAheadLog& log, bool sync, std::size_t bytes = 300) {
    const auto done = log.append(text(log.last() + 1, bytes), sync);
    ASSERT_TRUE(done) << done.error().message;
  }
  fs::path copy(const fs::path& from, const std::string& name) {
    const fs::path to = root_ / name;
    fs::remove_all(to);
    fs::copy(from, to, fs::copy_options::recursive);
    return to;
  }
  static fs::path segment(const fs::path& directory, int number) {
    return directory / ("0000000" + std::to_string(number) + ".wal");
  }
  fs::path root_;
};

TEST_F(WriteAheadLogTest, WhatIsSyncedIsHandedOverBehindWhatTheIndexHas) {
  auto o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  for (int i = 1; i <= 10; ++i) append(*o.log, i % 3 == 0);
  auto crashed = open(copy(root_ / "wal", "crashed"));
  ASSERT_TRUE(crashed.log);
  EXPECT_EQ(crashed.applied.size(), 9u) << "the tenth was not written";
  for (const auto& [number, batch] : crashed.applied) EXPECT_EQ(batch, text(number));
  ASSERT_TRUE(o.log->sync());
  crashed = open(copy(root_ / "wal", "crashed"), 4);  // in the middle of a record
  ASSERT_TRUE(crashed.log);
  EXPECT_EQ(crashed.applied.size(), 6u);
  EXPECT_EQ(crashed.applied.begin()->first, 5u);
  crashed = open(copy(root_ / "wal", "crashed"), 12);  // an unsynced batch got into the files
  ASSERT_TRUE(crashed.log);
  EXPECT_TRUE(crashed.applied.empty());
  append(*crashed.log, true);
  crashed = open(copy(root_ / "crashed", "again"), 12);
  EXPECT_EQ(crashed.applied, (Batches{{13, text(13)}}));
}

// lessons.md: torn tails. Sectors of the last write may be there in any combination.
TEST_F(WriteAheadLogTest, ATornEndIsCutOffAndWrittenOver) {
  auto o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  for (int i = 0; i < 3; ++i) append(*o.log, true);
  const std::string before = read_all(segment(root_ / "wal", 1));
  append(*o.log, false, 3000);
  append(*o.log, true, 6000);
  const std::string after = read_all(segment(root_ / "wal", 1));
  std::mt19937 dice(1);
  for (int round = 0; round < 200; ++round) {
    std::string torn = after;
    std::size_t lost = 0;
    for (std::size_t at = 3 * kWalPage; at < 6 * kWalPage; at += 512) {
      if (dice() % 4 != 0 || after.compare(at, 512, before, at, 512) == 0) continue;
      torn.replace(at, 512, before, at, 512);
      ++lost;
    }
    const fs::path directory = copy(root_ / "wal", "torn");
    write_all(segment(directory, 1), torn);
    auto opened = open(directory);
    ASSERT_TRUE(opened.log) << opened.error->message;
    EXPECT_EQ(opened.applied.size(), lost == 0 ? 5u : 3u);
    append(*opened.log, true, 50);
    const auto next = opened.log->last();
    opened = open(copy(directory, "next"));
    ASSERT_TRUE(opened.log);
    EXPECT_EQ(opened.log->last(), next);
  }
}

// protocol.md 7.4: a drive that lost synced state must not come back as if nothing had happened.
TEST_F(WriteAheadLogTest, DamageBeforeTheLastRecordIsRefused) {
  auto o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  for (int i = 0; i < 40; ++i) append(*o.log, true);  // three segments
  ASSERT_TRUE(fs::exists(segment(root_ / "wal", 3)));
  for (const int page : {0, 7, 15}) {
    for (const std::size_t byte : {0u, 9u, 20u, 27u, 30u, 200u}) {
      const fs::path directory = copy(root_ / "wal", "damaged");
      std::string bytes = read_all(segment(directory, 2));
      char& at = bytes[static_cast<std::size_t>(page) * kWalPage + byte];
      at = static_cast<char>(at ^ 0x10);
      write_all(segment(directory, 2), bytes);
      const auto opened = open(directory);
      ASSERT_TRUE(opened.error) << page << ", " << byte;
      EXPECT_EQ(opened.error->code, Code::corrupt);
      const auto later = open(directory, static_cast<std::uint64_t>(16 + page + 1));
      EXPECT_TRUE(later.log) << "the index has what is damaged";
    }
  }
  const fs::path lost = copy(root_ / "wal", "lost");
  fs::remove(segment(lost, 2));
  EXPECT_TRUE(open(lost).error);
}

// A record that could not be read at one mount and can at the next: what came since has its
// numbers.
TEST_F(WriteAheadLogTest, TwoHistoriesAreRefused) {
  auto o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  for (int i = 0; i < 3; ++i) append(*o.log, true);
  const std::string whole = read_all(segment(root_ / "wal", 1));
  std::string unreadable = whole;
  unreadable[2 * kWalPage + 50] = '#';
  write_all(segment(root_ / "wal", 1), unreadable);
  o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  EXPECT_EQ(o.log->last(), 2u);
  append(*o.log, false);
  append(*o.log, true);
  o.log.reset();
  write_all(segment(root_ / "wal", 1), whole);
  o = open(root_ / "wal");
  ASSERT_TRUE(o.error);
  EXPECT_EQ(o.error->code, Code::corrupt);
}

TEST_F(WriteAheadLogTest, BytesOfAClientAreNoRecord) {
  auto other = open(root_ / "other", 0, kSeed + 1);
  ASSERT_TRUE(other.log);
  for (int i = 0; i < 3; ++i) append(*other.log, true);
  const std::string forged = read_all(segment(root_ / "other", 1)).substr(0, 3 * kWalPage);
  auto o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  append(*o.log, true);
  // Its bytes lie on pages of the segment, and what is before them is lost.
  ASSERT_TRUE(o.log->append(std::string(kWalPage - 36, '.') + forged, true));
  const fs::path directory = copy(root_ / "wal", "torn");
  std::string bytes = read_all(segment(directory, 1));
  ASSERT_EQ(bytes.substr(2 * kWalPage, 8), forged.substr(0, 8));
  bytes.replace(kWalPage, 8, 8, '\0');
  write_all(segment(directory, 1), bytes);
  const auto opened = open(directory);
  ASSERT_TRUE(opened.log) << opened.error->message;
  EXPECT_EQ(opened.applied, (Batches{{1, text(1)}}));
}

TEST_F(WriteAheadLogTest, ABatchMayBeLargerThanASegment) {
  auto o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  append(*o.log, true);
  append(*o.log, true, 300'000);
  append(*o.log, true);
  const auto opened = open(copy(root_ / "wal", "crashed"));
  ASSERT_TRUE(opened.log);
  EXPECT_EQ(opened.applied, (Batches{{1, text(1)}, {2, text(2, 300'000)}, {3, text(3)}}));
}

TEST_F(WriteAheadLogTest, MuchThatWaitsIsWritten) {
  auto o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  for (int i = 0; i < 200; ++i) append(*o.log, false, 1000);
  const auto opened = open(copy(root_ / "wal", "crashed"));
  EXPECT_GE(opened.applied.size(), 150u);
}

TEST_F(WriteAheadLogTest, AHalfMadeSegmentIsRemoved) {
  auto o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  append(*o.log, true);
  o.log.reset();
  write_all(segment(root_ / "wal", 2), "");
  write_all(segment(root_ / "wal", 3), std::string(kWalPage, '\0'));
  o = open(root_ / "wal");
  ASSERT_TRUE(o.log) << o.error->message;
  EXPECT_EQ(o.applied.size(), 1u);
  EXPECT_FALSE(fs::exists(segment(root_ / "wal", 2)));
  EXPECT_FALSE(fs::exists(segment(root_ / "wal", 3)));
  for (int i = 0; i < 40; ++i) append(*o.log, true);
  EXPECT_EQ(open(copy(root_ / "wal", "crashed")).applied.size(), 41u);
}

TEST_F(WriteAheadLogTest, RemovedIsEmpty) {
  auto o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  for (int i = 0; i < 40; ++i) append(*o.log, true);
  o.log->release(20);
  ASSERT_TRUE(o.log->remove());
  EXPECT_TRUE(fs::is_empty(root_ / "wal"));
}

TEST_F(WriteAheadLogTest, AFullDiskIsAnErrorAndNothingIsWrittenBehindIt) {
  auto o = open(root_ / "wal");
  ASSERT_TRUE(o.log);
  fs::remove_all(root_ / "wal");
  EXPECT_FALSE(o.log->append("a", true));
  fs::create_directories(root_ / "wal");
  EXPECT_FALSE(o.log->append("b", true));
  EXPECT_FALSE(o.log->sync());
}

// Lives that end in crashes, with an index that writes out what it holds now and then.
class WriteAheadLogLives : public WriteAheadLogTest,
                           public ::testing::WithParamInterface<unsigned> {};

TEST_P(WriteAheadLogLives, NothingSyncedIsLostAndNothingComesTwice) {
  std::mt19937 dice(GetParam());
  fs::path directory = root_ / "wal";
  std::uint64_t in_files = 0;
  std::map<std::uint64_t, std::size_t> sizes;  // of every batch that is part of the history
  std::uint64_t synced = 0;
  for (int life = 0; life < 8; ++life) {
    auto o = open(directory, in_files);
    ASSERT_TRUE(o.log) << o.error->message;
    ASSERT_GE(o.log->last(), synced);
    for (const auto& [number, batch] : o.applied) ASSERT_EQ(batch, text(number, sizes[number]));
    for (int step = dice() % 40; step > 0; --step) {
      const std::size_t bytes = dice() % 10 == 0 ? dice() % 100'000 : dice() % 2000;
      const bool sync = dice() % 3 != 0;
      sizes[o.log->last() + 1] = bytes;
      append(*o.log, sync, bytes);
      if (sync) synced = o.log->last();
      if (dice() % 8 == 0) {
        in_files = o.log->last();  // a flush takes unsynced batches, too
        synced = std::max(synced, in_files);
      }
      if (dice() % 5 == 0) o.log->release(in_files);
    }
    const std::uint64_t last = o.log->last();
    if (dice() % 2 == 0) {  // the last write is torn
      const fs::path whole = copy(directory, "whole");
      sizes[last + 1] = 5000;
      ASSERT_TRUE(o.log->append(text(last + 1, 5000), true));
      o.log.reset();
      for (const auto& entry : fs::directory_iterator(directory)) {
        const fs::path old_path = whole / entry.path().filename();
        std::string now = read_all(entry.path());
        std::string old = fs::exists(old_path) ? read_all(old_path) : std::string(now.size(), '\0');
        for (std::size_t at = 0; at < now.size(); at += 512)
          if (dice() % 2 == 0) now.replace(at, 512, old, at, 512);
        write_all(entry.path(), now);
      }
    }
  }
  auto o = open(directory, in_files);
  ASSERT_TRUE(o.log) << o.error->message;
  ASSERT_GE(o.log->last(), synced);
}

INSTANTIATE_TEST_SUITE_P(Seeds, WriteAheadLogLives, ::testing::Range(1u, 21u));

}  // namespace
}  // namespace cairn::drive
