// Random writes, reads, listings, lost messages, drives that leave and return, and restarts, from a
// seed, over drives in memory: what was acknowledged is read, what failed may surface until
// something later is acknowledged, nothing else is ever seen. One client, one key after the other:
// histories of many clients are the simulation's.
#include <gtest/gtest.h>

#include <random>

#include "store/testing/cluster.h"

namespace cairn::store {
namespace {

using testing::Cluster;
using namespace std::chrono_literals;

struct History {
  std::string current = "not_found";
  std::set<std::string> open{};  // failed since the last acknowledged write: may surface, or never
  void acknowledged(std::string value) {
    current = std::move(value);
    open.clear();
  }
  bool saw(const std::string& value) {
    if (value == current) return true;
    if (!open.contains(value)) return false;
    current = value;
    return true;
  }
};

class Walk {
 public:
  Walk(model::ErasureProfile profile, unsigned seed) : c_(profile), random_(seed), seed_(seed) {}

  void go(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      const std::string key = "k" + std::to_string(below(3));
      switch (below(12)) {
        case 0:
        case 1:
        case 2:
        case 3:
          put(key, i);
          break;
        case 4:
          remove(key);
          break;
        case 5:
          lose();
          break;
        case 6:
          c_.rest(std::chrono::milliseconds(below(3000)));
          break;
        case 7:
          if (below(4) == 0) restart();
          break;
        case 8:
          list();
          break;
        case 9:
          if (below(3) == 0) leave_or_return();
          break;
        default:
          read(key);
      }
    }
    settle_down();
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  std::string where(int step) const {
    return "seed " + std::to_string(seed_) + " step " + std::to_string(step);
  }

  void put(const std::string& key, int i) {
    History& h = histories_[key];
    const std::string etag = "v" + std::to_string(i);
    auto staged = c_.try_put_inline(key, etag, "data of " + etag);
    if (!staged) return;
    Commit& commit = *staged;
    const unsigned kind = below(3);
    if (kind == 1) commit.precondition.if_none_match = "*";
    if (kind == 2 && h.current != "not_found") commit.precondition.if_match = h.current;
    const auto done = c_.commit(commit);
    if (done) {
      // A conditional write that went through says what was there before.
      if (kind == 1) EXPECT_TRUE(h.saw("not_found")) << where(i);
      h.acknowledged(etag);
    } else if (done.code() == Code::precondition_failed) {
      if (kind == 1) EXPECT_TRUE(h.current != "not_found" || !h.open.empty()) << where(i);
      if (kind == 2) EXPECT_FALSE(h.open.empty()) << where(i);
    } else if (done.code() == Code::no_such_key) {
      EXPECT_TRUE(h.saw("not_found")) << where(i);
    } else {
      h.open.insert(etag);
    }
  }
  void remove(const std::string& key) {
    Commit commit{Cluster::unit(key), c_.value(), RemoveVersion{}, {}, {}};
    const auto done = c_.commit(commit);
    if (done && done->wrote) {
      histories_[key].acknowledged("not_found");
    } else if (done) {
      // Nothing was there, which is an answer and no write: what failed before may still surface.
      EXPECT_TRUE(histories_[key].saw("not_found")) << "seed " << seed_;
    } else {
      histories_[key].open.insert("not_found");
    }
  }
  void read(const std::string& key) {
    Selector selector;
    selector.want_inline = true;
    auto found = c_.find(key, selector);
    if (!found && found.code() != Code::not_found) return;  // unavailable, undecided: says nothing
    const std::string seen = found ? found->record.etag : "not_found";
    EXPECT_TRUE(histories_[key].saw(seen)) << "seed " << seed_ << " saw " << seen << " of " << key;
    if (!found) return;
    const auto size = found->record.size;
    const auto body = c_.executor.run(
        Cluster::read_task(c_.store.get(), Cluster::unit(key), std::move(*found), size));
    if (body) EXPECT_EQ(*body, "data of " + seen) << "seed " << seed_;
  }
  void list() {
    ScanRequest request;
    request.begin = model::range_begin(model::UnitKind::object, model::BucketId{1}, "");
    request.end = model::range_end(model::UnitKind::object, model::BucketId{1}, "");
    const auto page = c_.executor.run(c_.store->scan(request));
    if (!page) return;
    std::map<std::string, std::string> seen;
    for (const auto& unit : page->units) {
      seen[unit.unit().object_key()] = model::decode_record(unit.rows().front().record)->etag;
    }
    for (auto& [key, history] : histories_) {
      const auto it = seen.find(key);
      const std::string value = it == seen.end() ? "not_found" : it->second;
      EXPECT_TRUE(history.saw(value)) << "seed " << seed_ << " listed " << value << " of " << key;
    }
  }
  void lose() {
    auto& faults = c_.drives[below(static_cast<unsigned>(c_.drives.size()))]->faults;
    if (below(2) == 0) {
      faults.lose_mutates = 1 + below(2);
    } else {
      faults.lose_acks = 1 + below(2);
    }
    faults.lose_settles = below(2) == 0;
  }
  void leave_or_return() {
    if (away_) {
      c_.drives[*away_] = std::make_shared<testing::MemoryDrive>(c_.disks[*away_]);
      EXPECT_TRUE(c_.executor.run(c_.store->attach(*away_, c_.drives[*away_])));
      away_.reset();
    } else {
      away_ = below(static_cast<unsigned>(c_.drives.size()));
      c_.drives[*away_]->faults.out_of_service = true;
    }
  }
  void restart() {
    c_.stop();
    std::set<std::size_t> missing;
    if (away_) missing.insert(*away_);
    const auto started = c_.try_start(missing);
    if (started) return;
    EXPECT_TRUE(away_) << started.error().message;
    away_.reset();
    c_.start();
  }
  // All drives are there and nothing is lost any more: everything is decided, whole and readable.
  void settle_down() {
    if (away_) leave_or_return();
    for (auto& drive : c_.drives) drive->faults = {};
    c_.rest(3min);
    for (auto& [key, history] : histories_) {
      // A reader that found a shard missing may still be putting it aside: then it is repaired
      // again.
      Result<bool> whole = false;
      for (int i = 0; i < 3 && whole && !*whole; ++i) {
        whole = c_.executor.run(c_.store->repair(Cluster::unit(key)));
        c_.rest(1s);
      }
      ASSERT_TRUE(whole) << "seed " << seed_ << " " << whole.error().message;
      EXPECT_TRUE(*whole) << "seed " << seed_ << c_.describe(key);
      read(key);
      const std::string seen = c_.etag(key);
      EXPECT_TRUE(history.saw(seen)) << "seed " << seed_ << " ended with " << seen << " of " << key;
    }
    list();
  }

  Cluster c_;
  std::mt19937_64 random_;
  unsigned seed_;
  std::map<std::string, History> histories_{};
  std::optional<std::size_t> away_{};
};

class Random : public ::testing::TestWithParam<model::ErasureProfile> {};

TEST_P(Random, SeesOnlyWhatItMay) {
  for (unsigned seed = 1; seed <= 25 && !HasFailure(); ++seed) Walk(GetParam(), seed).go(150);
}

INSTANTIATE_TEST_SUITE_P(Profiles, Random,
                         ::testing::Values(model::ErasureProfile{1, 0}, model::ErasureProfile{1, 1},
                                           model::ErasureProfile{1, 2}, model::ErasureProfile{2, 1},
                                           model::ErasureProfile{2, 2}, model::ErasureProfile{3, 2},
                                           model::ErasureProfile{4, 2}));

}  // namespace
}  // namespace cairn::store
