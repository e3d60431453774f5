#include "cluster/bootstrap.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "cluster/generations.h"
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

  // The drive promises for all its partitions, as to a leader under this map.
  static io::Task<bool> promise(std::shared_ptr<drive::Drive> drive, placement::Map map,
                                model::Term term) {
    drive::PromiseRequest request;
    request.drive = drive->id();
    request.term = term;
    request.leader = 1;
    request.connection = 1;
    request.map_epoch = map.epoch;
    for (std::uint32_t p = 0; p < map.partitions.size(); ++p) {
      for (const auto& member : map.partitions[p].members) {
        if (member.drive == drive->id())
          request.entries.push_back(
              {model::PartitionId{p}, member.since, placement::encode_entry(map.partitions[p])});
      }
    }
    const auto reply = co_await drive->promise(std::move(request));
    EXPECT_TRUE(reply && reply->refusal == drive::Refusal::none);
    co_return true;
  }
  static io::Task<bool> store(control::Store* control, std::string key, std::string value) {
    std::vector<control::Change> changes{{std::move(key), std::move(value)}};
    EXPECT_TRUE(co_await control->commit({}, std::move(changes)));
    co_return true;
  }
  static io::Task<bool> note(control::Store* control, model::DriveId drive, std::uint64_t batch) {
    co_await remember_acked(*control, drive, batch);
    co_return true;
  }
  // The same, of a drive that nobody has open.
  void promise_alone(std::size_t slot, placement::Map map, model::Term term) {
    drive::LocalDriveOptions options;
    options.path = options_.paths[slot];
    auto drive = io::block_on(*reactors_, drive::open_local_drive(world(), options));
    ASSERT_TRUE(drive) << drive.error().message;
    const std::shared_ptr<drive::Drive> shared = std::move(*drive);
    io::block_on(*reactors_, promise(shared, std::move(map), term));
    struct Close {
      static io::Task<bool> run(std::shared_ptr<drive::Drive> drive) {
        co_await drive->close();
        co_return true;
      }
    };
    io::block_on(*reactors_, Close::run(shared));
  }

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

// A copy made within the same mount: its generation says nothing.
TEST_F(BootstrapTest, ADriveThatLacksWhatItAcknowledgedIsAnOldCopy) {
  auto made = open();
  ASSERT_TRUE(made);
  const auto id = made->slots[1].id;
  io::block_on(*reactors_, promise(made->slots[1].drive, made->map, model::Term{1}));
  const auto synced = io::block_on(*reactors_, made->slots[1].drive->synced());
  ASSERT_TRUE(synced);
  ASSERT_GT(synced->now, 0u);
  io::block_on(*reactors_, note(made->control.get(), id, synced->now));
  io::block_on(*reactors_, note(made->control.get(), id, 0));  // never lowered
  close(*made);
  auto whole = open();
  ASSERT_TRUE(whole);
  EXPECT_TRUE(whole->slots[1].drive) << whole->slots[1].reason;
  io::block_on(*reactors_, note(whole->control.get(), id, synced->now + 1));
  close(*whole);
  for (int attempt = 0; attempt < 3; ++attempt) {
    auto lost = open();
    ASSERT_TRUE(lost) << lost.error().message;
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(lost->slots[i].drive == nullptr, i == 1);
    EXPECT_NE(lost->slots[1].reason.find("old copy"), std::string::npos);
    close(*lost);
  }
}

