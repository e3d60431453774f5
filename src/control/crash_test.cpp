// Power cuts between any two steps of the embedded store, over and over, with any minority of
// drives away afterwards: what was acknowledged stays, and what was once read stays too.
#include <gtest/gtest.h>

#include "control/embedded.h"
#include "io/sync.h"
#include "io/testing/power_cut.h"
#include "io/testing/sim_executor.h"

namespace cairn::control {
namespace {

using io::testing::PowerCutFileSystem;
using io::testing::SimExecutor;

class Trial {
 public:
  Trial(std::uint64_t seed, std::size_t drives)
      : random_(io::seeded_random(seed)), executor_(seed) {
    for (std::size_t i = 0; i < drives; ++i) {
      const auto drive = "/d" + std::to_string(i);
      EXPECT_TRUE(executor_.run(disk_.make_directory(drive)));
      paths_.push_back(drive + "/control");
    }
    EXPECT_TRUE(executor_.run(disk_.sync_directory("/")));
  }

  void round() {
    disk_.lose_power_after(below(120));
    auto opened = open();
    if (opened) {
      created_ = true;
      check(**opened);
      work(opened->get());
    }
    executor_.run_until_idle();
    opened = Error{Code::cancelled, "power cut"};
    if (below(4) == 0)
      disk_.power_cut_losing_all();
    else
      disk_.power_cut(*random_);
    // Undisturbed, any majority serves, and serves what was acknowledged.
    auto after = open();
    // A drive that creation had not reached when the power went counts as away, too.
    if (!after && after.error().message.find("it is empty") != std::string::npos)
      after = executor_.run(open_embedded(disk_, paths_));
    ASSERT_TRUE(after.has_value()) << after.error().message;
    created_ = true;
    check(**after);
    executor_.run((*after)->stop());
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_->next_u64() % n; }

  Result<std::unique_ptr<Embedded>> open() {
    auto paths = paths_;
    const std::size_t minority = (paths.size() - 1) / 2;
    for (std::size_t n = created_ ? below(minority + 1) : 0; n > 0; --n)
      paths[below(paths.size())].clear();
    return executor_.run(open_embedded(disk_, std::move(paths)));
  }

  // All that was acknowledged or seen is there; what is seen now must stay.
  void check(Embedded& store) {
    std::map<std::string, std::string> now;
    for (const auto& entry : *executor_.run(store.list(""))) now[entry.key] = entry.value;
    for (const auto& [key, value] : kept_) EXPECT_EQ(now[key], value) << key;
    for (const auto& [key, value] : now) EXPECT_TRUE(tried_.contains(key)) << key;
    EXPECT_GE(store.status().revision, revision_);
    EXPECT_EQ(store.status().revision, now.size());
    revision_ = store.status().revision;
    kept_ = std::move(now);
  }

  static io::Task<bool> put(Trial* trial, Embedded* store) {
    const auto key = "k" + std::to_string(trial->next_++);
    const auto value = std::string(trial->below(2'000), 'v') + key;
    trial->tried_.insert(key);
    std::vector<Condition> conditions{{key, 0}};
    std::vector<Change> changes{{key, value}};
    const auto done = co_await store->commit(std::move(conditions), std::move(changes));
    if (done) trial->kept_[key] = value;
    co_return done.has_value();
  }

  void work(Embedded* store) {
    for (bool powered = true; powered;) {
      // A drive comes back, or one that is there is brought up anew.
      if (below(8) == 0) {
        const auto index = below(paths_.size());
        (void)executor_.run(store->attach(index, paths_[index]));
      }
      std::vector<io::Task<bool>> puts;
      for (std::uint64_t n = 1 + below(5); n > 0; --n) puts.push_back(put(this, store));
      for (const bool ok : executor_.run(io::when_all(std::move(puts)))) powered = powered && ok;
    }
  }

  std::unique_ptr<io::Random> random_;
  SimExecutor executor_;
  PowerCutFileSystem disk_;
  std::vector<std::string> paths_;
  bool created_ = false;
  std::uint64_t next_ = 0;
  std::uint64_t revision_ = 0;
  std::set<std::string> tried_;
  std::map<std::string, std::string> kept_;
};

TEST(EmbeddedCrash, EveryAcknowledgedCommitSurvivesPowerCuts) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Trial trial(seed, 1 + seed % 5);
    for (int round = 0; round < 8 && !testing::Test::HasFailure(); ++round) trial.round();
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

}  // namespace
}  // namespace cairn::control
