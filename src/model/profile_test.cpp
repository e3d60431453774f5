#include "model/profile.h"

#include <gtest/gtest.h>

namespace cairn::model {
namespace {

TEST(ErasureProfile, ParseAndText) {
  for (const std::string text : {"1+0", "1+1", "4+2", "12+4", "16+0", "8+8", "1+8"}) {
    const auto p = ErasureProfile::parse(text);
    ASSERT_TRUE(p.has_value()) << text;
    EXPECT_EQ(p->text(), text);
    EXPECT_TRUE(profile_is_sound(*p)) << text;
  }
  for (const std::string text :
       {"", "4", "+", "4+", "+2", "0+2", "0+0", "17+0", "7+9", "12+5", "4+2+1", "04+2", "4 + 2",
        "-1+2", "4+2x", "999999999999+1", "257+1"})
    EXPECT_EQ(ErasureProfile::parse(text).code(), Code::invalid_argument) << text;
}

TEST(ErasureProfile, DefaultsByNumberOfDrives) {
  const std::pair<std::size_t, const char*> expected[] = {
      {1, "1+0"}, {2, "1+1"},  {3, "1+2"},   {4, "2+2"},   {5, "3+2"},    {6, "4+2"},
      {8, "5+3"}, {12, "8+4"}, {16, "12+4"}, {17, "12+4"}, {1000, "12+4"}};
  for (const auto& [drives, text] : expected)
    EXPECT_EQ(ErasureProfile::for_drives(drives).text(), text);
  for (std::size_t n = 1; n <= 16; ++n) {
    const auto p = ErasureProfile::for_drives(n);
    EXPECT_EQ(p.drives(), n);
    EXPECT_TRUE(profile_is_sound(p));
    EXPECT_TRUE(profile_is_allowed(p.data, p.parity));
    if (n >= 3) EXPECT_GE(p.parity, 2);
  }
}

TEST(ErasureProfile, EveryAllowedProfileHasIntersectingQuorums) {
  int allowed = 0;
  for (unsigned k = 0; k <= 20; ++k)
    for (unsigned m = 0; m <= 20; ++m)
      if (profile_is_allowed(k, m)) {
        ++allowed;
        EXPECT_TRUE(profile_is_sound({static_cast<std::uint8_t>(k), static_cast<std::uint8_t>(m)}));
      }
  EXPECT_EQ(allowed, 16 * 9 - 36);  // the corner k + m > 16 is cut off
}

}  // namespace
}  // namespace cairn::model
