// The embedded store on real files, with commits, reads and watches from several threads.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "control/embedded.h"
#include "io/reactor.h"

namespace cairn::control {
namespace {

class EmbeddedThreads : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/cairn_control_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    for (const auto* drive : {"/a", "/b", "/c"}) {
      std::filesystem::create_directory(root_ + drive);
      paths_.push_back(root_ + drive + "/control");
    }
    reactors_->start();
    files_ = std::move(*io::make_file_system("threads", *reactors_, *pool_));
  }
  void TearDown() override {
    reactors_->stop();
    std::filesystem::remove_all(root_);
  }
  std::unique_ptr<Embedded> open() {
    return std::move(*io::block_on(*reactors_, open_embedded(*files_, paths_)));
  }

  std::string root_;
  std::vector<std::string> paths_;
  std::unique_ptr<io::Reactors> reactors_ = io::make_reactors(3);
  std::unique_ptr<io::BlockingPool> pool_ = io::make_blocking_pool(3);
  std::unique_ptr<io::FileSystem> files_;
};

io::Task<bool> put_many(Embedded* store, std::string prefix, int count) {
  bool all = true;
  for (int i = 0; i < count; ++i) {
    std::vector<Change> changes{{prefix + std::to_string(i), prefix}};
    const auto done = co_await store->commit({}, std::move(changes));
    const auto read = co_await store->get(prefix + std::to_string(i));
    all = all && done && read && *read && (*read)->value == prefix;
  }
  co_return all;
}

io::Task<bool> stop(Embedded* store) {
  co_await store->stop();
  co_return true;
}

TEST_F(EmbeddedThreads, CommitsFromAllReactors) {
  auto store = open();
  std::mutex mutex;
  std::vector<std::uint64_t> seen;
  auto watch = store->watch("", [&](const std::string&, const std::optional<Entry>& entry) {
    std::lock_guard lock(mutex);
    seen.push_back(entry->mod_revision);
  });
  constexpr int kEach = 30;
  io::Mailbox<bool> results;
  struct Run {
    static io::Task<void> go(Embedded* s, std::string prefix, io::Mailbox<bool> box) {
      const bool ok = co_await put_many(s, std::move(prefix), kEach);
      box.push(ok);
    }
    static io::Task<bool> wait(io::Mailbox<bool> box, std::size_t count) {
      bool all = true;
      for (std::size_t i = 0; i < count; ++i) {
        const auto ok = co_await box.pop();
        all = all && *ok;
      }
      co_return all;
    }
  };
  for (std::size_t i = 0; i < reactors_->size(); ++i)
    for (int j = 0; j < 2; ++j)
      io::spawn(
          reactors_->at(i),
          Run::go(store.get(), "r" + std::to_string(i) + "-" + std::to_string(j) + "-", results));
  EXPECT_TRUE(io::block_on(*reactors_, Run::wait(results, 2 * reactors_->size())));
  watch.reset();
  const std::uint64_t total = 2 * kEach * reactors_->size();
  ASSERT_EQ(seen.size(), total);
  for (std::uint64_t i = 0; i < total; ++i) EXPECT_EQ(seen[i], i + 1);
  io::block_on(*reactors_, stop(store.get()));
  store = open();
  EXPECT_EQ(store->status().revision, total);
  EXPECT_EQ(io::block_on(*reactors_, store->list("r"))->size(), total);
  io::block_on(*reactors_, stop(store.get()));
}

}  // namespace
}  // namespace cairn::control
