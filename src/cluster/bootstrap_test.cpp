#include "cluster/bootstrap.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "io/reactor.h"

namespace cairn::cluster {
namespace {

namespace fs = std::filesystem;

// Real directories, files by threads: what a person has.
class BootstrapTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/cairn-bootstrap-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    reactors_ = io::make_reactors(1);
    reactors_->start();
    pool_ = io::make_blocking_pool(2);
    files_ = *io::make_file_system("threads", *reactors_, *pool_);
    for (int i = 1; i <= 4; ++i) {
      options_.paths.push_back(folder_ + "/d" + std::to_string(i));
      fs::create_directory(options_.paths.back());
    }
  }
  void TearDown() override {
    files_.reset();
    reactors_->stop();
    fs::remove_all(folder_);
  }

  Result<Cluster> open() { return io::block_on(*reactors_, bootstrap(world(), options_)); }
  void close(Cluster& cluster) {
    struct Close {
      static io::Task<bool> run(Cluster* cluster) {
        co_await cluster::close(*cluster);
        co_return true;
      }
    };
    (void)io::block_on(*reactors_, Close::run(&cluster));
    cluster = {};
  }
  drive::World world() { return {*files_, *pool_, *clock_, *random_, metrics_}; }

  std::string folder_;
  Options options_;
  metrics::Registry metrics_;
  std::unique_ptr<io::Reactors> reactors_;
  std::unique_ptr<io::BlockingPool> pool_;
  std::unique_ptr<io::FileSystem> files_;
  std::unique_ptr<io::Clock> clock_ = io::system_clock();
  std::unique_ptr<io::Random> random_ = io::system_random();
};

TEST_F(BootstrapTest, MakesAClusterOnceAndFindsItAgain) {
  auto made = open();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(made->created);
  EXPECT_EQ(made->map.profile.text(), "2+2");
  const auto id = made->id;
  const auto first = made->slots[0].id;
  close(*made);
  auto again = open();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->id, id);
  EXPECT_EQ(again->slots[0].id, first);
  for (const auto& slot : again->slots) EXPECT_TRUE(slot.drive) << slot.reason;
  close(*again);
}

TEST_F(BootstrapTest, DrivesAreKnownByIdNotByPlace) {
  auto made = open();
  ASSERT_TRUE(made);
  const auto first = made->slots[0].id;
  close(*made);
  std::swap(options_.paths[0], options_.paths[3]);
  auto again = open();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->slots[0].id, first);
  EXPECT_EQ(again->slots[0].path, options_.paths[3]);
  close(*again);
}

TEST_F(BootstrapTest, AnEmptyDirectoryIsAReplacement) {
  auto made = open();
  ASSERT_TRUE(made);
  const auto lost = made->slots[1].id;
  close(*made);
  fs::remove_all(options_.paths[1]);
  auto without = open();
  ASSERT_TRUE(without) << without.error().message;
  EXPECT_FALSE(without->slots[1].drive);
  EXPECT_FALSE(without->slots[1].reason.empty());
  EXPECT_EQ(without->slots[1].id, lost);
  close(*without);
  fs::create_directory(options_.paths[1]);
  auto with = open();
  ASSERT_TRUE(with) << with.error().message;
  EXPECT_TRUE(with->slots[1].drive);
  EXPECT_TRUE(with->slots[1].replacement);
  EXPECT_EQ(with->slots[1].id, lost) << "the map still names the lost drive: the store replaces it";
  EXPECT_NE(with->slots[1].drive->id(), lost);
  close(*with);
}

TEST_F(BootstrapTest, AnOldCopyOfADriveIsNotTakenForTheDrive) {
  auto made = open();
  ASSERT_TRUE(made);
  const auto id = made->slots[1].id;
  close(*made);
  const std::string drive = options_.paths[1], copy = folder_ + "/copy", kept = folder_ + "/kept";
  fs::copy(drive, copy, fs::copy_options::recursive);
  auto once_more = open();
  ASSERT_TRUE(once_more) << once_more.error().message;
  close(*once_more);
  fs::rename(drive, kept);
  fs::rename(copy, drive);
  // However often it is tried: no attempt makes the copy younger.
  for (int attempt = 0; attempt < 3; ++attempt) {
    auto with_copy = open();
    ASSERT_TRUE(with_copy) << with_copy.error().message;
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(with_copy->slots[i].drive == nullptr, i == 1);
    EXPECT_EQ(with_copy->slots[1].id, id);
    EXPECT_NE(with_copy->slots[1].reason.find("old copy"), std::string::npos)
        << with_copy->slots[1].reason;
    close(*with_copy);
  }
  // The drive itself is welcome.
  fs::remove_all(drive);
  fs::rename(kept, drive);
  auto back = open();
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(back->slots[1].drive) << back->slots[1].reason;
  EXPECT_FALSE(back->slots[1].replacement);
  close(*back);
}

TEST_F(BootstrapTest, WhatDoesNotBelongIsRefusedByName) {
  auto made = open();
  ASSERT_TRUE(made);
  close(*made);
  const auto paths = options_.paths;

  options_.erasure = model::ErasureProfile{3, 1};
  auto erasure = open();
  ASSERT_FALSE(erasure);
  EXPECT_NE(erasure.error().message.find("2+2"), std::string::npos);
  options_.erasure.reset();

  options_.paths.push_back(folder_ + "/d5");
  auto more = open();
  ASSERT_FALSE(more);
  EXPECT_NE(more.error().message.find("4 drives"), std::string::npos);

  options_.paths = {paths[0], paths[1], paths[2], folder_ + "/copy"};
  fs::copy(paths[2], folder_ + "/copy", fs::copy_options::recursive);
  auto copy = open();
  ASSERT_FALSE(copy);
  EXPECT_NE(copy.error().message.find("copy"), std::string::npos);
}

TEST_F(BootstrapTest, ForeignFilesAreNeverFormattedOver) {
  std::filesystem::create_directory(options_.paths[0] + "/holiday-photos");
  auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find(options_.paths[0]), std::string::npos);
  EXPECT_FALSE(fs::exists(options_.paths[1] + "/format.json"))
      << "nothing is formatted before all are known to be usable";
}

}  // namespace
}  // namespace cairn::cluster
