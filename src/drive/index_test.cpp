// The real index: what RocksDB keeps of a log that was cut or damaged, and what it refuses.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "drive/index.h"
#include "drive/layout.h"
#include "drive/wal_check.h"
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
  static fs::path log_of(const fs::path& directory) {
    fs::path out;
    for (const auto& entry : fs::directory_iterator(directory))
      if (entry.path().extension() == ".log" && entry.path() > out) out = entry.path();
    return out;
  }
  // A copy of the directory as a crash of this moment would leave it, opened from there.
  fs::path copy(const fs::path& directory, const std::string& name) {
    const fs::path to = root_ / name;
    fs::remove_all(to);
    fs::copy(directory, to, fs::copy_options::recursive);
    fs::remove(to / "LOCK");
    return to;
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

// lessons.md: torn tails. What a crash leaves of the last write is cut off; everything synced
// before it is there.
TEST_F(IndexTest, ALogCutAtAnyByteOfItsEndKeepsEverythingBefore) {
  const fs::path meta = root_ / "meta";
  auto index = open_rocksdb_index(meta.string(), {});
  ASSERT_TRUE(index);
  for (int i = 0; i < 5; ++i) put(**index, i, true);
  const std::string before = read_all(log_of(meta));
  put(**index, 5, true);
  const std::string after = read_all(log_of(meta));
  ASSERT_GT(after.size(), before.size());
  for (std::size_t cut = before.size(); cut <= after.size(); cut += 9) {
    const fs::path torn = copy(meta, "torn");
    write_all(log_of(torn), std::string_view(after).substr(0, cut));
    auto opened = open_rocksdb_index(torn.string(), {});
    ASSERT_TRUE(opened) << cut << ": " << opened.error().message;
    EXPECT_EQ(prefix(**opened), cut == after.size() ? 6 : 5) << cut;
  }
}

// Sectors of the last write may be there in any combination, with zeros or old bytes between.
TEST_F(IndexTest, AnEndOfTheLogWithHolesIsATornTail) {
  const fs::path meta = root_ / "meta";
  auto index = open_rocksdb_index(meta.string(), {});
  ASSERT_TRUE(index);
  for (int i = 0; i < 5; ++i) put(**index, i, true);
  const std::size_t before = read_all(log_of(meta)).size();
  put(**index, 5, false, 3000);
  put(**index, 6, true, 3000);
  const std::string after = read_all(log_of(meta));
  for (const std::size_t hole : {before, before + 700, before + 2000}) {
    const fs::path torn = copy(meta, "torn");
    std::string damaged = after;
    damaged.replace(hole, 512, std::string(512, '\0'));
    write_all(log_of(torn), damaged);
    auto opened = open_rocksdb_index(torn.string(), {});
    ASSERT_TRUE(opened) << hole << ": " << opened.error().message;
    EXPECT_EQ(prefix(**opened), 5) << hole;
  }
}

// protocol.md 7.4: a drive that lost synced state must not come back as if nothing had happened.
TEST_F(IndexTest, DamageInWhatWasAcknowledgedIsRefused) {
  const fs::path meta = root_ / "meta";
  auto index = open_rocksdb_index(meta.string(), {});
  ASSERT_TRUE(index);
  for (int i = 0; i < 4; ++i) put(**index, i, true, 500);
  const std::size_t middle = read_all(log_of(meta)).size();
  for (int i = 4; i < 10; ++i) put(**index, i, true, 500);
  const std::string log = read_all(log_of(meta));
  for (const std::size_t at :
       {std::size_t{4}, std::size_t{30}, middle - 100, middle + 1, middle + 6, middle + 40}) {
    const fs::path damaged_path = copy(meta, "damaged");
    std::string damaged = log;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x08);
    write_all(log_of(damaged_path), damaged);
    auto opened = open_rocksdb_index(damaged_path.string(), {});
    ASSERT_FALSE(opened) << at;
    EXPECT_EQ(opened.code(), Code::corrupt);
  }
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

TEST(WalCheckTest, AnyBytesAreReadWithoutHarm) {
  std::string log(100'000, '\0');
  for (std::size_t i = 0; i < log.size(); ++i) log[i] = static_cast<char>(i * 2654435761u >> 13);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{6}, std::size_t{7}, std::size_t{32'768}, log.size()})
    static_cast<void>(scan_wal(std::string_view(log).substr(0, size)));
  EXPECT_TRUE(scan_wal("").sound);
  EXPECT_TRUE(scan_wal(std::string(5000, '\0')).sound);
  EXPECT_FALSE(scan_wal(log).sound);
}

}  // namespace
}  // namespace cairn::drive
