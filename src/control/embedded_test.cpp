#include "control/embedded.h"

#include <gtest/gtest.h>

#include "control/format.h"
#include "io/sync.h"
#include "io/testing/faulty.h"
#include "io/testing/power_cut.h"
#include "io/testing/sim_executor.h"

namespace cairn::control {
namespace {

using io::testing::Fault;
using io::testing::FaultyFileSystem;
using io::testing::FileOp;
using io::testing::PowerCutFileSystem;
using io::testing::SimExecutor;

// Drives /d0, /d1, ... on one file system, and a store on them.
struct World {
  explicit World(std::size_t count, std::uint64_t seed = 1) : executor(seed) {
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_TRUE(executor.run(disk.make_directory(drive(i))));
      paths.push_back(drive(i) + "/control");
    }
    EXPECT_TRUE(executor.run(disk.sync_directory("/")));
  }
  ~World() {
    close();
    executor.run_until_idle();
  }
  static std::string drive(std::size_t i) { return "/d" + std::to_string(i); }

  Result<void> open(std::vector<std::size_t> missing = {}, Loss loss = Loss::none) {
    close();
    auto list = paths;
    for (const auto i : missing) list[i].clear();
    auto opened = executor.run(open_embedded(files, std::move(list), loss));
    if (!opened) return Error{opened.error()};
    store = std::move(*opened);
    return {};
  }
  void close() {
    if (store) executor.run(store->stop());
    store.reset();
  }
  Result<std::uint64_t> put(std::string key, std::string value) {
    return executor.run(store->commit({}, {{std::move(key), std::move(value)}}));
  }
  std::string get(std::string key) {
    const auto entry = executor.run(store->get(std::move(key)));
    return entry && *entry ? (*entry)->value : "(absent)";
  }
  std::string read(const std::string& path) { return *executor.run(disk.read_file(path)); }
  std::string log_of(std::size_t i) {
    for (const auto& entry : *executor.run(disk.list(paths[i])))
      if (format::is_log_name(entry.name)) return paths[i] + "/" + entry.name;
    return "";
  }
  void wipe(std::size_t i) {
    for (const auto& entry : *executor.run(disk.list(paths[i])))
      EXPECT_TRUE(executor.run(disk.remove(paths[i] + "/" + entry.name)));
  }
  bool in_use(std::size_t i) const { return store->status().directories[i].in_use; }

  SimExecutor executor;
  PowerCutFileSystem disk;
  std::function<Fault(FileOp, const std::string&)> inject = [](FileOp, const std::string&) {
    return Fault{};
  };
  FaultyFileSystem files{disk,
                         [this](FileOp op, const std::string& path) { return inject(op, path); }};
  std::vector<std::string> paths;
  std::unique_ptr<Embedded> store;
};

// Fails writes and syncs below the given drives.
auto failing(std::set<std::size_t> drives, Code code, std::set<FileOp> ops = {FileOp::write}) {
  return [=](FileOp op, const std::string& path) {
    Fault fault;
    for (const auto i : drives)
      if (ops.contains(op) && path.starts_with(World::drive(i) + "/"))
        fault.error = Error{code, "injected"};
    return fault;
  };
}

TEST(Embedded, KeepsWhatWasCommitted) {
  World w(3);
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.store->status().epoch, 1u);
  EXPECT_EQ(*w.put("a", "1"), 1u);
  EXPECT_EQ(*w.put("a/b", "2"), 2u);
  EXPECT_EQ(*w.put("b", "3"), 3u);
  EXPECT_EQ(*w.executor.run(w.store->commit({}, {{"b", std::nullopt}})), 4u);
  for (int reopened = 0; reopened < 3; ++reopened) {
    EXPECT_EQ(w.get("a"), "1");
    EXPECT_EQ(w.get("b"), "(absent)");
    const auto list = *w.executor.run(w.store->list("a"));
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[1].key, "a/b");
    EXPECT_EQ(list[1].mod_revision, 2u);
    EXPECT_EQ(w.store->status().revision, 4u);
    EXPECT_TRUE(w.store->status().writable);
    ASSERT_TRUE(w.open());
    EXPECT_EQ(w.store->status().epoch, static_cast<std::uint64_t>(reopened) + 2);
  }
}

