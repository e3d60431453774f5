// One suite for every file system: threads, io_uring, and the simulated one that the other modules'
// tests trust.
#include "io/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>

#include "io/file_posix.h"
#include "io/testing/power_cut.h"
#include "io/testing/sim_executor.h"
#include "io/world.h"

namespace cairn::io {
namespace {

using Open = FileSystem::Open;

std::vector<Bytes> pieces(std::initializer_list<std::string_view> texts) {
  std::vector<Bytes> out;
  for (const auto text : texts) out.push_back(as_bytes(text));
  return out;
}

class Files : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    reactors_ = make_reactors(2);
    reactors_->start();
    pool_ = make_blocking_pool(3);
    if (GetParam() == "power_cut") {
      fs_ = std::make_unique<testing::PowerCutFileSystem>();
      ASSERT_TRUE(run(fs_->make_directory("/d")));
      root_ = "/d";
      return;
    }
    auto made = make_file_system(GetParam(), *reactors_, *pool_);
    if (!made && GetParam() == "io_uring" && made.code() == Code::unavailable)
      GTEST_SKIP() << made.error().message;
    ASSERT_TRUE(made) << made.error().message;
    fs_ = std::move(*made);
    EXPECT_EQ(fs_->name(), GetParam());
    root_ = ::testing::TempDir() + "cairn-files-" + std::to_string(::getpid()) + "-" + GetParam();
    std::filesystem::remove_all(root_);
    ASSERT_TRUE(run(fs_->make_directory(root_)));
  }
  void TearDown() override {
    fs_.reset();
    reactors_->stop();
    if (GetParam() != "power_cut" && !root_.empty()) std::filesystem::remove_all(root_);
  }

  template <class T>
  T run(Task<T> task) {
    return block_on(*reactors_, std::move(task));
  }
  std::string path(std::string_view name) const { return root_ + "/" + std::string(name); }
  std::unique_ptr<File> create(std::string_view name) {
    auto file = run(fs_->open(path(name), Open::create_new));
    EXPECT_TRUE(file);
    return std::move(*file);
  }
  std::string read(File& file, std::uint64_t offset, std::size_t size) {
    std::string out(size, '?');
    const auto n = run(file.read_at(offset, std::as_writable_bytes(std::span(out))));
    EXPECT_TRUE(n);
    out.resize(n.value_or(0));
    return out;
  }

  std::unique_ptr<Reactors> reactors_;
  std::unique_ptr<BlockingPool> pool_;
  std::unique_ptr<FileSystem> fs_;
  std::string root_;
};

TEST_P(Files, WritesAndReads) {
  auto file = create("a");
  ASSERT_TRUE(run(file->write_at(0, pieces({"hello", "", " ", "world"}))));
  ASSERT_TRUE(run(file->write_at(20, pieces({"far"}))));
  ASSERT_TRUE(run(file->sync_data()));
  EXPECT_EQ(run(file->size()).value(), 23u);
  EXPECT_EQ(read(*file, 6, 5), "world");
  EXPECT_EQ(read(*file, 11, 9), std::string(9, '\0'));
  EXPECT_EQ(read(*file, 20, 100), "far");
  EXPECT_EQ(read(*file, 23, 10), "");
  EXPECT_EQ(read(*file, 1000, 10), "");
  EXPECT_EQ(read(*file, 0, 0), "");
  ASSERT_TRUE(run(file->write_synced(23, pieces({"th", "er"}))));
  EXPECT_EQ(read(*file, 20, 100), "farther");
}

TEST_P(Files, ManyPiecesAndLargeWrites) {
  auto file = create("a");
  const std::string large(3'000'000, 'L');
  std::vector<Bytes> data;
  std::string expected;
  for (int i = 0; i < 3000; ++i) {  // more than one system call takes
    data.push_back(as_bytes(std::string_view("abc").substr(static_cast<std::size_t>(i % 3))));
    expected += as_text(data.back());
  }
  data.push_back(as_bytes(large));
  expected += large;
  ASSERT_TRUE(run(file->write_at(7, data)));
  EXPECT_EQ(read(*file, 7, expected.size() + 10), expected);
  ASSERT_TRUE(run(file->write_at(0, {})));
}

