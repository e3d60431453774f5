// The whole drive as a server has it: a directory, RocksDB, a committer with its own thread.
#include "drive/local_drive.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "drive/testing/drive_fixture.h"
#include "io/testing/faulty.h"

namespace cairn::drive {
namespace {

namespace fs = std::filesystem;
using testing::kEpoch;
using testing::kPartition;
using testing::make_row;
using testing::unit_of;
using testing::value_of;
using Kind = model::Record::DataKind;
using io::testing::Fault;
using io::testing::FileOp;

class LocalDriveTest : public ::testing::Test {
 protected:
  LocalDriveTest() : reactors_(io::make_reactors(1)), pool_(io::make_blocking_pool(2)) {
    reactors_->start();
    auto files = io::make_file_system("threads", *reactors_, *pool_);
    EXPECT_TRUE(files);
    real_files_ = std::move(*files);
    files_ = std::make_unique<io::testing::FaultyFileSystem>(
        *real_files_, [this](FileOp op, const std::string& p) {
          std::lock_guard lock(fault_mutex_);
          return fault_ ? fault_(op, p) : Fault{};
        });
    root_ = fs::temp_directory_path() / ("cairn_local_drive_test_" + std::to_string(::getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_ / "d");
    path_ = (root_ / "d").string();
    format_.drive.bytes[0] = 5;
    format_.cluster.bytes[0] = 6;
    format_.drives = 1;
    format_.created = "2026-01-01T00:00:00Z";
  }
  ~LocalDriveTest() override {
    close();
    reactors_->stop();
    files_.reset();
    real_files_.reset();
    pool_.reset();
    fs::remove_all(root_);
  }

  // Every operation on a file from now on asks `fault`.
  void inject(std::function<Fault(FileOp, const std::string&)> fault) {
    std::lock_guard lock(fault_mutex_);
    fault_ = std::move(fault);
  }
  template <class T>
  T run(io::Task<T> task) {
    return io::block_on(*reactors_, std::move(task));
  }
  static io::Task<bool> finished(io::Task<void> task) {
    co_await std::move(task);
    co_return true;
  }
  void close() {
    if (drive_) run(finished(drive_->close()));
    drive_.reset();
  }
  World world() { return {*files_, *pool_, *clock_, *random_, metrics_}; }
  Result<void> open(std::uint64_t reserve = 1) {
    LocalDriveOptions options;
    options.path = path_;
    options.block_cache_bytes = 4 << 20;
    options.memtable_bytes = 4 << 20;
    options.reserve_bytes = reserve;
    auto opened = run(open_local_drive(world(), options));
    if (!opened) return Error{std::move(opened.error())};
    drive_ = std::move(*opened);
    return {};
  }
  void make() {
    auto formatted = run(format_drive(*files_, path_, format_));
    ASSERT_TRUE(formatted) << formatted.error().message;
    auto opened = open();
    ASSERT_TRUE(opened) << opened.error().message;
    promise();
  }
  void promise() {
    PromiseRequest request;
    request.drive = format_.drive;
    request.term = model::Term{++term_};
    request.leader = 1;
    request.connection = 1;
    request.map_epoch = kEpoch;
    request.entries.push_back({kPartition, kEpoch, "entry"});
    auto reply = run(drive_->promise(request));
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_EQ(reply->refusal, Refusal::none);
  }
  Fence fence() const { return {format_.drive, kPartition, kEpoch, model::Term{term_}, 1}; }
  MutateRequest put(const std::string& key, std::uint64_t data, std::string bytes,
                    bool brings = true) {
    const Stamp s{term_, ++sequence_};
    auto m = std::make_shared<Mutation>();
    m->unit = unit_of(key);
    m->stamp = s;
    m->value = value_of(data);
    m->whole = true;
    m->brings_data = brings;
    if (brings)
      m->puts.push_back(make_row(s, s, {.kind = Kind::inline_, .data_id = value_of(data)}));
    MutateRequest request{fence(), 0, m, {}};
    if (brings)
      request.inline_shards.push_back({value_of(data), {io::Slice::of(std::move(bytes))}});
    return request;
  }
  Result<ReadReply> read(const std::string& key) {
    ReadRequest request;
    request.drive = format_.drive;
    request.partition = kPartition;
    request.map_epoch = kEpoch;
    request.unit = unit_of(key);
    request.want_inline = true;
    return run(drive_->read(request));
  }
  Result<void> write_blob(BlobName name, std::size_t size) {
    auto writer = run(drive_->create_blob(name));
    if (!writer) return Error{std::move(writer.error())};
    const std::string bytes(size, 'x');
    CAIRN_TRY(run((*writer)->append({{io::as_bytes(bytes)}, {}})));
    return run((*writer)->finish());
  }

  std::unique_ptr<io::Reactors> reactors_;
  std::unique_ptr<io::BlockingPool> pool_;
  std::unique_ptr<io::FileSystem> real_files_, files_;
  std::mutex fault_mutex_;  // the sweep of an opened drive asks as well, on its own
  std::function<Fault(FileOp, const std::string&)> fault_;
  std::unique_ptr<io::Clock> clock_ = io::system_clock();
  std::unique_ptr<io::Random> random_ = io::system_random();
  metrics::Registry metrics_;
  fs::path root_;
  std::string path_;
  Format format_;
  std::unique_ptr<Drive> drive_;
  std::uint64_t term_ = 0, sequence_ = 0;
};

TEST_F(LocalDriveTest, SyncedBatchesAreCountedOverMounts) {
  make();
  const auto first = run(drive_->synced());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->at_open, 0u);
  EXPECT_GT(first->now, 0u);
  const auto one = run(drive_->mutate(put("a", 1, "x"))),
             two = run(drive_->mutate(put("b", 2, "y")));
  ASSERT_TRUE(one && one->held() && two && two->held());
  EXPECT_GT(one->ack.batch, first->now);
  EXPECT_GT(two->ack.batch, one->ack.batch);
  close();
  ASSERT_TRUE(open());
  const auto again = run(drive_->synced());
  ASSERT_TRUE(again);
  EXPECT_GE(again->at_open, two->ack.batch);
  EXPECT_NE(again->mount, first->mount);
  EXPECT_EQ(one->ack.mount, first->mount);
  // Asking writes nothing: an old copy gets no younger by being looked at.
  close();
  ASSERT_TRUE(open());
  EXPECT_EQ(run(drive_->synced())->at_open, again->at_open);
  PromiseRequest request;
  request.drive = format_.drive;
  request.term = model::Term{++term_};
  request.leader = 1;
  request.connection = 1;
  request.map_epoch = kEpoch;
  request.entries.push_back({kPartition, kEpoch, "entry"});
  EXPECT_GT(run(drive_->promise(request))->ack.batch, again->at_open);
}

TEST_F(LocalDriveTest, KeepsWhatWasAcknowledgedOverRestarts) {
  make();
  for (int i = 0; i < 100; ++i) {
    const std::string key = "k" + std::to_string(i);
    const auto request =
        put(key, static_cast<std::uint64_t>(i), std::string(static_cast<std::size_t>(i * 50), 'd'));
    auto reply = run(drive_->mutate(request));
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_TRUE(reply->held());
    if (i % 2 == 0)
      ASSERT_TRUE(run(drive_->settle(fence(), unit_of(key), request.mutation->stamp)));
  }
  close();
  ASSERT_TRUE(open());
  for (int i = 0; i < 100; ++i) {
    auto reply = read("k" + std::to_string(i));
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_EQ(reply->rows.size(), 1u);
    EXPECT_EQ(reply->settled, i % 2 == 0);
    ASSERT_TRUE(reply->inline_shard && *reply->inline_shard);
    EXPECT_EQ((*reply->inline_shard)->bytes.size(), static_cast<std::size_t>(i * 50));
  }
}

// Readers on threads of their own, while one key is written again and again and the log gives back
// what was replaced.
TEST_F(LocalDriveTest, WhatIsReadWhileItIsReplacedStaysWhatItWas) {
  make();
  constexpr std::size_t kBytes = 2'000'000;  // of which a few are cut out of the log at once
  const auto letter = [](std::uint64_t data) { return static_cast<char>('a' + data % 26); };
  std::atomic<std::uint64_t> newest{0}, read_whole{0};
  std::atomic<bool> stop{false}, wrong{false};
  struct Reader {
    static io::Task<bool> go(Drive* drive, std::uint64_t data, char letter, bool* whole) {
      auto reader = co_await drive->open_inline(value_of(data));
      if (!reader) co_return reader.code() == Code::not_found;  // replaced already
      std::vector<std::byte> room(kShardBlockBytes);
      for (std::size_t at = 0; at < kBytes; at += kShardBlockBytes) {
        const std::size_t length = std::min(kShardBlockBytes, kBytes - at);
        const auto bytes = co_await (*reader)->read(at, length, room);
        if (!bytes) co_return false;
        for (const std::byte b : *bytes)
          if (b != static_cast<std::byte>(letter)) co_return false;
        co_await io::sleep_for(std::chrono::milliseconds(1));
      }
      *whole = true;
      co_return true;
    }
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const std::uint64_t data = newest;
        bool whole = false;
        if (data > 0 && !run(Reader::go(drive_.get(), data, letter(data), &whole))) wrong = true;
        read_whole += whole;
      }
    });
  }
  for (std::uint64_t data = 1; data <= 60; ++data) {
    const auto request = put("k", data, std::string(kBytes, letter(data)));
    auto reply = run(drive_->mutate(request));
    EXPECT_TRUE(reply && reply->held());
    EXPECT_TRUE(run(drive_->settle(fence(), unit_of("k"), request.mutation->stamp)));
    newest = data;
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_FALSE(wrong);
  EXPECT_GT(read_whole, 0u);
}

