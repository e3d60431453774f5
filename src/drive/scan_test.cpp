// What a drive lists: scans of its units, those with pendings, the repair queue.
#include <gmock/gmock.h>

#include <random>

#include "drive/testing/drive_fixture.h"

namespace cairn::drive {
namespace {

using testing::make_row;
using testing::rows_of;
using testing::unit_of;

using ScanTest = testing::DriveFixture;

TEST_F(ScanTest, ScansInPagesUntilNothingFollows) {
  std::vector<std::string> names;
  for (int i = 0; i < 25; ++i) {
    names.push_back("k" + std::string(1, static_cast<char>('a' + i)));
    const auto unit = unit_of(names.back());
    const Stamp s = settled_put(unit);
    if (i % 3 == 0) {
      const Stamp t = next();
      accept(change(unit, t, {version(t)}, {}, s));
    }
    if (i % 5 == 0) {
      const Stamp t = next();
      accept(whole(unit, t, {}));
    }
  }
  ScanRequest request;
  request.drive = id;
  request.begin = model::range_begin(model::UnitKind::object, model::BucketId{7}, "");
  request.end = model::range_end(model::UnitKind::object, model::BucketId{7}, "");
  request.max_units = 4;
  std::vector<std::string> seen;
  for (int page = 0; page < 20; ++page) {
    auto reply = executor.run(drive->scan(request));
    ASSERT_TRUE(reply);
    for (const auto unit : reply->units) {
      seen.push_back(unit.unit().object_key());
      const ReadReply direct = read(unit.unit(), Select::latest);
      EXPECT_EQ(unit.head(), direct.head);
      EXPECT_EQ(unit.settled(), direct.settled);
      EXPECT_EQ(rows_of(unit), direct.rows);
    }
    if (reply->exhausted) break;
    ASSERT_FALSE(reply->resume.empty());
    request.begin = reply->resume;
  }
  EXPECT_EQ(seen, names);
}

TEST_F(ScanTest, AScanOfAllRowsNeverCutsAUnit) {
  Stamp base = next();
  accept(whole(a, base, {version(base)}));
  for (int i = 0; i < 20; ++i) {
    const Stamp s = next();
    accept(change(a, s, {version(s)}, {}, base));
    base = s;
  }
  settled_put(unit_of("b"));
  ScanRequest request;
  request.drive = id;
  request.all_rows = true;
  request.max_rows = 5;
  auto reply = executor.run(drive->scan(request));
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->units.size(), 1u);
  EXPECT_EQ(reply->units.front().rows().size(), 21u);
  EXPECT_FALSE(reply->exhausted);
  request.begin = reply->resume;
  reply = executor.run(drive->scan(request));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->exhausted);
  ASSERT_EQ(reply->units.size(), 1u);
  EXPECT_EQ(reply->units.front().unit(), unit_of("b"));
  // And one that wants the newest only passes the others over.
  request = ScanRequest{};
  request.drive = id;
  reply = executor.run(drive->scan(request));
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->units.size(), 2u);
  EXPECT_EQ(reply->units.front().rows().size(), 1u);
}

TEST_F(ScanTest, AScanFromJustBehindAUnitLeavesItOut) {
  settled_put(a);
  const Stamp s = next();
  accept(whole(unit_of("b"), s, {make_row(s, s)}));
  settled_put(unit_of("c"));
  for (const char* before : {"a", "b"}) {
    ScanRequest request;
    request.drive = id;
    request.begin = unit_of(before).encoded() + std::string(1, '\0');
    auto reply = executor.run(drive->scan(request));
    ASSERT_TRUE(reply);
    ASSERT_FALSE(reply->units.empty());
    EXPECT_EQ(reply->units.front().unit().object_key()[0], before[0] + 1);
  }
}

TEST_F(ScanTest, AScanThatEndsJustBehindAUnitHasAllRowsOfIt) {
  for (const char* key : {"a", "b", "c"}) settled_put(unit_of(key));
  for (const bool all_rows : {false, true}) {
    ScanRequest request;
    request.drive = id;
    request.begin = unit_of("b").encoded();
    request.end = unit_of("b").encoded() + std::string(1, '\0');
    request.all_rows = all_rows;
    auto reply = executor.run(drive->scan(request));
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->exhausted);
    ASSERT_EQ(reply->units.size(), 1u);
    EXPECT_EQ(reply->units.front().unit(), unit_of("b"));
    EXPECT_EQ(reply->units.front().rows().size(), 1u);
  }
}

// What a scan by groups has to answer, from one without.
std::vector<std::string> grouped(const std::vector<std::pair<std::string, bool>>& units,
                                 const ScanRequest::Groups& groups) {
  std::vector<std::string> out;
  std::string passed;
  for (const auto& [unit, shown] : units) {
    if (unit < passed) continue;
    out.push_back(unit);
    if (shown) passed = group_end(groups, unit);
  }
  return out;
}