TEST(Embedded, ComparesAndSwaps) {
  World w(1);
  ASSERT_TRUE(w.open());
  const auto commit = [&](std::vector<Condition> c, std::vector<Change> d) {
    return w.executor.run(w.store->commit(std::move(c), std::move(d)));
  };
  EXPECT_EQ(*commit({{"a", 0}}, {{"a", "1"}, {"b", "1"}}), 1u);
  EXPECT_EQ(commit({{"a", 0}}, {{"a", "2"}}).code(), Code::conflict);
  EXPECT_EQ(commit({{"a", 1}, {"b", 7}}, {{"a", "2"}}).code(), Code::conflict);
  EXPECT_EQ(w.get("a"), "1");
  EXPECT_EQ(*commit({{"a", 1}, {"b", 1}}, {{"a", "2"}, {"b", std::nullopt}}), 2u);
  EXPECT_EQ(*commit({{"a", 2}, {"b", 0}}, {}), 2u);
  EXPECT_EQ(commit({{"a", 1}}, {}).code(), Code::conflict);
  EXPECT_EQ(commit({}, {{"big", std::string(5u << 20, 'x')}}).code(), Code::invalid_argument);
}

TEST(Embedded, ManyAtOnceAreOneAfterTheOther) {
  World w(3);
  ASSERT_TRUE(w.open());
  struct Run {
    // Increments a counter by compare-and-swap until it succeeds.
    static io::Task<bool> increment(Embedded* store) {
      for (;;) {
        const auto entry = co_await store->get("counter");
        const std::uint64_t revision = *entry ? (*entry)->mod_revision : 0;
        const int value = *entry ? std::stoi((*entry)->value) : 0;
        std::vector<Condition> conditions{{"counter", revision}};
        std::vector<Change> changes{{"counter", std::to_string(value + 1)}};
        const auto done = co_await store->commit(std::move(conditions), std::move(changes));
        if (done) co_return true;
        if (done.code() != Code::conflict) co_return false;
      }
    }
  };
  std::vector<io::Task<bool>> tasks;
  for (int i = 0; i < 40; ++i) tasks.push_back(Run::increment(w.store.get()));
  const auto syncs_before = w.disk.syncs().size();
  for (const bool ok : w.executor.run(io::when_all(std::move(tasks)))) EXPECT_TRUE(ok);
  EXPECT_EQ(w.get("counter"), "40");
  EXPECT_LE(w.disk.syncs().size() - syncs_before, 3u * 41u);
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.get("counter"), "40");
}

TEST(Embedded, ConcurrentCommitsShareASync) {
  World w(1);
  ASSERT_TRUE(w.open());
  struct Run {
    static io::Task<bool> put(Embedded* store, int i) {
      std::vector<Change> changes{{"k" + std::to_string(i), "v"}};
      co_return (co_await store->commit({}, std::move(changes))).has_value();
    }
  };
  std::vector<io::Task<bool>> tasks;
  for (int i = 0; i < 200; ++i) tasks.push_back(Run::put(w.store.get(), i));
  const auto before = w.disk.syncs().size();
  for (const bool ok : w.executor.run(io::when_all(std::move(tasks)))) EXPECT_TRUE(ok);
  EXPECT_LT(w.disk.syncs().size() - before, 150u);
  EXPECT_EQ(w.store->status().revision, 200u);
}