TEST_F(LocalDriveTest, RaisesItsGenerationAtEachMount) {
  make();
  close();
  ASSERT_TRUE(open());
  close();
  auto look = run(probe(*files_, path_));
  ASSERT_TRUE(look);
  EXPECT_EQ(look->state, Probe::State::formatted);
  EXPECT_EQ(look->format.generation, 2u);
}

TEST_F(LocalDriveTest, ConcurrentWritersShareSyncs) {
  make();
  std::vector<io::Task<Result<MutateReply>>> tasks;
  for (int i = 0; i < 200; ++i)
    tasks.push_back(
        drive_->mutate(put("k" + std::to_string(i), static_cast<std::uint64_t>(i), "data")));
  auto replies = run(io::when_all(std::move(tasks)));
  for (const auto& reply : replies) ASSERT_TRUE(reply && reply->held());
  const auto& syncs =
      metrics_.counter("cairn_drive_syncs_total", "", {{"drive", format_.drive.hex()}});
  EXPECT_LT(syncs.value(), 100u);
}

TEST_F(LocalDriveTest, ASecondProcessIsRefused) {
  make();
  const pid_t child = ::fork();
  if (child == 0) {
    // Only what needs no thread of the parent: the lock is the operating system's.
    const int fd = ::open((path_ + "/lock").c_str(), O_RDWR);
    ::_exit(::flock(fd, LOCK_EX | LOCK_NB) == 0 ? 1 : 0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  std::unique_ptr<Drive> first = std::move(drive_);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.code(), Code::already_exists);
  EXPECT_NE(second.error().message.find("another process"), std::string::npos);
  drive_ = std::move(first);
  EXPECT_TRUE(read("k"));
}

TEST_F(LocalDriveTest, ForeignFilesAndStatesOfADirectoryAreToldApart) {
  EXPECT_EQ(run(probe(*files_, path_ + "/none"))->state, Probe::State::missing);
  EXPECT_EQ(run(probe(*files_, path_))->state, Probe::State::empty);
  fs::create_directory(path_ + "/lost+found");
  EXPECT_EQ(run(probe(*files_, path_))->state, Probe::State::empty);
  std::ofstream(path_ + "/photo.jpg") << "x";
  const auto foreign = run(probe(*files_, path_));
  EXPECT_EQ(foreign->state, Probe::State::foreign_files);
  EXPECT_NE(foreign->reason.find("photo.jpg"), std::string::npos);
  EXPECT_FALSE(run(format_drive(*files_, path_, format_)));
  EXPECT_TRUE(fs::exists(path_ + "/photo.jpg"));
  fs::remove(path_ + "/photo.jpg");
  ASSERT_TRUE(run(format_drive(*files_, path_, format_)));
  const auto again = run(format_drive(*files_, path_, format_));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.code(), Code::already_exists);
}

