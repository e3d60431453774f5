#include "drive/pending_journal.h"

#include <gtest/gtest.h>

#include "drive/testing/memory_index.h"
#include "io/world.h"

namespace cairn::drive {
namespace {

std::string unit_of(std::uint64_t n) {
  return model::UnitKey::object(model::BucketId{7}, "k" + std::to_string(n)).encoded();
}

Pending pending_of(Stamp stamp, std::uint64_t n) {
  Pending p;
  p.stamp = stamp;
  p.whole = true;
  p.value.bytes[15] = static_cast<std::uint8_t>(n);
  p.after.rows = n % 5;
  return p;
}

// A journal over an index in memory, the mirror that goes with it, and what both must say.
class JournalTest : public ::testing::Test {
 public:
  void SetUp() override { mount(); }
  void mount() {
    index = disk.open();
    journal = std::make_unique<PendingJournal>();
    mirror = std::make_unique<PendingMirror>();
    auto loaded = journal->load(*index->snapshot());
    ASSERT_TRUE(loaded) << loaded.error().message;
    for (const auto& [unit, pendings] : *loaded)
      mirror->publish(unit, std::make_shared<const Pendings>(pendings));
    compare(*loaded);
  }
  void add(std::uint64_t unit, Stamp stamp, std::uint64_t n = 1) {
    const Pending p = pending_of(stamp, n);
    events.push_back({unit_of(unit), stamp, encode_pending(p)});
    changed[unit_of(unit)][stamp] = p;
  }
  void take(std::uint64_t unit, Stamp stamp) {
    events.push_back({unit_of(unit), stamp, {}});
    changed[unit_of(unit)][stamp] = std::nullopt;
  }
  void write(bool sync = true) {
    auto batch = index->batch();
    journal->append(*batch, std::exchange(events, {}), *mirror);
    ASSERT_TRUE(index->write(*batch, sync));
    for (auto& [unit, stamps] : changed) {
      auto& there = model[unit];
      for (auto& [stamp, pending] : stamps) {
        there.erase(stamp);
        if (pending) there.emplace(stamp, *pending);
      }
      auto list = std::make_shared<Pendings>();
      for (const auto& [stamp, pending] : there)
        list->insert(list->begin(), std::make_shared<const Pending>(pending));
      mirror->publish(unit, list);
      if (there.empty()) model.erase(unit);
    }
    changed.clear();
    const auto loaded = load_pendings(*index->snapshot(), journal->first());
    ASSERT_TRUE(loaded);
    compare(*loaded);
  }
  void compare(const PendingUnits& found) {
    ASSERT_EQ(found.size(), model.size());
    for (const auto& [unit, stamps] : model) {
      const auto one = load_pendings(*index->snapshot(), journal ? journal->first() : 0, unit);
      ASSERT_TRUE(one);
      ASSERT_EQ(one->size(), stamps.size());
      ASSERT_EQ(found.at(unit).size(), stamps.size());
      std::size_t i = stamps.size();  // newest first
      for (const auto& [stamp, pending] : stamps) {
        --i;
        EXPECT_EQ((*one)[i]->stamp, stamp);
        EXPECT_EQ(encode_pending(*(*one)[i]), encode_pending(pending));
        EXPECT_EQ(encode_pending(*found.at(unit)[i]), encode_pending(pending));
      }
    }
  }
  std::size_t stored_rows() const {
    return disk.tables()[static_cast<std::size_t>(Family::pending)]->size();
  }

  testing::IndexDisk disk;
  std::unique_ptr<Index> index;
  std::unique_ptr<PendingJournal> journal;
  std::unique_ptr<PendingMirror> mirror;
  std::vector<PendingEvent> events;
  std::map<std::string, std::map<Stamp, std::optional<Pending>>> changed;
  std::map<std::string, std::map<Stamp, Pending>> model;
};

TEST_F(JournalTest, ABatchThatIsSettledTogetherLeavesNothing) {
  for (std::uint64_t i = 0; i < 8; ++i) add(i, {1, i + 1});
  write();
  EXPECT_EQ(stored_rows(), 1u);
  for (std::uint64_t i = 0; i < 8; ++i) take(i, {1, i + 1});
  write();
  EXPECT_EQ(stored_rows(), 0u);
}

// What is taken away stays away also when its row is kept by another unit (J2).
TEST_F(JournalTest, ARowGoesWithTheLastOfIt) {
  add(1, {1, 1});
  add(2, {1, 2});
  write();
  take(1, {1, 1});
  write();
  EXPECT_EQ(stored_rows(), 2u);
  mount();
  take(2, {1, 2});
  add(3, {1, 3});
  write();
  EXPECT_EQ(stored_rows(), 1u);
  mount();
  EXPECT_EQ(model.size(), 1u);
}

// J3.
TEST_F(JournalTest, OneThatStaysDoesNotKeepAllThatFollows) {
  add(1, {1, 1}, 42);
  write();
  for (std::uint64_t i = 2; i < 500; ++i) {
    add(i, {1, i});
    write();
    take(i, {1, i});
    write();
  }
  EXPECT_LE(journal->rows(), PendingJournal::kMostRows + 1);
  EXPECT_LE(stored_rows(), PendingJournal::kMostRows + 1);
  mount();
  EXPECT_EQ(model.size(), 1u);
}

TEST_F(JournalTest, AgainstAModelOverCrashes) {
  const auto random = io::seeded_random(11);
  const auto below = [&](std::uint64_t n) { return random->next_u64() % n; };
  std::uint64_t sequence = 0;
  for (int round = 0; round < 3000; ++round) {
    std::set<std::string> used;
    for (auto n = below(6); n > 0; --n) {
      const auto unit = below(40);
      if (!used.insert(unit_of(unit)).second) continue;
      const auto there = model.find(unit_of(unit));
      if (there != model.end() && below(3) > 0) {
        auto at = there->second.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(below(there->second.size())));
        const Stamp stamp = at->first;
        take(unit, stamp);
        if (below(4) == 0) add(unit, stamp, below(200));  // stored anew, as a settle may
      } else {
        add(unit, {1, ++sequence}, below(200));
      }
    }
    write(true);
    if (HasFatalFailure()) return;
    if (below(50) == 0) {
      disk.crash_losing_all();
      mount();
    }
  }
}

TEST(JournalRow, EveryCutIsAnErrorOrTheEventsBefore) {
  const std::vector<PendingEvent> events{
      {unit_of(1), {1, 2}, encode_pending(pending_of({1, 2}, 3))}, {unit_of(2), {1, 3}, {}}};
  const std::string row = encode_journal_row(events);
  std::size_t most = 0;
  for (std::size_t cut = 0; cut <= row.size(); ++cut) {
    std::size_t seen = 0;
    const auto decoded = decode_journal_row(std::string_view(row).substr(0, cut),
                                            [&](const JournalEvent& event) -> Result<void> {
                                              EXPECT_EQ(event.unit, events[seen].unit);
                                              EXPECT_EQ(event.stamp, events[seen].stamp);
                                              EXPECT_EQ(event.adds, !events[seen].added.empty());
                                              ++seen;
                                              return {};
                                            });
    const bool between = cut == 1 || cut == row.size() - (1 + 4 + unit_of(2).size() + 16);
    EXPECT_EQ(decoded.has_value(), between || cut == row.size()) << cut;
    most = std::max(most, seen);
  }
  EXPECT_EQ(most, 2u);
}

}  // namespace
}  // namespace cairn::drive
