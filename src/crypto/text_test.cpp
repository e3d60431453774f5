#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <random>

#include "crypto/digest.h"

namespace cairn::crypto {
namespace {

TEST(Base64, AgreesWithOpensslAndComesBack) {
  std::mt19937_64 rng(1);
  for (std::size_t length = 0; length < 200; ++length) {
    std::string raw(length, '\0');
    for (auto& c : raw) c = static_cast<char>(rng());
    const auto text = to_base64(as_bytes(raw));
    std::string expected(4 * (length / 3 + 1) + 1, '\0');
    const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(expected.data()),
                                  reinterpret_cast<const unsigned char*>(raw.data()),
                                  static_cast<int>(length));
    expected.resize(static_cast<std::size_t>(n));
    EXPECT_EQ(text, expected);
    EXPECT_EQ(from_base64(text), raw);
  }
}

TEST(Base64, IsStrict) {
  EXPECT_EQ(from_base64(""), "");
  EXPECT_EQ(from_base64("TWFu"), "Man");
  EXPECT_EQ(from_base64("TWE="), "Ma");
  EXPECT_EQ(from_base64("TQ=="), "M");
  for (const auto* bad : {"T", "TQ", "TQ=", "TWE", "TQ===", "====", "=", "TW=u", "T===", "TWFu\n",
                          " TWFu", "TWF-", "TWF_", "TQ==TWFu", "TR==", "TWF=", "TW\xFFu"})
    EXPECT_EQ(from_base64(bad), std::nullopt) << bad;
}

TEST(Hex, RoundTrip) {
  EXPECT_EQ(to_hex(as_bytes(std::string_view("\x00\x0F\xF0\xFF", 4))), "000ff0ff");
  EXPECT_EQ(from_hex("000fF0Ff"), std::string("\x00\x0F\xF0\xFF", 4));
  EXPECT_EQ(from_hex(""), "");
  for (const auto* bad : {"0", "0g", "g0", " 0", "0x"}) EXPECT_EQ(from_hex(bad), std::nullopt);
}

TEST(EqualConstantTime, IsEquality) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("secret", "secret"));
  EXPECT_FALSE(equal_constant_time("secret", "secreT"));
  EXPECT_FALSE(equal_constant_time("Secret", "secret"));
  EXPECT_FALSE(equal_constant_time("secret", "secrets"));
}

}  // namespace
}  // namespace cairn::crypto