TEST(Embedded, WatchesInOrderUntilTheHandleGoes) {
  World w(3);
  ASSERT_TRUE(w.open());
  (void)w.put("bucket/before", "x");
  std::vector<std::string> seen;
  auto watch =
      w.store->watch("bucket/", [&](const std::string& key, const std::optional<Entry>& entry) {
        seen.push_back(key + (entry ? "=" + entry->value + "@" + std::to_string(entry->mod_revision)
                                    : " gone"));
      });
  (void)w.put("bucket/a", "1");
  (void)w.put("other", "1");
  (void)w.executor.run(w.store->commit({}, {{"bucket/a", std::nullopt}, {"bucket/b", "2"}}));
  (void)w.executor.run(w.store->commit({{"bucket/b", 0}}, {{"bucket/b", "never"}}));
  EXPECT_EQ(seen, (std::vector<std::string>{"bucket/a=1@2", "bucket/a gone", "bucket/b=2@4"}));
  watch.reset();
  (void)w.put("bucket/c", "1");
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Embedded, AWatchMayDestroyItselfAndMakeOthers) {
  World w(1);
  ASSERT_TRUE(w.open());
  std::unique_ptr<Store::Watch> first, second;
  int first_calls = 0, second_calls = 0;
  first = w.store->watch("", [&](const std::string&, const std::optional<Entry>&) {
    ++first_calls;
    second = w.store->watch(
        "", [&](const std::string&, const std::optional<Entry>&) { ++second_calls; });
    first.reset();
  });
  (void)w.put("a", "1");
  (void)w.put("b", "1");
  EXPECT_EQ(first_calls, 1);
  EXPECT_EQ(second_calls, 1);  // what came after it was made
}

TEST(Embedded, AMinorityMayBeMissingOrFail) {
  World w(5);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("a", "1"));
  ASSERT_TRUE(w.open({0, 3}));
  ASSERT_TRUE(w.put("b", "2"));
  EXPECT_FALSE(w.in_use(0));
  EXPECT_FALSE(w.open({0, 1, 2}));
  EXPECT_EQ(w.open({0, 1, 2}).code(), Code::unavailable);
  // The two that were behind, and one that was not.
  ASSERT_TRUE(w.open({1, 2}));
  EXPECT_EQ(w.get("a"), "1");
  EXPECT_EQ(w.get("b"), "2");
  ASSERT_TRUE(w.open());
  w.inject = failing({3, 4}, Code::io_error);
  ASSERT_TRUE(w.put("c", "3"));
  EXPECT_FALSE(w.in_use(3));
  EXPECT_TRUE(w.store->status().writable);
  w.inject = failing({}, Code::io_error);
  ASSERT_TRUE(w.open({0, 1}));  // 2 alone has it
  EXPECT_EQ(w.get("c"), "3");
}

TEST(Embedded, HalfIsNoMajority) {
  for (const std::size_t count : {2u, 4u}) {
    World w(count);
    ASSERT_TRUE(w.open());
    ASSERT_TRUE(w.put("a", "1"));
    std::set<std::size_t> half;
    for (std::size_t i = 0; i < count / 2; ++i) half.insert(i);
    EXPECT_EQ(w.open({half.begin(), half.end()}).code(), Code::unavailable);
    ASSERT_TRUE(w.open());
    w.inject = failing(half, Code::io_error);
    EXPECT_EQ(w.put("b", "2").code(), Code::unavailable);
  }
}

TEST(Embedded, ALongerLogOfAnOlderEpochLoses) {
  World w(3);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("a", "1"));
  // Three commits reach drive 0 alone; nobody is told that they happened.
  w.inject = failing({1, 2}, Code::io_error);
  struct Run {
    static io::Task<bool> put(Embedded* store, std::string key) {
      std::vector<Change> changes{{key, "unacknowledged"}};
      co_return (co_await store->commit({}, std::move(changes))).has_value();
    }
  };
  std::vector<io::Task<bool>> tasks;
  for (const auto* key : {"x", "y", "z"}) tasks.push_back(Run::put(w.store.get(), key));
  for (const bool ok : w.executor.run(io::when_all(std::move(tasks)))) EXPECT_FALSE(ok);
  w.inject = failing({}, Code::io_error);
  ASSERT_TRUE(w.open({0}));
  EXPECT_EQ(w.get("x"), "(absent)");
  EXPECT_EQ(*w.put("b", "2"), 2u);
  ASSERT_TRUE(w.open({1}));
  EXPECT_EQ(w.get("b"), "2");
  EXPECT_EQ(w.get("x"), "(absent)");
}

