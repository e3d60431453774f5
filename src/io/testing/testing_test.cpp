#include <gtest/gtest.h>

#include "io/sync.h"
#include "io/testing/faulty.h"
#include "io/testing/power_cut.h"
#include "io/testing/sim_executor.h"

namespace cairn::io::testing {
namespace {

using namespace std::chrono_literals;
using Open = FileSystem::Open;

struct Trace {
  static Task<void> worker(int id, std::vector<int>* trace) {
    for (int i = 0; i < 5; ++i) {
      trace->push_back(id);
      co_await sleep_for(std::chrono::milliseconds(id % 3));
      co_await again();
    }
  }
  static Task<void> again() {
    struct Post {
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> h) {
        Executor::current().post([h] { h.resume(); });
      }
      void await_resume() const noexcept {}
    };
    co_await Post{};
  }
  static std::vector<int> of(std::uint64_t seed, SimExecutor::Order order) {
    SimExecutor sim(seed, order);
    std::vector<int> trace;
    for (int id = 0; id < 6; ++id) spawn(sim, worker(id, &trace));
    sim.run_until_idle();
    return trace;
  }
};

TEST(SimExecutor, TheSameSeedGivesTheSameRun) {
  const auto a = Trace::of(7, SimExecutor::Order::seeded);
  EXPECT_EQ(a.size(), 30u);
  EXPECT_EQ(a, Trace::of(7, SimExecutor::Order::seeded));
  EXPECT_NE(a, Trace::of(8, SimExecutor::Order::seeded));
  EXPECT_EQ(Trace::of(1, SimExecutor::Order::posted), Trace::of(2, SimExecutor::Order::posted));
}

TEST(SimExecutor, RunForStopsAtItsTime) {
  SimExecutor sim(1);
  int fired = 0;
  sim.post_at(Instant(1s), [&] { ++fired; });
  sim.post_at(Instant(3s), [&] { ++fired; });
  sim.run_for(2s);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(sim.now(), Instant(2s));
  sim.run_for(1s);
  EXPECT_EQ(fired, 2);
}

std::vector<Bytes> one(std::string_view text) {
  std::vector<Bytes> out;
  out.push_back(as_bytes(text));
  return out;
}

class PowerCut : public ::testing::Test {
 protected:
  void write(File& file, std::uint64_t offset, std::string_view text) {
    ASSERT_TRUE(sim_.run(file.write_at(offset, one(text))));
  }
  std::unique_ptr<File> create(std::string path) {
    auto file = sim_.run(fs_.open(std::move(path), Open::create_new));
    EXPECT_TRUE(file);
    return std::move(*file);
  }
  void make(std::string directory) {
    ASSERT_TRUE(sim_.run(fs_.make_directory(std::move(directory))));
    ASSERT_TRUE(sim_.run(fs_.sync_directory("/")));
  }
  void sync(std::string directory) {
    ASSERT_TRUE(sim_.run(fs_.sync_directory(std::move(directory))));
  }
  Result<std::string> read(std::string path) { return sim_.run(fs_.read_file(std::move(path))); }
  std::set<std::string> names(std::string path) {
    std::set<std::string> out;
    for (const auto& e : sim_.run(fs_.list(std::move(path))).value()) out.insert(e.name);
    return out;
  }
  SimExecutor sim_{1};
  PowerCutFileSystem fs_;
};

TEST_F(PowerCut, WhatWasNotSyncedIsLost) {
  make("/d");
  auto file = create("/d/a");
  write(*file, 0, "data");
  ASSERT_TRUE(sim_.run(file->sync_data()));
  fs_.power_cut_losing_all();
  EXPECT_EQ(names("/d"), std::set<std::string>{}) << "the name was not synced";

  file = create("/d/a");
  write(*file, 0, "data");
  sync("/d");
  fs_.power_cut_losing_all();
  EXPECT_EQ(read("/d/a").value(), "") << "the content was not synced";
}

TEST_F(PowerCut, WhatWasSyncedStays) {
  make("/d");
  auto file = create("/d/a");
  write(*file, 0, "data");
  ASSERT_TRUE(sim_.run(file->sync_data()));
  sync("/d");
  write(*file, 2, "XXXX");
  ASSERT_TRUE(sim_.run(fs_.rename("/d/a", "/d/b")));
  fs_.power_cut_losing_all();
  EXPECT_EQ(names("/d"), std::set<std::string>{"a"});
  EXPECT_EQ(read("/d/a").value(), "data");
}

TEST_F(PowerCut, TearsAtSectorsAndOnlyWhatWasNotSynced) {
  bool torn = false, whole = false, none = false;
  auto random = seeded_random(3);
  const std::string old_text(4096, 'o'), new_text(4096, 'n');
  for (int round = 0; round < 100; ++round) {
    PowerCutFileSystem fs;
    auto file = *sim_.run(fs.open("/a", Open::create_new));
    ASSERT_TRUE(sim_.run(fs.sync_directory("/")));
    ASSERT_TRUE(sim_.run(file->write_at(0, one(old_text))));
    ASSERT_TRUE(sim_.run(file->sync_data()));
    ASSERT_TRUE(sim_.run(file->write_at(256, one(new_text.substr(0, 3000)))));
    fs.power_cut(*random);
    const auto content = sim_.run(fs.read_file("/a")).value();
    ASSERT_EQ(content.size(), 4096u);
    EXPECT_EQ(content.substr(0, 256), old_text.substr(0, 256));
    EXPECT_EQ(content.substr(3256), old_text.substr(3256));
    std::set<char> seen;
    for (std::size_t at = 512; at < 3072; at += 512) {
      const std::string sector = content.substr(at, 512);
      EXPECT_TRUE(sector == std::string(512, 'o') || sector == std::string(512, 'n'));
      seen.insert(sector[0]);
    }
    torn |= seen.size() == 2;
    whole |= content.substr(256, 3000) == new_text.substr(0, 3000);
    none |= content == old_text;
  }
  EXPECT_TRUE(torn && whole && none);
}

TEST_F(PowerCut, ReplacedFileIsOldOrNewAtEveryCut) {
  auto random = seeded_random(5);
  std::set<std::string> outcomes;
  for (std::uint64_t cut = 0; cut < 12; ++cut) {
    for (int round = 0; round < 20; ++round) {
      PowerCutFileSystem fs;
      ASSERT_TRUE(sim_.run(fs.make_directory("/d")));
      ASSERT_TRUE(sim_.run(fs.sync_directory("/")));
      ASSERT_TRUE(sim_.run(fs.replace_file("/d/f", std::string(2000, 'o'))));
      fs.lose_power_after(cut);
      const bool acknowledged =
          sim_.run(fs.replace_file("/d/f", std::string(2000, 'n'))).has_value();
      fs.power_cut(*random);
      const auto content = sim_.run(fs.read_file("/d/f"));
      ASSERT_TRUE(content);
      EXPECT_TRUE(*content == std::string(2000, 'n') ||
                  (*content == std::string(2000, 'o') && !acknowledged));
      outcomes.insert(content->substr(0, 1));
    }
  }
  EXPECT_EQ(outcomes.size(), 2u);
}

TEST_F(PowerCut, ARenameIsNeverHalfDoneAndNeverLosesASyncedFile) {
  auto random = seeded_random(9);
  std::set<std::set<std::string>> seen;
  for (int round = 0; round < 200; ++round) {
    PowerCutFileSystem fs;
    for (const char* d : {"/d", "/e"}) ASSERT_TRUE(sim_.run(fs.make_directory(d)));
    ASSERT_TRUE(sim_.run(fs.replace_file("/d/a", "first")));
    ASSERT_TRUE(sim_.run(fs.sync_directory("/")));
    ASSERT_TRUE(sim_.run(fs.rename("/d/a", "/e/b")));
    ASSERT_TRUE(sim_.run(fs.open("/d/a", Open::create_new)));
    if (round % 3 == 0) {
      ASSERT_TRUE(sim_.run(fs.sync_directory(round % 2 == 0 ? "/d" : "/e")));
    }
    fs.power_cut(*random);
    const auto a = sim_.run(fs.read_file("/d/a"));
    const auto b = sim_.run(fs.read_file("/e/b"));
    EXPECT_NE(a.value_or("") == "first", b.value_or("") == "first");
    std::set<std::string> names;
    if (a) names.insert("a");
    if (b) names.insert("b");
    seen.insert(names);
  }
  EXPECT_EQ(seen, (std::set<std::set<std::string>>{{"a"}, {"b"}, {"a", "b"}}));
}

TEST_F(PowerCut, FilesOpenBeforeTheCutAreDead) {
  auto file = create("/a");
  sync("/");
  fs_.power_cut_losing_all();
  EXPECT_EQ(sim_.run(file->write_at(0, one("x"))).code(), Code::io_error);
  EXPECT_EQ(sim_.run(file->sync_data()).code(), Code::io_error);
  EXPECT_TRUE(sim_.run(fs_.open("/a", Open::read_write)));
}

TEST_F(PowerCut, RecordsEverySync) {
  auto file = create("/a");
  ASSERT_TRUE(sim_.run(file->sync_data()));
  sync("/");
  const std::vector<SyncRecord> expected{{SyncRecord::Kind::data, "/a"},
                                         {SyncRecord::Kind::directory, "/"}};
  EXPECT_EQ(fs_.syncs(), expected);
  EXPECT_EQ(fs_.operations(), 3u);
}

TEST(Faulty, InjectsErrorsDelaysAndWrongBytes) {
  SimExecutor sim(1);
  PowerCutFileSystem inner;
  Fault fault;
  FileOp when = FileOp::list;
  std::string where;
  FaultyFileSystem fs(inner, [&](FileOp op, const std::string& path) {
    where = path;
    return op == when ? fault : Fault{};
  });
  auto file = sim.run(fs.open("/a", Open::create_new));
  ASSERT_TRUE(file);
  ASSERT_TRUE(sim.run((*file)->write_at(0, one("abc"))));
  EXPECT_EQ(where, "/a");

  when = FileOp::write;
  fault = {.error = Error(Code::no_space, "full")};
  EXPECT_EQ(sim.run((*file)->write_at(0, one("xyz"))).code(), Code::no_space);
  EXPECT_EQ(sim.run(fs.read_file("/a")).value(), "abc");

  fault.done_nevertheless = true;
  EXPECT_EQ(sim.run((*file)->write_at(0, one("xyz"))).code(), Code::no_space);
  EXPECT_EQ(sim.run(fs.read_file("/a")).value(), "xyz");

  when = FileOp::sync;
  fault = {.error = Error(Code::io_error, "sync")};
  EXPECT_EQ(sim.run((*file)->sync_data()).code(), Code::io_error);
  EXPECT_TRUE(inner.syncs().empty());

  when = FileOp::read;
  fault = {.flip_bit = true};
  EXPECT_EQ(sim.run(fs.read_file("/a")).value(), "yyz");

  fault = {.delay = 5s};
  const auto before = sim.now();
  EXPECT_EQ(sim.run(fs.read_file("/a")).value(), "xyz");
  EXPECT_EQ(sim.now() - before, 5s);
}

}  // namespace
}  // namespace cairn::io::testing
