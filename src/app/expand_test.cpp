#include "app/expand.h"

#include <gtest/gtest.h>

namespace cairn::app {
namespace {

using Names = std::vector<std::string>;

TEST(Expand, PlainPathsStayAsTheyAre) {
  EXPECT_EQ(*expand("/mnt/a"), Names{"/mnt/a"});
}

TEST(Expand, RangesCountUp) {
  EXPECT_EQ(*expand("/d{1...3}"), (Names{"/d1", "/d2", "/d3"}));
  EXPECT_EQ(*expand("/d{08...10}/x"), (Names{"/d08/x", "/d09/x", "/d10/x"}));
}

TEST(Expand, GroupsMultiply) {
  EXPECT_EQ(*expand("/h{1...2}/d{1...2}"), (Names{"/h1/d1", "/h1/d2", "/h2/d1", "/h2/d2"}));
}

TEST(Expand, MistakesAreNamed) {
  for (const auto* bad : {"/d{1..3}", "/d{1...", "/d{a...b}", "/d{3...1}", "/d{1...9999}",
                          "/d{...}", "/d{-1...2}", "/d{1...40}/e{1...40}"}) {
    auto result = expand(bad);
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.code(), Code::invalid_argument);
    EXPECT_NE(result.error().message.find("/d{"), std::string::npos);
  }
}

}  // namespace
}  // namespace cairn::app