TEST(Embedded, NoSnapshotOfAnEpochThatNoMajorityPromised) {
  World w(3);
  ASSERT_TRUE(w.open());
  w.close();
  w.inject = [](FileOp op, const std::string& path) {
    Fault fault;
    if (op == FileOp::rename && path.find("epoch") != path.npos && !path.starts_with("/d0"))
      fault.error = Error{Code::io_error, "injected"};
    return fault;
  };
  EXPECT_EQ(w.open().code(), Code::unavailable);
  EXPECT_EQ(*format::decode_promise(w.read("/d0/control/epoch")), 2u);
  EXPECT_EQ(format::decode_snapshot(w.read("/d0/control/snapshot"))->epoch, 1u);
  w.inject = failing({}, Code::io_error);
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.store->status().epoch, 3u);
}

TEST(Embedded, WithoutAMajorityNothingIsAcknowledgedAndReadsGoOn) {
  World w(3);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("a", "1"));
  w.inject = failing({0, 1}, Code::io_error);
  EXPECT_EQ(w.put("b", "2").code(), Code::unavailable);
  EXPECT_FALSE(w.store->status().writable);
  EXPECT_EQ(w.get("a"), "1");
  EXPECT_EQ(w.get("b"), "(absent)");
  w.inject = failing({}, Code::io_error);
  w.executor.run_for(std::chrono::seconds(5));
  // Drives that failed are not tried again by themselves.
  EXPECT_EQ(w.put("c", "3").code(), Code::unavailable);
  ASSERT_TRUE(w.executor.run(w.store->attach(0, w.paths[0])));
  ASSERT_TRUE(w.put("c", "3"));
  EXPECT_TRUE(w.store->status().writable);
  // "b" may or may not be there, but for good.
  const auto b = w.get("b");
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.get("b"), b);
  EXPECT_EQ(w.get("c"), "3");
}

TEST(Embedded, FullDisksRecoverWhenThereIsRoom) {
  World w(3);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("a", "1"));
  std::vector<std::string> seen;
  const auto watch = w.store->watch(
      "", [&](const std::string& key, const std::optional<Entry>&) { seen.push_back(key); });
  w.inject = failing({0, 1, 2}, Code::no_space);
  EXPECT_EQ(w.put("b", "2").code(), Code::no_space);
  EXPECT_FALSE(w.put("b", "2"));
  EXPECT_EQ(w.get("a"), "1");
  w.inject = failing({}, Code::no_space);
  w.executor.run_for(std::chrono::seconds(2));
  ASSERT_TRUE(w.put("c", "3"));
  EXPECT_EQ(w.store->status().epoch, 2u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(w.in_use(i));
  EXPECT_EQ(seen.back(), "c");
  ASSERT_TRUE(w.open({1}));
  EXPECT_EQ(w.get("a"), "1");
  EXPECT_EQ(w.get("c"), "3");
}

