#include "crypto/md5_lanes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "crypto/md5_detail.h"

namespace cairn::crypto {
namespace {

using detail::Md5Engine;

std::string hex(const Md5Digest& digest) {
  return to_hex(std::as_bytes(std::span(digest)));
}

std::string random_text(std::mt19937_64& rng, std::size_t size) {
  std::string text(size, '\0');
  for (auto& c : text) c = static_cast<char>(rng());
  return text;
}

// Every way that this machine can hash, not only the one it would choose.
class Md5Lanes : public testing::TestWithParam<const Md5Engine*> {
 protected:
  void update(std::span<const Md5Piece> pieces) { detail::md5_update_with(*GetParam(), pieces); }
};

INSTANTIATE_TEST_SUITE_P(Engines, Md5Lanes, testing::ValuesIn(detail::md5_engines()),
                         [](const auto& info) {
                           std::string name = info.param->name;
                           std::ranges::replace(name, ' ', '_');
                           return name;
                         });

TEST_P(Md5Lanes, VectorsOfRfc1321) {
  const std::pair<const char*, const char*> vectors[] = {
      {"", "d41d8cd98f00b204e9800998ecf8427e"},
      {"a", "0cc175b9c0f1b6a831c399e269772661"},
      {"abc", "900150983cd24fb0d6963f7d28e17f72"},
      {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
      {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
      {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
       "d174ab98d277d9f5a5611c2c9f419d9f"},
      {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
       "57edf4a22be3c955ac49da2e2107b67a"}};
  std::vector<Md5State> states(std::size(vectors));
  std::vector<Md5Piece> pieces;
  for (std::size_t i = 0; i < states.size(); ++i)
    pieces.push_back({&states[i], as_bytes(vectors[i].first)});
  update(pieces);
  for (std::size_t i = 0; i < states.size(); ++i)
    EXPECT_EQ(hex(md5_finish(states[i])), vectors[i].second);
}

// Each number of lanes, each starting anywhere in memory, all of one length.
TEST_P(Md5Lanes, EveryNumberOfEqualStreams) {
  std::mt19937_64 rng(2);
  const std::string data = random_text(rng, 8'192);
  for (std::size_t count = 1; count <= 70; ++count) {
    std::vector<Md5State> states(count);
    std::vector<Md5Piece> pieces;
    for (std::size_t i = 0; i < count; ++i)
      pieces.push_back({&states[i], as_bytes(data).subspan(i * 17 % 4'000, 4'096)});
    update(pieces);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(md5_finish(states[i]), md5(pieces[i].data)) << count << " streams, number " << i;
  }
}

// Streams of any lengths, cut anywhere, hashed in any company, some of whom end sooner.
TEST_P(Md5Lanes, RandomStreamsInRandomPieces) {
  std::mt19937_64 rng(3);
  for (int round = 0; round < 150; ++round) {
    struct Stream {
      std::string text;
      std::size_t done = 0;
      Md5State state{};
    };
    std::vector<Stream> streams(1 + rng() % 40);
    for (auto& s : streams) s.text = random_text(rng, rng() % (round % 3 == 0 ? 20'000 : 700));
    for (bool more = true; more;) {
      more = false;
      std::vector<Md5Piece> pieces;
      for (auto& s : streams) {
        if (rng() % 3 == 0) {
          more = more || s.done < s.text.size();
          continue;
        }
        const std::size_t left = s.text.size() - s.done;
        const std::size_t n = std::min<std::size_t>(left, rng() % 2'000);
        pieces.push_back({&s.state, as_bytes(s.text).subspan(s.done, n)});
        s.done += n;
        more = more || s.done < s.text.size();
      }
      std::ranges::shuffle(pieces, rng);
      update(pieces);
    }
    for (const auto& s : streams) {
      ASSERT_EQ(s.state.length, s.text.size());
      ASSERT_EQ(md5_finish(s.state), md5(as_bytes(s.text))) << "round " << round;
    }
  }
}

// Where the padding needs a block of its own, and where it just does not.
TEST_P(Md5Lanes, EveryLengthAroundTheBlock) {
  std::mt19937_64 rng(4);
  const std::string data = random_text(rng, 200);
  std::vector<Md5State> states(data.size() + 1);
  std::vector<Md5Piece> pieces;
  for (std::size_t n = 0; n <= data.size(); ++n)
    pieces.push_back({&states[n], as_bytes(data).first(n)});
  update(pieces);
  for (std::size_t n = 0; n <= data.size(); ++n)
    ASSERT_EQ(md5_finish(states[n]), md5(pieces[n].data)) << n;
}

// The state is a value: a copy goes its own way.
TEST_P(Md5Lanes, ACopiedStateResumes) {
  const std::string head(1'000, 'h'), one(500, '1'), two(700, '2');
  Md5State first;
  const Md5Piece start{&first, as_bytes(head)};
  update({&start, 1});
  Md5State second = first;
  const Md5Piece both[] = {{&first, as_bytes(one)}, {&second, as_bytes(two)}};
  update(both);
  EXPECT_EQ(md5_finish(first), md5(as_bytes(head + one)));
  EXPECT_EQ(md5_finish(second), md5(as_bytes(head + two)));
}

// The count of bits needs more than 32 of them from 512 MiB on.
TEST_P(Md5Lanes, LongerThan32BitsCount) {
  const std::string data(1 << 20, 'x');
  Md5State states[16];
  std::vector<Md5Piece> pieces;
  for (auto& s : states) pieces.push_back({&s, as_bytes(data)});
  const std::size_t streams = GetParam()->count == 0 ? 1 : 16;
  pieces.resize(streams);
  for (int i = 0; i < 513; ++i) {
    if (i == 512) {
      for (auto& p : pieces) p.data = p.data.first(77);
    }
    update(pieces);
  }
  for (std::size_t i = 0; i < streams; ++i)
    EXPECT_EQ(hex(md5_finish(states[i])), "859a629813f5d083b4f834239385e8b5") << i;
}

TEST(Md5, WhatIsChosenHasLanesWhereTheMachineDoes) {
#if defined(__aarch64__)
  EXPECT_EQ(md5_lanes(), 8u);
#elif defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) EXPECT_GE(md5_lanes(), 16u);
#endif
  Md5State state;
  const Md5Piece piece{&state, as_bytes("abc")};
  md5_update({&piece, 1});
  EXPECT_EQ(hex(md5_finish(state)), "900150983cd24fb0d6963f7d28e17f72");
}

}  // namespace
}  // namespace cairn::crypto