TEST_F(ScanTest, AScanByGroupsLeavesOutOnlyWhatFollowsAUnitThatIsShown) {
  std::mt19937 random(7);
  const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
  for (int i = 0; i < 120; ++i) {
    std::string name;
    if (chance(80)) name = {static_cast<char>('a' + random() % 6), '/'};
    name += chance(10) ? std::string("\x01") : std::to_string(random() % 40);
    const model::UnitKey unit = unit_of("p" + name);
    if (read(unit).head) continue;
    Stamp s = settled_put(unit);
    if (chance(30)) {  // emptied
      s = next();
      accept(whole(unit, s, {}));
      settle(unit, s);
    }
    if (chance(10)) {  // pending
      s = next();
      accept(whole(unit, s, {make_row(s, s)}));
    }
  }
  const Stamp fresh = next();
  accept(whole(unit_of("pc/zz"), fresh, {make_row(fresh, fresh)}));  // nothing but pending
  ScanRequest request;
  request.drive = id;
  request.max_units = 1000;
  std::vector<std::pair<std::string, bool>> all;
  for (const auto unit : executor.run(drive->scan(request))->units)
    all.emplace_back(unit.key(), unit.settled() && !unit.rows().empty());
  ScanRequest::Groups groups;
  groups.delimiter = "/";
  groups.from = model::range_begin(model::UnitKind::object, model::BucketId{7}, "p").size();
  const auto expected = grouped(all, groups);
  EXPECT_LT(expected.size(), all.size());
  for (const std::size_t size : {1u, 2u, 7u, 1000u}) {
    request.groups = groups;
    request.max_units = size;
    request.begin.clear();
    std::vector<std::string> seen;
    for (;;) {
      auto reply = executor.run(drive->scan(request));
      ASSERT_TRUE(reply);
      for (const auto unit : reply->units) {
        seen.emplace_back(unit.key());
        const std::string end = group_end(groups, unit.key());
        EXPECT_EQ(unit.passes_group(), unit.settled() && !unit.rows().empty() && !end.empty());
      }
      if (reply->exhausted) break;
      ASSERT_GT(reply->resume, request.begin);
      request.begin = reply->resume;
    }
    EXPECT_EQ(seen, expected) << "pages of " << size;
  }
}

TEST_F(ScanTest, AScanKeepsToItsBytes) {
  for (int i = 100; i < 140; ++i) settled_put(unit_of(std::to_string(i)));
  ScanRequest request;
  request.drive = id;
  request.max_bytes = 600;
  std::size_t seen = 0, pages = 0;
  for (;; ++pages) {
    auto reply = executor.run(drive->scan(request));
    ASSERT_TRUE(reply);
    ASSERT_FALSE(reply->units.empty());
    EXPECT_LT(reply->units.bytes(), 900u);
    seen += reply->units.size();
    if (reply->exhausted) break;
    request.begin = reply->resume;
  }
  EXPECT_EQ(seen, 40u);
  EXPECT_GE(pages, 4u);
}

TEST_F(ScanTest, UnitsWithPendingsAreListed) {
  settled_put(unit_of("x"));
  std::vector<model::UnitKey> expected;
  for (const char* key : {"a", "b", "c"}) {
    const Stamp s = next();
    accept(whole(unit_of(key), s, {make_row(s, s)}));
    expected.push_back(unit_of(key));
  }
  auto first = executor.run(drive->pending_units("", 2));
  ASSERT_TRUE(first);
  ASSERT_EQ(first->size(), 2u);
  auto rest = executor.run(drive->pending_units(first->back().encoded(), 10));
  ASSERT_TRUE(rest);
  first->insert(first->end(), rest->begin(), rest->end());
  EXPECT_EQ(*first, expected);
  crash_losing_all();
  auto stats = executor.run(drive->stats());
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->pending_units, 3u);
}

TEST_F(ScanTest, TheRepairQueueIsDurableAndHoldsAUnitOnce) {
  ASSERT_TRUE(executor.run(drive->repair_add({unit_of("a"), unit_of("b"), unit_of("a")})));
  ASSERT_TRUE(executor.run(drive->repair_add({unit_of("b")})));
  crash_losing_all();
  auto list = executor.run(drive->repair_list("", 10));
  ASSERT_TRUE(list);
  EXPECT_EQ(list->size(), 2u);
  auto stats = executor.run(drive->stats());
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->repair_entries, 2u);
  ASSERT_TRUE(executor.run(drive->repair_remove({unit_of("a"), unit_of("zzz")})));
  list = executor.run(drive->repair_list("", 10));
  ASSERT_TRUE(list);
  EXPECT_EQ(*list, std::vector<model::UnitKey>{unit_of("b")});
}

}  // namespace
}  // namespace cairn::drive