TEST(Embedded, WhatSurfacesAfterDoubtIsToldToWatchers) {
  World w(1);
  ASSERT_TRUE(w.open());
  std::vector<std::string> seen;
  const auto watch = w.store->watch(
      "", [&](const std::string& key, const std::optional<Entry>&) { seen.push_back(key); });
  // The bytes arrive, the answer says that the disk is full.
  w.inject = [](FileOp op, const std::string& path) {
    Fault fault;
    if (op == FileOp::write && path.find("/log-") != path.npos) {
      fault.error = Error{Code::no_space, "injected"};
      fault.done_nevertheless = true;
    }
    return fault;
  };
  EXPECT_FALSE(w.put("b", "2"));
  EXPECT_TRUE(seen.empty());
  w.inject = failing({}, Code::io_error);
  ASSERT_TRUE(w.put("c", "3"));
  EXPECT_EQ(seen, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(w.get("b"), "2");
}

TEST(Embedded, AFailedSyncEndsTheDirectory) {
  World w(1);
  ASSERT_TRUE(w.open());
  w.inject = failing({0}, Code::no_space, {FileOp::sync});
  EXPECT_FALSE(w.put("a", "1"));
  w.inject = failing({}, Code::no_space);
  w.executor.run_for(std::chrono::seconds(5));
  EXPECT_EQ(w.put("b", "1").code(), Code::unavailable);
}

// rm -rf of a drive's directory leaves the open log behind.
TEST(Embedded, ADirectoryThatWasDeletedDoesNotCount) {
  World w(3);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("a", "1"));
  w.wipe(1);
  ASSERT_TRUE(w.put("b", "1"));
  EXPECT_FALSE(w.in_use(1));
  w.wipe(2);
  EXPECT_FALSE(w.put("c", "1")) << "acknowledged on one of three";
}

TEST(Embedded, AHungDriveIsDroppedAndDoesNotHoldTheOthersUp) {
  World w(3);
  ASSERT_TRUE(w.open());
  w.inject = [](FileOp op, const std::string& path) {
    Fault fault;
    if (op == FileOp::sync && path.starts_with("/d1/")) fault.delay = std::chrono::minutes(5);
    return fault;
  };
  const auto before = w.executor.now();
  ASSERT_TRUE(w.put("a", "1"));
  EXPECT_LT(w.executor.now() - before, std::chrono::seconds(3));
  EXPECT_FALSE(w.in_use(1));
  w.inject = failing({}, Code::io_error);
  // While its operation is under way, nobody else writes there.
  EXPECT_EQ(w.executor.run(w.store->attach(1, w.paths[1])).code(), Code::unavailable);
  w.executor.run_for(std::chrono::minutes(6));
  ASSERT_TRUE(w.executor.run(w.store->attach(1, w.paths[1])));
  EXPECT_TRUE(w.in_use(1));
}

TEST(Embedded, AReplacedDriveIsBroughtUpToDate) {
  World w(3);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("a", "1"));
  w.inject = failing({2}, Code::io_error);
  ASSERT_TRUE(w.put("b", "2"));
  w.inject = failing({}, Code::io_error);
  w.wipe(2);
  ASSERT_TRUE(w.executor.run(w.store->attach(2, w.paths[2])));
  EXPECT_TRUE(w.in_use(2));
  ASSERT_TRUE(w.put("c", "3"));
  ASSERT_TRUE(w.open({0}));  // with the replacement's word
  EXPECT_EQ(w.get("a") + w.get("b") + w.get("c"), "123");
}

TEST(Embedded, AnEmptyDirectoryHasNoSay) {
  World w(3);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("a", "1"));
  w.close();
  w.wipe(0);
  // Drive 1 alone cannot know whether it has everything; the empty one does not help.
  EXPECT_EQ(w.open({2}).code(), Code::unavailable);
  EXPECT_NE(w.open({2}).error().message.find("drive 0: it is empty"), std::string::npos);
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.get("a"), "1");
  ASSERT_TRUE(w.open({1}));
  EXPECT_EQ(w.get("a"), "1");
}

