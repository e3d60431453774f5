#include "drive/unit_page.h"

#include <gtest/gtest.h>

namespace cairn::drive {
namespace {

std::string key_of(const std::string& name) {
  return model::UnitKey::object(model::BucketId{7}, name).encoded();
}

TEST(UnitPage, GivesBackWhatWasAdded) {
  UnitPage page;
  EXPECT_TRUE(page.empty());
  page.add(key_of("a"), model::Stamp{1, 2}, true);
  page.add_row({3, 4}, {5, 6}, "record");
  page.add_row({1, 2}, {1, 2}, "");
  page.add(key_of("b"), std::nullopt, false, false);
  page.set_passes_group();
  page.add(key_of(std::string(1000, 'c')), model::Stamp{9, 9}, true);
  page.add_row({9, 9}, {9, 9}, std::string(100'000, 'r'));
  ASSERT_EQ(page.size(), 3u);

  const UnitPage moved = std::move(page);
  auto it = moved.begin();
  const auto a = *it++;
  EXPECT_EQ(a.unit(), model::UnitKey::object(model::BucketId{7}, "a"));
  EXPECT_EQ(a.head(), (model::Stamp{1, 2}));
  EXPECT_TRUE(a.settled() && a.exact() && !a.passes_group());
  ASSERT_EQ(a.rows().size(), 2u);
  const auto row = a.rows().front();
  EXPECT_EQ(row.order, (model::Stamp{3, 4}));
  EXPECT_EQ(row.stamp, (model::Stamp{5, 6}));
  EXPECT_EQ(row.record, "record");
  EXPECT_EQ((*std::next(a.rows().begin())).record, "");
  const auto b = *it++;
  EXPECT_EQ(b.head(), std::nullopt);
  EXPECT_FALSE(b.settled());
  EXPECT_FALSE(b.exact());
  EXPECT_TRUE(b.passes_group());
  EXPECT_TRUE(b.rows().empty());
  const auto c = *it++;
  EXPECT_EQ(c.rows().front().record.size(), 100'000u);
  EXPECT_EQ(it, moved.end());
}

TEST(UnitPage, TheSameHeadIsTheSameStampOrNone) {
  UnitPage page;
  page.add(key_of("a"), model::Stamp{1, 2}, true);
  page.add(key_of("b"), model::Stamp{1, 2}, false, false);
  page.add(key_of("c"), model::Stamp{1, 3}, true);
  page.add(key_of("d"), model::Stamp{}, true);
  page.add(key_of("e"), std::nullopt, true);
  std::vector<UnitPage::Unit> units(page.begin(), page.end());
  EXPECT_TRUE(units[0].same_head(units[1]));
  EXPECT_FALSE(units[0].same_head(units[2]));
  EXPECT_FALSE(units[3].same_head(units[4]));
  EXPECT_TRUE(units[4].same_head(units[4]));
}

}  // namespace
}  // namespace cairn::drive
