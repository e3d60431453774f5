#include <gtest/gtest.h>

#include <random>

#include "crypto/crc.h"
#include "crypto/digest.h"

namespace cairn::crypto {
namespace {

constexpr Checksum kAll[] = {Checksum::crc32, Checksum::crc32c, Checksum::crc64nvme, Checksum::sha1,
                             Checksum::sha256};

std::string random_text(std::mt19937_64& rng, std::size_t length) {
  std::string s(length, '\0');
  for (auto& c : s) c = static_cast<char>(rng());
  return s;
}

// One bit after the other, straight from the definition.
template <class Word>
Word bitwise_crc(std::string_view data, Word reflected_generator) {
  Word state = static_cast<Word>(~Word{0});
  for (const char c : data) {
    state ^= static_cast<unsigned char>(c);
    for (int i = 0; i < 8; ++i)
      state = static_cast<Word>(state >> 1) ^ ((state & 1) != 0 ? reflected_generator : Word{0});
  }
  return static_cast<Word>(~state);
}

TEST(Checksum, CheckValuesOfTheCatalogue) {
  const auto data = as_bytes("123456789");
  EXPECT_EQ(crc32(data), 0xCBF43926u);
  EXPECT_EQ(crc32c(data), 0xE3069283u);
  EXPECT_EQ(crc64nvme(data), 0xAE8B14860A799888ull);
  for (const auto& engine : crc64nvme_engines())
    EXPECT_EQ(engine.crc(data, 0), 0xAE8B14860A799888ull) << engine.name;
  EXPECT_EQ(crc32({}), 0u);
  EXPECT_EQ(crc32c({}), 0u);
  EXPECT_EQ(crc64nvme({}), 0u);
}

TEST(Checksum, AgreesWithTheDefinitionAtAnyLengthAndAlignment) {
  std::mt19937_64 rng(1);
  const auto data = random_text(rng, 2'000);
  for (std::size_t length = 0; length < 700; ++length) {
    const auto view = std::string_view(data).substr(rng() % 64, length);
    EXPECT_EQ(crc32(as_bytes(view)), bitwise_crc<std::uint32_t>(view, 0xEDB88320));
    EXPECT_EQ(crc32c(as_bytes(view)), bitwise_crc<std::uint32_t>(view, 0x82F63B78));
    const auto expected = bitwise_crc<std::uint64_t>(view, 0x9A6C9329AC4BC9B5);
    EXPECT_EQ(crc64nvme(as_bytes(view)), expected);
    for (const auto& engine : crc64nvme_engines())
      EXPECT_EQ(engine.crc(as_bytes(view), 0), expected) << engine.name;
  }
  const auto big = random_text(rng, 1'000'003);
  const auto engines = crc64nvme_engines();
  for (const auto& engine : engines)
    EXPECT_EQ(engine.crc(as_bytes(big), 77), engines.front().crc(as_bytes(big), 77)) << engine.name;
}

TEST(Checksum, PiecesGiveTheSameAsTheWhole) {
  std::mt19937_64 rng(2);
  for (int round = 0; round < 200; ++round) {
    const auto data = random_text(rng, rng() % 5'000);
    for (const auto algorithm : kAll) {
      const auto hasher = make_checksum(algorithm);
      std::string_view left = data;
      while (!left.empty()) {
        const std::size_t n = std::min<std::size_t>(left.size(), rng() % 700);
        hasher->update(as_bytes(left.substr(0, n)));
        left.remove_prefix(n);
      }
      const auto value = hasher->finish();
      EXPECT_EQ(value, checksum_of(algorithm, as_bytes(data)));
      EXPECT_EQ(value.size(), checksum_bytes(algorithm));
    }
  }
}

TEST(Checksum, RawValuesAreBigEndian) {
  EXPECT_EQ(to_hex(as_bytes(checksum_of(Checksum::crc32, as_bytes("123456789")))), "cbf43926");
  EXPECT_EQ(to_hex(as_bytes(checksum_of(Checksum::crc64nvme, as_bytes("123456789")))),
            "ae8b14860a799888");
}

TEST(Checksum, CombinesAsIfOneStream) {
  std::mt19937_64 rng(3);
  for (int round = 0; round < 500; ++round) {
    const auto a = random_text(rng, rng() % 3'000), b = random_text(rng, rng() % 3'000);
    for (const auto algorithm : {Checksum::crc32, Checksum::crc32c, Checksum::crc64nvme})
      EXPECT_EQ(combine_crc(algorithm, checksum_of(algorithm, as_bytes(a)),
                            checksum_of(algorithm, as_bytes(b)), b.size()),
                checksum_of(algorithm, as_bytes(a + b)));
  }
}

TEST(Checksum, CombinesHugeLengths) {
  // Zeros of 5 TiB behind "a" in one step, and in five steps of 1 TiB, are the same.
  constexpr std::uint64_t tib = 1ull << 40;
  for (const auto combine64 : {combine_crc64nvme}) {
    // The checksum of n zeros, by doubling from one zero byte.
    const auto zeros = [&](std::uint64_t n) {
      std::uint64_t crc = 0, length = 0;
      for (int bit = 63; bit >= 0; --bit) {
        crc = combine64(crc, crc, length);
        length *= 2;
        if (n >> bit & 1) {
          crc = combine64(crc, crc64nvme(as_bytes(std::string_view("\0", 1))), 1);
          ++length;
        }
      }
      return crc;
    };
    const auto a = crc64nvme(as_bytes("a"));
    auto steps = a;
    for (int i = 0; i < 5; ++i) steps = combine64(steps, zeros(tib), tib);
    EXPECT_EQ(steps, combine64(a, zeros(5 * tib), 5 * tib));
    EXPECT_EQ(zeros(1'000), crc64nvme(as_bytes(std::string(1'000, '\0'))));
  }
}

TEST(Checksum, Names) {
  for (const auto algorithm : kAll) EXPECT_EQ(parse_checksum(checksum_name(algorithm)), algorithm);
  EXPECT_EQ(parse_checksum("crc64nvme"), Checksum::crc64nvme);
  EXPECT_EQ(parse_checksum("Sha256"), Checksum::sha256);
  for (const auto* bad : {"", "CRC", "CRC32CC", "MD5", "CRC32 "})
    EXPECT_EQ(parse_checksum(bad), std::nullopt);
  EXPECT_TRUE(checksum_is_crc(Checksum::crc32c));
  EXPECT_FALSE(checksum_is_crc(Checksum::sha1));
}

}  // namespace
}  // namespace cairn::crypto
