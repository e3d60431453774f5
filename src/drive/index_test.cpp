// The real index: what RocksDB keeps of a log that was cut or damaged, and what it refuses.
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "drive/index.h"
#include "drive/layout.h"
#include "model/unit_key.h"

namespace cairn::drive {
namespace {

namespace fs = std::filesystem;

std::string read_all(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}
void write_all(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

class IndexTest : public ::testing::Test {
 protected:
  IndexTest() {
    root_ = fs::temp_directory_path() / ("cairn_index_test_" + std::to_string(::getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~IndexTest() override { fs::remove_all(root_); }

  static std::string key(int i) {
    return model::UnitKey::object(model::BucketId{1}, "key" + std::to_string(1000 + i)).encoded();
  }
  static void put(Index& index, int i, bool sync, std::size_t bytes = 50) {
    auto batch = index.batch();
    batch->put(Family::records, key(i), {std::string(bytes, static_cast<char>('a' + i % 26))});
    batch->put(Family::repair, key(i), {"x"});
    const auto written = index.write(*batch, sync);
    ASSERT_TRUE(written) << written.error().message;
  }
  // How many of the keys from the first on are there; -1 if they are no prefix or not whole
  // batches.
  static int prefix(Index& index) {
    auto reader = index.snapshot();
    std::string value;
    int count = 0;
    while (*reader->get(Family::records, key(count), value)) {
      if (!*reader->get(Family::repair, key(count), value)) return -1;
      ++count;
    }
    for (int i = count; i < count + 20; ++i)
      if (*reader->get(Family::records, key(i), value) ||
          *reader->get(Family::repair, key(i), value))
        return -1;
    return count;
  }
  static fs::path log_of(const fs::path& directory) { return directory / "wal" / "00000001.wal"; }
  static std::map<std::string, std::uintmax_t> files_in(const fs::path& directory) {
    std::map<std::string, std::uintmax_t> out;
    std::error_code gone;
    for (const auto& entry : fs::recursive_directory_iterator(directory))
      out[entry.path().string()] = entry.is_regular_file(gone) ? entry.file_size(gone) : 0;
    return out;
  }
  // A copy of the directory as a crash of this moment would leave it, to be opened from there.
  // RocksDB makes and removes files meanwhile: it is taken again until nothing of that happened.
  fs::path copy(const fs::path& directory, const std::string& name) {
    const fs::path to = root_ / name;
    for (int attempt = 0; attempt < 100; ++attempt) {
      fs::remove_all(to);
      const auto before = files_in(directory);
      std::error_code error;
      fs::copy(directory, to, fs::copy_options::recursive, error);
      if (!error && files_in(directory) == before) {
        fs::remove(to / "LOCK");
        return to;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << directory << " does not come to rest";
    return to;
  }
  static std::unique_ptr<Index> open(const fs::path& directory) {
    auto opened = open_rocksdb_index(directory.string(), {});
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  fs::path root_;
};

TEST_F(IndexTest, BatchesAreAtomicAndCursorsOrdered) {
  auto index = open_rocksdb_index((root_ / "meta").string(), {});
  ASSERT_TRUE(index) << index.error().message;
  for (int i = 9; i >= 0; --i) put(**index, i, i % 3 == 0);
  EXPECT_EQ(prefix(**index), 10);
  auto reader = (*index)->snapshot();
  put(**index, 10, true);
  auto cursor = reader->cursor(Family::records, Walk::all);
  int count = 0;
  for (cursor->seek(""); cursor->valid(); cursor->next()) EXPECT_EQ(cursor->key(), key(count++));
  EXPECT_EQ(count, 10) << "a snapshot does not see what came later";
  cursor = reader->cursor(Family::records, Walk::unit);
  cursor->seek(key(4));
  ASSERT_TRUE(cursor->valid());
  cursor->next();
  EXPECT_FALSE(cursor->valid()) << "it stays within the unit";
  {
    const std::string end = key(7);
    cursor = reader->cursor(Family::records, Walk::all, end);
  }
  count = 0;
  for (cursor->seek(""); cursor->valid(); cursor->next()) EXPECT_EQ(cursor->key(), key(count++));
  EXPECT_EQ(count, 7) << "it ends before its end";
}

TEST_F(IndexTest, ARolledBackPartOfABatchLeavesNothing) {
  auto index = open_rocksdb_index((root_ / "meta").string(), {});
  ASSERT_TRUE(index);
  auto batch = (*index)->batch();
  batch->put(Family::state, "a", {"1"});
  batch->save();
  batch->put(Family::state, "b", {"2"});
  batch->rollback();
  batch->save();
  batch->put(Family::state, "c", {"3"});
  ASSERT_TRUE((*index)->write(*batch, true));
  auto reader = (*index)->latest(Reads::blocking);
  std::string value;
  EXPECT_TRUE(*reader->get(Family::state, "a", value));
  EXPECT_FALSE(*reader->get(Family::state, "b", value));
  EXPECT_TRUE(*reader->get(Family::state, "c", value));
}

TEST_F(IndexTest, ASecondOpenIsRefused) {
  auto index = open_rocksdb_index((root_ / "meta").string(), {});
  ASSERT_TRUE(index);
  auto second = open_rocksdb_index((root_ / "meta").string(), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.code(), Code::already_exists);
}

// protocol.md 7.4: a drive that lost synced state must not come back as if nothing had happened.
TEST_F(IndexTest, DamageInWhatWasAcknowledgedIsRefused) {
  const fs::path meta = root_ / "meta";
  auto index = open_rocksdb_index(meta.string(), {});
  ASSERT_TRUE(index);
  for (int i = 0; i < 6; ++i) put(**index, i, true, 500);
  const fs::path damaged_path = copy(meta, "damaged");
  std::string log = read_all(log_of(damaged_path));
  log[2 * 4096 + 40] = static_cast<char>(log[2 * 4096 + 40] ^ 0x08);
  write_all(log_of(damaged_path), log);
  auto opened = open_rocksdb_index(damaged_path.string(), {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.code(), Code::corrupt);
  // The last one: no crash is told from that.
  const fs::path torn_path = copy(meta, "torn");
  log = read_all(log_of(torn_path));
  log[5 * 4096 + 40] = static_cast<char>(log[5 * 4096 + 40] ^ 0x08);
  write_all(log_of(torn_path), log);
  opened = open_rocksdb_index(torn_path.string(), {});
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(prefix(**opened), 5);
}

TEST_F(IndexTest, WhatWasSyncedIsThereWithoutAClose) {
  const fs::path meta = root_ / "meta";
  auto index = open_rocksdb_index(meta.string(), {});
  ASSERT_TRUE(index);
  for (int i = 0; i < 30; ++i) put(**index, i, i % 4 == 3);
  ASSERT_TRUE((*index)->sync());
  auto opened = open_rocksdb_index(copy(meta, "crashed").string(), {});
  ASSERT_TRUE(opened);
  EXPECT_EQ(prefix(**opened), 30);
}

TEST_F(IndexTest, ACloseLeavesNoLog) {
  const fs::path meta = root_ / "meta";
  {
    auto index = open_rocksdb_index(meta.string(), {});
    ASSERT_TRUE(index);
    for (int i = 0; i < 30; ++i) put(**index, i, i % 4 == 3);
    const auto closed = (*index)->close();
    ASSERT_TRUE(closed) << closed.error().message;
  }
  EXPECT_TRUE(fs::is_empty(meta / "wal"));
  auto opened = open_rocksdb_index(meta.string(), {});
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(prefix(**opened), 30);
  put(**opened, 30, true);
  EXPECT_EQ(prefix(*open(copy(meta, "crashed"))), 31);
}

// What the files have is not applied again: a key that was put and removed once would come back.
TEST_F(IndexTest, AReplayBeginsWhereTheFilesEnd) {
  const fs::path meta = root_ / "meta";
  auto index = open_rocksdb_index(meta.string(), {.memtable_bytes = 1 << 20});
  ASSERT_TRUE(index);
  const std::string filler(20'000, 'f');
  int reopened = 0;
  for (int i = 0; i < 600; ++i) {
    auto batch = (*index)->batch();
    batch->put(Family::pending, key(i), {filler});
    if (i >= 3) batch->remove_once(Family::pending, key(i - 3));
    ASSERT_TRUE((*index)->write(*batch, true));
    if (i % 37 != 36) continue;
    auto crashed = open(copy(meta, "crashed"));
    auto reader = crashed->snapshot();
    auto cursor = reader->cursor(Family::pending, Walk::all);
    std::vector<std::string> left;
    for (cursor->seek(""); cursor->valid(); cursor->next()) left.emplace_back(cursor->key());
    EXPECT_EQ(left, (std::vector<std::string>{key(i - 2), key(i - 1), key(i)}));
    ++reopened;
  }
  EXPECT_EQ(reopened, 16);
  std::uintmax_t log = 0;
  for (const auto& entry : fs::directory_iterator(meta / "wal")) log += entry.file_size();
  EXPECT_LE(log, std::uintmax_t{32} << 20) << "the log is written over";
}

// RocksDB answers "found" with no bytes where a file would have to be opened first. After an open
// it has 16 files at hand.
TEST_F(IndexTest, WhatIsNotInMemoryIsNeverTakenForEmpty) {
  const fs::path meta = root_ / "meta";
  constexpr int kLives = 3;
  const auto family = [](std::size_t f) { return static_cast<Family>(f); };
  for (int life = 0; life < kLives; ++life) {
    auto index = open(meta);
    auto batch = index->batch();
    for (std::size_t f = 0; f < kFamilies; ++f)
      batch->put(family(f), key(life), {"value ", std::to_string(life)});
    ASSERT_TRUE(index->write(*batch, true));
    ASSERT_TRUE(index->close());
  }
  auto index = open(meta);
  auto cached = index->latest(Reads::cached);
  int asked_again = 0;
  for (std::size_t f = 0; f < kFamilies; ++f) {
    for (int life = 0; life < kLives; ++life) {
      const std::string expected = "value " + std::to_string(life);
      std::string value;
      const auto found = cached->get(family(f), key(life), value);
      if (found) EXPECT_TRUE(*found && value == expected) << f << ", " << life << ": " << value;
      if (!found) EXPECT_EQ(found.code(), Code::unavailable);
      const auto slice = cached->get_slice(family(f), key(life));
      if (slice) EXPECT_TRUE(*slice && io::as_text((*slice)->bytes) == expected);
      if (!slice) EXPECT_EQ(slice.code(), Code::unavailable);
      auto cursor = cached->cursor(family(f), Walk::all);
      cursor->seek(key(life));
      const bool there =
          cursor->valid() && cursor->key() == key(life) && cursor->value() == expected;
      if (!there) EXPECT_EQ(cursor->status().code(), Code::unavailable) << f << ", " << life;
      asked_again += found ? 0 : 1;
      EXPECT_TRUE(*index->latest(Reads::blocking)->get(family(f), key(life), value));
      EXPECT_EQ(value, expected);
    }
  }
  EXPECT_GT(asked_again, 0) << "there was nothing to be wrong about";
}

TEST_F(IndexTest, LargeInlineValuesAreLentAndSurviveTheIndex) {
  io::Slice slice;
  const std::string text(100'000, 'z');
  {
    auto index = open_rocksdb_index((root_ / "meta").string(), {});
    ASSERT_TRUE(index);
    auto batch = (*index)->batch();
    batch->put(Family::inline_data, "0123456789abcdef", {"head", text});
    ASSERT_TRUE((*index)->write(*batch, true));
    auto lent =
        (*index)->latest(Reads::blocking)->get_slice(Family::inline_data, "0123456789abcdef");
    ASSERT_TRUE(lent && *lent);
    slice = **lent;
  }
  EXPECT_EQ(io::as_text(slice.bytes), "head" + text);
}

// What was lent is lent again without a search, until it is changed.
TEST_F(IndexTest, WhatWasLentIsTakenBackWhenItIsChanged) {
  const std::string key = "0123456789abcdef";
  {
    auto index = open(root_ / "meta");
    auto batch = index->batch();
    batch->put(Family::inline_data, key, {"first ", std::string(5000, 'x')});
    ASSERT_TRUE(index->write(*batch, true));
    ASSERT_TRUE(index->close());
  }
  auto index = open(root_ / "meta");
  const auto lent = [&](Reads reads) {
    const auto slice = index->latest(reads)->get_slice(Family::inline_data, key);
    if (!slice) return std::string("unavailable");
    return *slice ? std::string(io::as_text((*slice)->bytes.first(6))) : std::string("nothing");
  };
  EXPECT_EQ(lent(Reads::cached), "unavailable");
  EXPECT_EQ(lent(Reads::blocking), "first ");
  EXPECT_EQ(lent(Reads::cached), "first ");
  const auto kept = index->latest(Reads::cached)->get_slice(Family::inline_data, key);
  const auto before = index->snapshot();
  auto batch = index->batch();
  batch->put(Family::inline_data, key, {"second"});
  ASSERT_TRUE(index->write(*batch, false));
  EXPECT_EQ(lent(Reads::cached), "second");
  EXPECT_EQ(lent(Reads::cached), "second");
  batch = index->batch();
  batch->remove(Family::inline_data, key);
  ASSERT_TRUE(index->write(*batch, false));
  EXPECT_EQ(lent(Reads::cached), "nothing");
  // Who had it has it, and snapshots see what was.
  EXPECT_EQ(io::as_text((**kept).bytes.first(6)), "first ");
  const auto then = before->get_slice(Family::inline_data, key);
  ASSERT_TRUE(then && *then);
  EXPECT_EQ(io::as_text((**then).bytes.first(6)), "first ");
}

TEST_F(IndexTest, NobodyIsLentWhatWasChangedBefore) {
  constexpr int kKeys = 4;
  const auto name = [](int i) { return "0123456789abcde" + std::to_string(i); };
  auto index = open(root_ / "meta");
  std::array<std::atomic<std::uint64_t>, kKeys> written{};
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> reads{0}, stale{0};
  const auto write = [&](int i, std::uint64_t number) {
    auto batch = index->batch();
    if (number % 5 == 0) {
      batch->remove(Family::inline_data, name(i));
    } else {
      batch->put(Family::inline_data, name(i), {std::to_string(number), std::string(1500, '.')});
    }
    ASSERT_TRUE(index->write(*batch, false));
    written[static_cast<std::size_t>(i)].store(number);
  };
  for (int i = 0; i < kKeys; ++i) write(i, 1);
  std::vector<std::jthread> readers;
  struct End {
    std::atomic<bool>& over;
    ~End() { over.store(true); }
  } const end{over};
  for (int r = 0; r < 3; ++r) {
    readers.emplace_back([&, r] {
      for (int i = r; !over.load(); i = (i + 1) % kKeys) {
        const std::uint64_t least = written[static_cast<std::size_t>(i)].load();
        const auto slice = index->latest(Reads::blocking)->get_slice(Family::inline_data, name(i));
        ASSERT_TRUE(slice);
        ++reads;
        if (!*slice) continue;  // removed, now or before
        stale += std::stoull(std::string(io::as_text((*slice)->bytes.first(20)))) < least ? 1 : 0;
      }
    });
  }
  for (std::uint64_t number = 2; number < 60000; ++number) {
    const int i = static_cast<int>(number % kKeys);
    write(i, number);
    const auto slice = index->latest(Reads::blocking)->get_slice(Family::inline_data, name(i));
    ASSERT_TRUE(slice);
    ASSERT_EQ(slice->has_value(), number % 5 != 0) << number;
  }
  over.store(true);
  for (auto& reader : readers) reader.join();
  EXPECT_GT(reads.load(), 1000u);
  EXPECT_EQ(stale.load(), 0u);
}

}  // namespace
}  // namespace cairn::drive