TEST(Embedded, OneOfTwoGoesOnOnlyOnAnOperatorsWord) {
  World w(2);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("a", "1"));
  w.close();
  const auto old_snapshot = w.read("/d1/control/snapshot");
  const auto old_epoch = w.read("/d1/control/epoch");
  const auto old_log_name = w.log_of(1);
  const auto old_log = w.read(old_log_name);
  w.wipe(1);
  EXPECT_EQ(w.open().code(), Code::unavailable);
  EXPECT_EQ(w.open({1}, Loss::one_for_good).code(), Code::unavailable)
      << "without one in its place nothing could be written";
  ASSERT_TRUE(w.open({}, Loss::one_for_good));
  EXPECT_EQ(w.get("a"), "1");
  EXPECT_TRUE(w.in_use(1));
  ASSERT_TRUE(w.put("b", "2"));
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.get("b"), "2");
  w.close();
  // The lost one is back, in the place of its successor: it has no say against the newer epoch.
  w.wipe(1);
  ASSERT_TRUE(w.executor.run(w.disk.replace_file("/d1/control/epoch", old_epoch)));
  ASSERT_TRUE(w.executor.run(w.disk.replace_file("/d1/control/snapshot", old_snapshot)));
  ASSERT_TRUE(w.executor.run(w.disk.replace_file(old_log_name, old_log)));
  EXPECT_EQ(w.open({0}).code(), Code::unavailable);
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.get("b"), "2");
}

TEST(Embedded, AnOperatorsWordStandsForOneDirectoryOnly) {
  World three(3);
  ASSERT_TRUE(three.open());
  ASSERT_TRUE(three.put("a", "1"));
  three.close();
  three.wipe(1);
  // What was acknowledged may have been on the two that are gone.
  EXPECT_EQ(three.open({2}, Loss::one_for_good).code(), Code::unavailable);
  World four(4);
  ASSERT_TRUE(four.open());
  four.inject = failing({0}, Code::io_error);
  ASSERT_TRUE(four.put("a", "1"));
  four.inject = failing({}, Code::io_error);
  four.close();
  four.wipe(2);
  EXPECT_EQ(four.open({3}).code(), Code::unavailable);
  ASSERT_TRUE(four.open({3}, Loss::one_for_good));
  EXPECT_EQ(four.get("a"), "1") << "of two that are left, one has what three acknowledged";
  four.close();
  four.wipe(1);
  ASSERT_TRUE(four.open({3}, Loss::one_for_good)) << "0 and 2 have it now";
  four.close();
  four.wipe(1);
  four.wipe(0);
  EXPECT_EQ(four.open({3}, Loss::one_for_good).code(), Code::unavailable);
}

TEST(Embedded, AWordOnALostDirectoryIsTakenWhileItRuns) {
  World w(2);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("a", "1"));
  w.inject = failing({1}, Code::io_error);
  EXPECT_FALSE(w.put("b", "2"));
  w.inject = failing({}, Code::io_error);
  w.wipe(1);
  EXPECT_EQ(w.executor.run(w.store->attach(1, w.paths[1])).code(), Code::unavailable);
  w.executor.run_for(std::chrono::seconds(5));
  ASSERT_TRUE(w.executor.run(w.store->attach(1, w.paths[1], Loss::one_for_good)));
  EXPECT_TRUE(w.store->status().writable);
  EXPECT_EQ(w.get("a"), "1");
  ASSERT_TRUE(w.put("c", "3"));
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.get("a") + w.get("c"), "13");
}

TEST(Embedded, ANewStoreNeedsAllDirectories) {
  World w(3);
  EXPECT_EQ(w.open({1}).code(), Code::unavailable);
  EXPECT_TRUE(w.open());
  World none(1);
  EXPECT_EQ(none.executor.run(open_embedded(none.files, {})).code(), Code::invalid_argument);
}