TEST_P(Files, ErrorsHaveTheirCodes) {
  EXPECT_EQ(run(fs_->open(path("no"), Open::read)).code(), Code::not_found);
  EXPECT_EQ(run(fs_->open(path("no"), Open::read_write)).code(), Code::not_found);
  EXPECT_EQ(run(fs_->remove(path("no"))).code(), Code::not_found);
  EXPECT_EQ(run(fs_->rename(path("no"), path("x"))).code(), Code::not_found);
  EXPECT_EQ(run(fs_->list(path("no"))).code(), Code::not_found);
  EXPECT_EQ(run(fs_->sync_directory(path("no"))).code(), Code::not_found);
  create("a");
  EXPECT_EQ(run(fs_->open(path("a"), Open::create_new)).code(), Code::already_exists);
  EXPECT_EQ(run(fs_->make_directory(path("a"))).code(), Code::already_exists);
  auto reader = run(fs_->open(path("a"), Open::read));
  ASSERT_TRUE(reader);
  const auto refused = run((*reader)->write_at(0, pieces({"x"})));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.code(), Code::io_error);
  EXPECT_NE(refused.error().message.find(path("a")), std::string::npos);
}

TEST_P(Files, NamesComeAndGo) {
  ASSERT_TRUE(run(fs_->make_directory(path("sub"))));
  ASSERT_TRUE(run(fs_->make_directory(path("sub"))));
  create("a");
  create("sub/b");
  ASSERT_TRUE(run(fs_->rename(path("a"), path("sub/c"))));
  ASSERT_TRUE(run(fs_->rename(path("sub/c"), path("sub/b"))));
  auto entries = run(fs_->list(root_));
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->at(0).name, "sub");
  EXPECT_TRUE(entries->at(0).is_directory);
  entries = run(fs_->list(path("sub")));
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->at(0).name, "b");
  EXPECT_FALSE(entries->at(0).is_directory);
  EXPECT_FALSE(run(fs_->remove(path("sub"))));
  ASSERT_TRUE(run(fs_->remove(path("sub/b"))));
  ASSERT_TRUE(run(fs_->remove(path("sub"))));
  ASSERT_TRUE(run(fs_->sync_directory(root_)));
  EXPECT_TRUE(run(fs_->list(root_))->empty());
}

TEST_P(Files, AnOpenFileOutlivesItsName) {
  auto file = create("a");
  ASSERT_TRUE(run(file->write_at(0, pieces({"still here"}))));
  ASSERT_TRUE(run(fs_->remove(path("a"))));
  EXPECT_EQ(read(*file, 0, 100), "still here");
}

TEST_P(Files, InfoTellsWhetherTheNameIsGone) {
  auto file = create("a");
  ASSERT_TRUE(run(file->write_at(0, pieces({"12345"}))));
  EXPECT_EQ(run(file->info())->bytes, 5u);
  EXPECT_TRUE(run(file->info())->named);
  create("b");
  ASSERT_TRUE(run(fs_->rename(path("b"), path("a"))));
  EXPECT_FALSE(run(file->info())->named);
  auto other = create("c");
  ASSERT_TRUE(run(fs_->remove(path("c"))));
  EXPECT_FALSE(run(other->info())->named);
}

struct alignas(kDirectAlignment) AlignedRoom {
  std::array<std::byte, 3 << 20> bytes;
};

// Aligned pieces may pass the page cache by, others may not: what is read is what was written.
TEST_P(Files, StreamsOfAnyShapeAreWhole) {
  const auto room = std::make_unique<AlignedRoom>();
  for (std::size_t i = 0; i < room->bytes.size(); ++i)
    room->bytes[i] = static_cast<std::byte>(i * 2654435761u >> 13);
  const Bytes all(room->bytes);
  constexpr std::size_t kPage = kDirectAlignment;
  const std::vector<std::vector<Bytes>> shapes{
      {all.subspan(0, kPage), all.subspan(kPage * 5, 1 << 20)},          // header and data
      {all.subspan(0, 512 << 10), all.subspan(600 * kPage, 512 << 10)},  // two runs
      {all.subspan(0, (512 << 10) + 100)},                               // a ragged end
      {all.subspan(1, 512 << 10)},                                       // not aligned in memory
      {all.subspan(0, 512 << 10), all.subspan(77, 1000), all.subspan(kPage, 512 << 10)},
      {all.subspan(0, 700)},
  };
  auto file = run(fs_->open(path("s"), Open::create_streamed));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(run(fs_->open(path("s"), Open::create_streamed)).code(), Code::already_exists);
  std::string expected;
  for (int round = 0; round < 2; ++round) {
    for (const auto& shape : shapes) {
      ASSERT_TRUE(run((*file)->write_at(expected.size(), shape)));
      for (const Bytes piece : shape) expected += as_text(piece);
    }
  }
  ASSERT_TRUE(run((*file)->sync_data()));
  EXPECT_EQ(run((*file)->size()).value(), expected.size());
  EXPECT_TRUE(run(fs_->read_file(path("s"))).value() == expected);
}