TEST_F(LocalDriveTest, ADamagedFormatFileIsUnreadableAndNotEmpty) {
  make();
  close();
  std::ofstream(path_ + "/format.json", std::ios::trunc) << "{\"layout_version\": 1}";
  EXPECT_EQ(run(probe(*files_, path_))->state, Probe::State::unreadable);
  EXPECT_FALSE(open());
  fs::remove(path_ + "/format.json");
  EXPECT_EQ(run(probe(*files_, path_))->state, Probe::State::foreign_files);
}

TEST_F(LocalDriveTest, AReadOnlyFileSystemIsSaidToBeOne) {
  make();
  close();
  inject([](FileOp op, const std::string&) {
    Fault fault;
    if (op == FileOp::open) fault.error = std::nullopt;
    if (op == FileOp::rename || op == FileOp::write)
      fault.error = Error{Code::read_only, "read-only"};
    return fault;
  });
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.code(), Code::read_only);
  EXPECT_NE(opened.error().message.find("read-only"), std::string::npos);
}

TEST_F(LocalDriveTest, AFullDriveRefusesDataAndGoesOnWithTheRest) {
  make();
  auto kept = put("kept", 1, "before");
  ASSERT_TRUE(run(drive_->mutate(kept))->held());
  close();
  ASSERT_TRUE(open(1ull << 62));  // more than any disk has free
  promise();
  auto reply = run(drive_->mutate(put("new", 2, "data")));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.code(), Code::no_space);
  EXPECT_EQ(run(drive_->create_blob({value_of(9), 0})).code(), Code::no_space);
  EXPECT_TRUE(read("kept")->rows.size() == 1);
  EXPECT_TRUE(run(drive_->settle(fence(), unit_of("kept"), kept.mutation->stamp)));
  auto removed = run(drive_->mutate(put("kept", 3, "", false)));
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_TRUE(removed->held());
  EXPECT_TRUE(run(drive_->stats())->full);
  EXPECT_FALSE(drive_->failed());
}

