#include "io/synced_file.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

namespace cairn::io {
namespace {

class SyncedFileTest : public ::testing::Test {
 protected:
  SyncedFileTest() {
    root_ = std::filesystem::temp_directory_path() /
            ("cairn_synced_file_test_" + std::to_string(::getpid()));
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~SyncedFileTest() override { std::filesystem::remove_all(root_); }
  std::string path(const std::string& name) const { return (root_ / name).string(); }
  static std::string text_at(SyncedFile& file, std::uint64_t offset, std::size_t bytes) {
    std::string text(bytes, '?');
    const auto got = file.read(offset, as_writable_bytes(std::span(text)));
    EXPECT_TRUE(got);
    text.resize(got.value_or(0));
    return text;
  }
  std::filesystem::path root_;
};

struct alignas(kDirectAlignment) Pages {
  explicit Pages(char fill) { std::ranges::fill(bytes, static_cast<std::byte>(fill)); }
  std::byte bytes[2 * kDirectAlignment];
};

TEST_F(SyncedFileTest, IsWrittenOverInPlace) {
  auto file = SyncedFile::create(path("a"), 16 * kDirectAlignment);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ((*file)->bytes(), 16 * kDirectAlignment);
  EXPECT_EQ(text_at(**file, 5, 3), std::string(3, '\0'));
  const auto a = std::make_unique<Pages>('a'), b = std::make_unique<Pages>('b');
  ASSERT_TRUE((*file)->write(0, a->bytes, true));
  ASSERT_TRUE((*file)->write(2 * kDirectAlignment, a->bytes, false));
  ASSERT_TRUE((*file)->write(kDirectAlignment, b->bytes, true));
  file = SyncedFile::open(path("a"));
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->bytes(), 16 * kDirectAlignment);
  EXPECT_EQ(text_at(**file, kDirectAlignment - 1, 2), "ab");
  EXPECT_EQ(text_at(**file, 3 * kDirectAlignment - 1, 2), "ba");
  EXPECT_EQ(text_at(**file, 15 * kDirectAlignment, 10'000).size(), kDirectAlignment);
  ASSERT_TRUE((*file)->write(15 * kDirectAlignment, Bytes(b->bytes).first(kDirectAlignment), true));
  EXPECT_EQ(text_at(**file, 16 * kDirectAlignment - 2, 10), "bb");
}

TEST_F(SyncedFileTest, ErrorsLeaveNothingBehind) {
  ASSERT_TRUE(SyncedFile::create(path("a"), kDirectAlignment));
  EXPECT_EQ(SyncedFile::create(path("a"), kDirectAlignment).code(), Code::already_exists);
  EXPECT_TRUE(std::filesystem::exists(path("a"))) << "another's file";
  EXPECT_EQ(SyncedFile::open(path("b")).code(), Code::not_found);
  EXPECT_FALSE(SyncedFile::create(path("huge"), std::uint64_t{1} << 62));
  EXPECT_FALSE(std::filesystem::exists(path("huge")));
  auto file = SyncedFile::open(path("a"));
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->remove());
  EXPECT_FALSE((*file)->remove());
}

TEST_F(SyncedFileTest, DirectoriesAreMadeOnce) {
  ASSERT_TRUE(make_directory_durably(path("d")));
  ASSERT_TRUE(make_directory_durably(path("d")));
  ASSERT_TRUE(SyncedFile::create(path("d") + "/f", kDirectAlignment));
  const auto entries = list_directory(path("d"));
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->front().name, "f");
  EXPECT_FALSE(make_directory_durably(path("d") + "/f"));
}

}  // namespace
}  // namespace cairn::io