// 8.5: the control store goes back to a time before a drive was replaced.
TEST_F(BootstrapTest, AnOlderControlStoreIsRefusedAndItsMapImported) {
  auto made = open();
  ASSERT_TRUE(made);
  const placement::Map before = made->map;
  model::DriveId lost;
  lost.bytes[0] = 1;
  // As if the drive in slot 3 had come in for another one under epoch 2.
  placement::Map first = before;
  for (auto& entry : first.partitions)
    for (auto& member : entry.members)
      if (member.drive == made->slots[3].id) member.drive = lost;
  const placement::Map second = placement::replace_drive(first, lost, made->slots[3].id);
  for (const std::size_t i : {0u, 1u, 3u})
    io::block_on(*reactors_, promise(made->slots[i].drive, second, model::Term{9}));
  close(*made);
  auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.code(), Code::stale_map);
  EXPECT_NE(refused.error().message.find("--import-map"), std::string::npos);
  // Three promised, but one of them came with the change: of those before it only two did, and two
  // of the old members could answer with the old map.
  options_.import_map = true;
  auto too_few = open();
  ASSERT_FALSE(too_few);
  EXPECT_EQ(too_few.code(), Code::unavailable) << too_few.error().message;

  promise_alone(2, second, model::Term{9});
  auto imported = open();
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported->map, second);
  const auto get = [&](std::string key) {
    const auto entry = io::block_on(*reactors_, imported->control->get(std::move(key)));
    return entry && *entry ? (*entry)->value : std::string();
  };
  EXPECT_EQ(get("term"), "9");
  EXPECT_EQ(get("map/fenced"), "2");
  EXPECT_EQ(get("map/previous"), "");
  close(*imported);
  options_.import_map = false;
  auto again = open();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->map, second);
  close(*again);
}

// 7.6: of two drives, one alone does not go on before an operator gives the other up.
class MirrorTest : public BootstrapTest {
 protected:
  void SetUp() override {
    BootstrapTest::SetUp();
    options_.paths.resize(2);
    auto made = open();
    ASSERT_TRUE(made) << made.error().message;
    for (auto& slot : made->slots)
      io::block_on(*reactors_, promise(slot.drive, made->map, model::Term{1}));
    left_ = made->slots[0].id;
    lost_ = made->slots[1].id;
    close(*made);
    fs::rename(options_.paths[1], away());
  }
  std::string away() const { return folder_ + "/away"; }
  std::string refused() {
    auto opened = open();
    if (!opened) return opened.error().message;
    close(*opened);
    return "";
  }
  bool empty(std::size_t i) const { return fs::is_empty(options_.paths[i]); }

  model::DriveId left_, lost_;
};

TEST_F(MirrorTest, OneOfTwoIsRefusedAndTheWayOutNamed) {
  EXPECT_NE(refused().find(lost_.hex()), std::string::npos) << refused();
  EXPECT_NE(refused().find("--retire-drive"), std::string::npos);
  // Nor does an empty directory help by itself.
  fs::create_directory(options_.paths[1]);
  EXPECT_NE(refused().find(lost_.hex()), std::string::npos) << refused();
  EXPECT_TRUE(empty(1));
}

TEST_F(MirrorTest, AnEmptyDirectoryTakesThePlaceOfADriveThatIsGivenUp) {
  options_.retire = lost_;
  EXPECT_NE(refused().find("put an empty directory in its place"), std::string::npos) << refused();
  fs::create_directory(options_.paths[1]);
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_EQ(opened->retired, 1u);
  ASSERT_TRUE(opened->slots[1].drive);
  EXPECT_TRUE(opened->slots[1].replacement);
  EXPECT_EQ(opened->slots[1].id, lost_);
  const auto replacement = opened->slots[1].drive->id();
  EXPECT_NE(replacement, lost_);
  EXPECT_TRUE(opened->control->status().writable);
  close(*opened);
  // As if the server had been killed here: the next start goes on where this one was.
  auto again = open();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->retired, 1u);
  ASSERT_TRUE(again->slots[1].drive);
  EXPECT_EQ(again->slots[1].drive->id(), replacement);
  close(*again);
  // Without the word nothing is in the map yet, and nothing is taken for a member.
  options_.retire.reset();
  auto without = open();
  ASSERT_TRUE(without) << without.error().message;
  EXPECT_FALSE(without->retired);
  EXPECT_TRUE(without->slots[1].replacement);
  EXPECT_EQ(without->slots[1].id, lost_);
  close(*without);
}

TEST_F(MirrorTest, OnlyADriveThatIsLostIsGivenUp) {
  fs::create_directory(options_.paths[1]);
  options_.retire = left_;
  EXPECT_NE(refused().find("it is not lost"), std::string::npos) << refused();
  options_.retire = model::DriveId{};
  options_.retire->bytes[3] = 7;
  EXPECT_NE(refused().find("2 of 2 drives"), std::string::npos) << "an unknown one means nothing";
  EXPECT_TRUE(empty(1));
  // With both there the word is in vain as well.
  fs::remove(options_.paths[1]);
  fs::rename(away(), options_.paths[1]);
  options_.retire = lost_;
  EXPECT_NE(refused().find("it is not lost"), std::string::npos) << refused();
}