TEST_F(LocalDriveTest, AWriterThatMeetsAFullDiskDoesNotEndTheDrive) {
  make();
  inject([](FileOp op, const std::string& p) {
    Fault fault;
    if (op == FileOp::write && p.find("/tmp/") != std::string::npos)
      fault.error = Error{Code::no_space, "full"};
    return fault;
  });
  const auto written = write_blob({value_of(1), 0}, 100'000);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.code(), Code::no_space);
  EXPECT_FALSE(drive_->failed());
}

// lessons.md: a failed sync fences the drive, no retry hides it.
TEST_F(LocalDriveTest, AFailedSyncOfABlobEndsTheDrive) {
  make();
  inject([](FileOp op, const std::string&) {
    Fault fault;
    if (op == FileOp::sync) fault.error = Error{Code::io_error, "input/output error"};
    return fault;
  });
  const auto written = write_blob({value_of(1), 0}, 1000);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.code(), Code::drive_failed);
  EXPECT_TRUE(drive_->failed());
  inject(nullptr);
  EXPECT_EQ(read("k").code(), Code::drive_failed);
  EXPECT_EQ(run(drive_->mutate(put("k", 1, "x"))).code(), Code::drive_failed);
}

TEST_F(LocalDriveTest, AReadErrorOfABlobIsThatReadsOnly) {
  make();
  ASSERT_TRUE(write_blob({value_of(1), 0}, 1000));
  auto reader = run(drive_->open_blob({value_of(1), 0}));
  ASSERT_TRUE(reader);
  inject([](FileOp op, const std::string&) {
    Fault fault;
    if (op == FileOp::read) fault.error = Error{Code::io_error, "input/output error"};
    return fault;
  });
  std::vector<std::byte> room(kShardBlockBytes);
  EXPECT_EQ(run((*reader)->read(0, 1000, room)).code(), Code::io_error);
  EXPECT_FALSE(drive_->failed());
  inject(nullptr);
  EXPECT_TRUE(run((*reader)->read(0, 1000, room)));
}

TEST_F(LocalDriveTest, EverySyncThatAnAcknowledgedBlobNeedsIsDone) {
  make();
  std::mutex mutex;
  std::vector<std::string> seen;
  inject([&](FileOp op, const std::string& p) {
    std::lock_guard lock(mutex);
    if (op == FileOp::sync) seen.push_back("sync");
    if (op == FileOp::rename) seen.push_back("rename");
    if (op == FileOp::sync_directory) seen.push_back("sync_directory " + p.substr(path_.size()));
    return Fault{};
  });
  ASSERT_TRUE(write_blob({value_of(1), 0}, 1000));
  inject(nullptr);
  EXPECT_EQ(seen, (std::vector<std::string>{"sync", "rename", "sync_directory /blobs/01"}));
}

}  // namespace
}  // namespace cairn::drive
