#include "s3/token.h"

#include <gtest/gtest.h>

namespace cairn::s3 {
namespace {

TEST(Token, RoundTrips) {
  for (const std::string& position : {std::string(), std::string("a"), std::string("a/b"),
                                      std::string("\0\xff", 2), std::string(1024, 'x')}) {
    const std::string token = encode_token(position);
    EXPECT_EQ(token.find_first_of("+/= "), std::string::npos) << token;
    const auto back = decode_token(token);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, position);
  }
}

TEST(Token, EveryChangedCharacterIsNoticed) {
  const std::string token = encode_token("some/key");
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto back = decode_token(changed);
    ASSERT_FALSE(back) << i;
    EXPECT_EQ(back.code(), Code::invalid_argument);
    EXPECT_FALSE(decode_token(token.substr(0, i)));
  }
}

TEST(Token, RefusesGarbage) {
  for (const std::string_view text : {"", "x", "some/key", "AAAA", "%", "AQ==", "\xff\xff"}) {
    EXPECT_FALSE(decode_token(text)) << text;
  }
}

}  // namespace
}  // namespace cairn::s3