TEST_F(MirrorTest, ADriveThatWasGivenUpIsNoMemberWhenItComesBack) {
  fs::create_directory(options_.paths[1]);
  options_.retire = lost_;
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  const auto after = placement::replace_drive(opened->map, lost_, opened->slots[1].drive->id());
  io::block_on(*reactors_, store(opened->control.get(), "map", placement::encode_map(after)));
  for (auto& slot : opened->slots)
    io::block_on(*reactors_, promise(slot.drive, after, model::Term{2}));
  close(*opened);
  // The same word again: it is no member any more.
  auto again = open();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE(again->retired);
  EXPECT_FALSE(again->slots[1].replacement);
  close(*again);
  options_.retire.reset();
  fs::rename(options_.paths[1], folder_ + "/replacement");
  fs::rename(away(), options_.paths[1]);
  auto back = open();
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_FALSE(back->slots[1].drive);
  EXPECT_NE(back->slots[1].reason.find("was replaced"), std::string::npos);
  close(*back);
  // A replacement that is not whole does not stand for the one that is.
  fs::rename(options_.paths[1], away());
  fs::rename(folder_ + "/replacement", options_.paths[1]);
  fs::remove_all(options_.paths[0]);
  fs::create_directory(options_.paths[0]);
  options_.retire = left_;
  EXPECT_NE(refused().find("cannot be given up"), std::string::npos) << refused();
  EXPECT_TRUE(empty(0));
}

TEST_F(BootstrapTest, TwoOfFourAreTooFewButForAnOperator) {
  auto made = open();
  ASSERT_TRUE(made);
  for (auto& slot : made->slots)
    io::block_on(*reactors_, promise(slot.drive, made->map, model::Term{1}));
  const auto lost = made->slots[3].id;
  close(*made);
  for (const std::size_t i : {2u, 3u}) fs::remove_all(options_.paths[i]);
  fs::create_directory(options_.paths[3]);
  auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find(lost.hex()), std::string::npos);
  options_.retire = lost;
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->retired, 3u);
  EXPECT_FALSE(opened->slots[2].drive);
  close(*opened);
  // With one that knows nothing of it for certain, nobody is given up.
  fs::remove_all(options_.paths[1]);
  fs::remove_all(options_.paths[3]);
  fs::create_directory(options_.paths[3]);
  auto one = open();
  ASSERT_FALSE(one);
  EXPECT_EQ(one.code(), Code::unavailable);
  EXPECT_TRUE(fs::is_empty(options_.paths[3]));
}

TEST_F(BootstrapTest, AReplacementThatNeverGotItsPlaceIsAsGoodAsEmpty) {
  auto made = open();
  ASSERT_TRUE(made);
  for (auto& slot : made->slots)
    io::block_on(*reactors_, promise(slot.drive, made->map, model::Term{1}));
  const auto lost = made->slots[1].id;
  close(*made);
  fs::remove_all(options_.paths[1]);
  fs::create_directory(options_.paths[1]);
  auto filled = open();  // and nobody puts it in the map
  ASSERT_TRUE(filled);
  const auto replacement = filled->slots[1].drive->id();
  close(*filled);
  auto again = open();
  ASSERT_TRUE(again);
  ASSERT_TRUE(again->slots[1].drive) << again->slots[1].reason;
  EXPECT_TRUE(again->slots[1].replacement);
  EXPECT_EQ(again->slots[1].drive->id(), replacement);
  EXPECT_EQ(again->slots[1].id, lost);
  close(*again);
}

TEST_F(BootstrapTest, DrivesWithDataAreNeverCalledNew) {
  auto made = open();
  ASSERT_TRUE(made);
  for (auto& slot : made->slots)
    io::block_on(*reactors_, promise(slot.drive, made->map, model::Term{1}));
  close(*made);
  for (const auto& path : options_.paths) fs::remove_all(path + "/control");
  auto empty = open();
  ASSERT_FALSE(empty);
  EXPECT_NE(empty.error().message.find("do not empty"), std::string::npos) << empty.error().message;
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