TEST_P(Files, ReplaceFileLeavesOnlyTheNewContent) {
  ASSERT_TRUE(run(fs_->replace_file(path("f"), "one")));
  create("f.new");  // as a crash leaves it
  const std::string large(100'000, 'x');
  ASSERT_TRUE(run(fs_->replace_file(path("f"), large)));
  EXPECT_EQ(run(fs_->read_file(path("f"))).value(), large);
  EXPECT_EQ(run(fs_->list(root_))->size(), 1u);
  ASSERT_TRUE(run(fs_->replace_file(path("f"), "")));
  EXPECT_EQ(run(fs_->read_file(path("f"))).value(), "");
  EXPECT_EQ(run(fs_->read_file(path("g"))).code(), Code::not_found);
}

TEST_P(Files, SpaceIsReported) {
  const auto space = run(fs_->space(root_));
  ASSERT_TRUE(space);
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_LE(space->available_bytes, space->total_bytes);
}

// Many operations at once from both reactors, more than a ring has room for.
TEST_P(Files, ManyAtOnce) {
  struct Local {
    static Task<bool> one(Reactor* home, File* file, std::size_t i) {
      co_await resume_on(*home);
      std::string text(512, static_cast<char>('a' + i % 26));
      std::vector<Bytes> data;
      data.push_back(as_bytes(text));
      auto wrote = co_await file->write_at(i * 512, std::move(data));
      std::string back(512, '?');
      auto n = co_await file->read_at(i * 512, std::as_writable_bytes(std::span(back)));
      co_return wrote&& n && *n == 512 && back == text&& Executor::current_or_null() == home;
    }
  };
  auto file = create("a");
  std::vector<Task<bool>> tasks;
  for (std::size_t i = 0; i < 2000; ++i)
    tasks.push_back(Local::one(&reactors_->at(i % 2), file.get(), i));
  for (const bool ok : run(when_all(std::move(tasks)))) ASSERT_TRUE(ok);
  EXPECT_EQ(run(file->size()).value(), 2000u * 512);
}

TEST_P(Files, WorksFromAForeignExecutor) {
  // Operations complete on pool threads, so the loop is driven until they have.
  struct Local {
    static Task<void> go(FileSystem* fs, std::string path, std::atomic<int>* state) {
      auto file = co_await fs->open(path, Open::create_new);
      bool ok = file.has_value();
      if (ok) {
        auto wrote = co_await (*file)->write_at(0, pieces({"x"}));
        auto synced = co_await (*file)->sync_data();
        std::byte b{};
        auto n = co_await (*file)->read_at(0, MutableBytes(&b, 1));
        ok = wrote && synced && n && *n == 1 && b == std::byte{'x'};
      }
      *state = ok ? 1 : 2;
    }
  };
  class Loop final : public Executor {
   public:
    void post(std::move_only_function<void()> work) override { box_.push_back(std::move(work)); }
    void post_at(Instant, std::move_only_function<void()>) override {}
    Instant now() const override { return {}; }
    bool run_one() {
      auto work = box_.pop();
      if (!work) return false;
      Running running(*this);
      (*work)();
      return true;
    }

   private:
    struct Box {
      std::mutex mutex;
      std::deque<std::move_only_function<void()>> items;
      void push_back(std::move_only_function<void()> w) {
        std::lock_guard lock(mutex);
        items.push_back(std::move(w));
      }
      std::optional<std::move_only_function<void()>> pop() {
        std::lock_guard lock(mutex);
        if (items.empty()) return std::nullopt;
        auto w = std::move(items.front());
        items.pop_front();
        return w;
      }
    } box_;
  } loop;
  std::atomic<int> state{0};
  spawn(loop, Local::go(fs_.get(), path("a"), &state));
  while (state == 0) {
    if (!loop.run_one()) ::sched_yield();
  }
  EXPECT_EQ(state, 1);
}

INSTANTIATE_TEST_SUITE_P(All, Files, ::testing::Values("threads", "io_uring", "power_cut"),
                         [](const auto& each) { return each.param; });

TEST(FileErrors, MapToCodes) {
  EXPECT_EQ(errno_error(ENOSPC, "write", "/x").code, Code::no_space);
  EXPECT_EQ(errno_error(EDQUOT, "write", "/x").code, Code::no_space);
  EXPECT_EQ(errno_error(EROFS, "write", "/x").code, Code::read_only);
  EXPECT_EQ(errno_error(EIO, "write", "/x").code, Code::io_error);
  EXPECT_EQ(errno_error(EMFILE, "open", "/x").code, Code::slow_down);
  EXPECT_EQ(errno_error(EIO, "write", "/x").message, "write /x: Input/output error");
}

TEST(FileErrors, AFullDeviceIsNoSpace) {
  const int fd = ::open("/dev/full", O_RDWR | O_CLOEXEC);
  if (fd < 0) GTEST_SKIP() << "no /dev/full here";
  const OpenFile full{std::make_shared<Descriptor>(fd, "/dev/full"), nullptr};
  EXPECT_EQ(write_blocking(full, 0, pieces({"x"}), Durable::no).code(), Code::no_space);
}

int memory_file() {
  return ::memfd_create("cairn-test", MFD_CLOEXEC);
}

TEST(WriteSteps, ARefusedDirectWriteGoesThroughThePageCache) {
  const OpenFile file{std::make_shared<Descriptor>(memory_file(), "plain"),
                      std::make_shared<Descriptor>(memory_file(), "direct")};
  const auto room = std::make_unique<AlignedRoom>();
  const Bytes data = Bytes(room->bytes).first((1 << 20) + 10);
  WriteSteps steps(file, 0, {data}, Durable::no);
  EXPECT_EQ(steps.fd(), file.direct->fd());
  ASSERT_EQ(steps.pieces().size(), 1u);
  EXPECT_EQ(steps.pieces()[0].iov_len, std::size_t{1} << 20);  // the end is not aligned
  ASSERT_TRUE(steps.taken(512 << 10));
  EXPECT_EQ(steps.fd(), file.direct->fd());
  EXPECT_EQ(steps.offset(), 512u << 10);
  ASSERT_TRUE(steps.taken(-EINTR));
  ASSERT_TRUE(steps.taken(-EINVAL));
  EXPECT_EQ(steps.fd(), file.plain->fd());
  EXPECT_EQ(steps.offset(), 512u << 10);
  EXPECT_EQ(steps.pieces()[0].iov_len, (512u << 10) + 10);
  EXPECT_FALSE(steps.taken(-EINVAL));  // now it is an error
  EXPECT_FALSE(steps.done());
}

TEST(WriteSteps, WhatIsSmallOrNotAlignedIsNotDirect) {
  const OpenFile file{std::make_shared<Descriptor>(memory_file(), "plain"),
                      std::make_shared<Descriptor>(memory_file(), "direct")};
  const auto room = std::make_unique<AlignedRoom>();
  const Bytes all(room->bytes);
  EXPECT_EQ(WriteSteps(file, 0, {all.first(64 << 10)}, Durable::no).fd(), file.plain->fd());
  EXPECT_EQ(WriteSteps(file, 100, {all.first(1 << 20)}, Durable::no).fd(), file.plain->fd());
  EXPECT_EQ(WriteSteps(file, 0, {all.subspan(8, 1 << 20)}, Durable::no).fd(), file.plain->fd());
  EXPECT_EQ(WriteSteps(file, 4096, {all.first(1 << 20)}, Durable::no).fd(), file.direct->fd());
  EXPECT_TRUE(WriteSteps(file, 0, {Bytes{}, Bytes{}}, Durable::no).done());
  // One that waits for the disk anyway gains nothing by being copied.
  EXPECT_EQ(WriteSteps(file, 0, {all.first(4 << 10)}, Durable::yes).fd(), file.direct->fd());
  EXPECT_EQ(WriteSteps(file, 0, {all.first(100)}, Durable::yes).fd(), file.plain->fd());
}

TEST(FileSystemChoice, UnknownNameIsRefused) {
  auto reactors = make_reactors(1);
  auto pool = make_inline_pool();
  EXPECT_EQ(make_file_system("mmap", *reactors, *pool).code(), Code::invalid_argument);
  EXPECT_TRUE(make_file_system("auto", *reactors, *pool));
}

}  // namespace
}  // namespace cairn::io