TEST(Embedded, FoldsALongLogIntoASnapshot) {
  World w(3);
  ASSERT_TRUE(w.open());
  const auto first_log = w.log_of(0);
  for (int i = 0; i < 30; ++i)
    ASSERT_TRUE(w.put("k" + std::to_string(i % 7), std::string(100'000, 'a' + i % 26)));
  EXPECT_NE(w.log_of(0), first_log);
  EXPECT_LT(w.read(w.log_of(1)).size(), 1'200'000u);
  ASSERT_TRUE(w.open({1}));
  EXPECT_EQ(w.get("k1"), std::string(100'000, 'a' + 29 % 26));
  EXPECT_EQ(w.store->status().revision, 30u);
}

TEST(Embedded, TornAtAnyByteOfTheLastRecord) {
  World w(1);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("first", "1"));
  const auto before = w.read(w.log_of(0)).size();
  ASSERT_TRUE(w.put("last", "2"));
  w.close();
  const auto log = w.log_of(0);
  const auto whole = w.read(log);
  const auto snapshot = w.read("/d0/control/snapshot");
  for (std::size_t n = before; n <= whole.size(); ++n)
    for (const bool zeros : {false, true}) {
      w.wipe(0);
      // A tail of zeros: the size was extended, the bytes did not arrive.
      const auto cut = whole.substr(0, n) + (zeros ? std::string(whole.size() - n, '\0') : "");
      ASSERT_TRUE(
          w.executor.run(w.disk.replace_file("/d0/control/epoch", format::encode_promise(1))));
      ASSERT_TRUE(w.executor.run(w.disk.replace_file("/d0/control/snapshot", snapshot)));
      ASSERT_TRUE(w.executor.run(w.disk.replace_file(log, cut)));
      ASSERT_TRUE(w.open()) << n;
      EXPECT_EQ(w.get("first"), "1");
      EXPECT_EQ(w.get("last"), n == whole.size() ? "2" : "(absent)") << n;
      w.close();
    }
}

TEST(Embedded, DamageBelowTheLastRecordIsNotTakenForATornTail) {
  World w(1);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.put("first", "1"));
  const auto first_end = w.read(w.log_of(0)).size();
  ASSERT_TRUE(w.put("second", "2"));
  w.close();
  const auto log = w.log_of(0);
  auto bytes = w.read(log);
  bytes[first_end - 1] = static_cast<char>(bytes[first_end - 1] ^ 1);
  ASSERT_TRUE(w.executor.run(w.disk.replace_file(log, bytes)));
  EXPECT_EQ(w.open().code(), Code::unavailable);
  EXPECT_NE(w.open().error().message.find("damaged"), std::string::npos);
}

TEST(Embedded, ADamagedDirectoryOfAMinorityIsRebuilt) {
  for (const std::string name : {"epoch", "snapshot", "log"}) {
    World w(3);
    ASSERT_TRUE(w.open());
    ASSERT_TRUE(w.put("a", "1"));
    w.close();
    const auto path = name == "log" ? w.log_of(1) : "/d1/control/" + name;
    auto bytes = w.read(path);
    bytes[9] = static_cast<char>(bytes[9] ^ 0x40);
    ASSERT_TRUE(w.executor.run(w.disk.replace_file(path, bytes)));
    ASSERT_TRUE(w.open()) << name;
    EXPECT_EQ(w.get("a"), "1");
    EXPECT_FALSE(w.in_use(1)) << "what is damaged is left for an operator or a replacement";
    ASSERT_TRUE(w.executor.run(w.store->attach(1, w.paths[1])));
    ASSERT_TRUE(w.open({0}));
    EXPECT_EQ(w.get("a"), "1");
  }
}

TEST(Embedded, RefusesCommitsAfterStop) {
  World w(1);
  ASSERT_TRUE(w.open());
  w.executor.run(w.store->stop());
  EXPECT_EQ(w.put("a", "1").code(), Code::cancelled);
  w.store.reset();
}

TEST(Embedded, Leases) {
  World w(1);
  ASSERT_TRUE(w.open());
  const auto lease = *w.executor.run(w.store->grant_lease(std::chrono::seconds(10)));
  EXPECT_TRUE(w.executor.run(w.store->keep_alive(lease)));
  EXPECT_EQ(w.executor.run(w.store->keep_alive(lease + 1)).code(), Code::not_found);
}

}  // namespace
}  // namespace cairn::control
