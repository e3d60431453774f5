#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <thread>

#include "erasure/erasure.h"

namespace cairn::erasure {
namespace {

using model::ErasureProfile;
using Piece = std::vector<std::byte>;

struct Stripe {
  std::vector<Piece> pieces;
  explicit Stripe(ErasureProfile profile, std::size_t length, std::uint64_t seed = 1) {
    std::mt19937_64 rng(seed);
    pieces.assign(profile.drives(), Piece(length));
    for (unsigned i = 0; i < profile.data; ++i)
      for (auto& b : pieces[i]) b = static_cast<std::byte>(rng());
    std::vector<const std::byte*> data;
    std::vector<std::byte*> parity;
    for (unsigned i = 0; i < profile.drives(); ++i)
      if (i < profile.data)
        data.push_back(pieces[i].data());
      else
        parity.push_back(pieces[i].data());
    Code::of(profile)->encode(data, parity, length);
  }
};

// Rebuilds the pieces named by `lost` of those named by `order` and compares.
void expect_rebuilt(ErasureProfile profile, const Stripe& stripe,
                    const std::vector<unsigned>& order, const std::vector<unsigned>& lost) {
  std::vector<Code::Have> have;
  for (const unsigned i : order) have.push_back({i, stripe.pieces[i].data()});
  std::vector<Piece> rebuilt(lost.size(), Piece(stripe.pieces[0].size()));
  std::vector<Code::Want> want;
  for (std::size_t i = 0; i < lost.size(); ++i) want.push_back({lost[i], rebuilt[i].data()});
  ASSERT_TRUE(Code::of(profile)->reconstruct(have, want, stripe.pieces[0].size()).has_value());
  for (std::size_t i = 0; i < lost.size(); ++i)
    EXPECT_EQ(rebuilt[i], stripe.pieces[lost[i]]) << profile.text() << " piece " << lost[i];
}

TEST(Erasure, EveryErasurePatternOfSmallProfiles) {
  std::mt19937_64 rng(2);
  for (const char* text :
       {"1+0", "1+1", "1+2", "2+1", "2+2", "3+2", "4+2", "5+2", "5+3", "6+3", "1+8"}) {
    const auto profile = *ErasureProfile::parse(text);
    const Stripe stripe(profile, 97);
    const unsigned n = profile.drives();
    for (unsigned mask = 0; mask < 1u << n; ++mask) {
      if (static_cast<unsigned>(std::popcount(mask)) > profile.parity) continue;
      std::vector<unsigned> present, lost;
      for (unsigned i = 0; i < n; ++i) (mask >> i & 1 ? lost : present).push_back(i);
      std::shuffle(present.begin(), present.end(), rng);
      std::shuffle(lost.begin(), lost.end(), rng);
      expect_rebuilt(profile, stripe, present, lost);
    }
  }
}

TEST(Erasure, RandomPatternsOfEveryDefaultProfileAndLengthsThatMeetSimdTails) {
  std::mt19937_64 rng(3);
  for (std::size_t drives = 1; drives <= 16; ++drives) {
    const auto profile = ErasureProfile::for_drives(drives);
    for (int round = 0; round < 60; ++round) {
      const Stripe stripe(profile, 1 + rng() % 300, rng());
      std::vector<unsigned> order(profile.drives());
      std::iota(order.begin(), order.end(), 0);
      std::shuffle(order.begin(), order.end(), rng);
      const std::vector<unsigned> lost(order.begin() + profile.data, order.end());
      order.resize(profile.data);
      expect_rebuilt(profile, stripe, order, lost);
    }
  }
}

TEST(Erasure, PiecesBeyondTheFirstKMayBeWanted) {
  const ErasureProfile profile{2, 2};
  const Stripe stripe(profile, 64);
  expect_rebuilt(profile, stripe, {3, 1, 0, 2}, {0, 2});
}

TEST(Erasure, TheMatrixIsPartOfTheFormat) {
  // Parity of one byte each: data piece i is (i + 1) * 17. Written by the first version; must never
  // change.
  const std::pair<const char*, std::vector<unsigned>> expected[] = {{"1+1", {17}},
                                                                    {"1+2", {17, 134}},
                                                                    {"2+1", {152}},
                                                                    {"2+2", {152, 30}},
                                                                    {"4+2", {188, 255}},
                                                                    {"5+3", {170, 75, 247}},
                                                                    {"8+4", {105, 184, 230, 250}},
                                                                    {"12+4", {16, 198, 200, 215}}};
  for (const auto& [text, parity_bytes] : expected) {
    const auto profile = *ErasureProfile::parse(text);
    std::vector<Piece> pieces(profile.drives(), Piece(1));
    std::vector<const std::byte*> data;
    std::vector<std::byte*> parity;
    for (unsigned i = 0; i < profile.data; ++i) {
      pieces[i][0] = static_cast<std::byte>((i + 1) * 17);
      data.push_back(pieces[i].data());
    }
    for (unsigned i = profile.data; i < profile.drives(); ++i) parity.push_back(pieces[i].data());
    Code::of(profile)->encode(data, parity, 1);
    std::vector<unsigned> got;
    for (const auto* p : parity) got.push_back(std::to_integer<unsigned>(*p));
    EXPECT_EQ(got, parity_bytes) << text;
  }
}

TEST(Erasure, RefusesWhatCannotBe) {
  const ErasureProfile profile{2, 1};
  const Stripe stripe(profile, 8);
  Piece out(8);
  const auto code = Code::of(profile);
  const auto p = [&](unsigned i) { return Code::Have{i, stripe.pieces[i].data()}; };
  const auto refused = [&](std::vector<Code::Have> have, std::vector<Code::Want> want) {
    const auto result = code->reconstruct(have, want, 8);
    return !result && result.code() == cairn::Code::invalid_argument;
  };
  EXPECT_TRUE(refused({p(0)}, {{1, out.data()}}));
  EXPECT_TRUE(refused({p(0), p(0)}, {{1, out.data()}}));
  EXPECT_TRUE(refused({p(0), {3, out.data()}}, {{1, out.data()}}));
  EXPECT_TRUE(refused({p(0), p(2)}, {{0, out.data()}}));
  EXPECT_TRUE(refused({p(0), p(2)}, {{7, out.data()}}));
  EXPECT_TRUE(refused({p(0), p(2)}, {{1, out.data()}, {1, out.data()}}));
  EXPECT_TRUE(refused({p(0), {2, nullptr}}, {{1, out.data()}}));
  EXPECT_TRUE(code->reconstruct(std::vector{p(0), p(2)}, {}, 8).has_value());
}

TEST(Erasure, ManyThreadsAndMorePatternsThanAreCached) {
  const ErasureProfile profile{12, 4};
  const Stripe stripe(profile, 40);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937_64 rng(t);
      for (int round = 0; round < 400; ++round) {
        std::vector<unsigned> order(16);
        std::iota(order.begin(), order.end(), 0);
        std::shuffle(order.begin(), order.end(), rng);
        const std::vector<unsigned> lost(order.begin() + 12, order.end());
        order.resize(12);
        expect_rebuilt(profile, stripe, order, lost);
      }
    });
  for (auto& t : threads) t.join();
}

}  // namespace
}  // namespace cairn::erasure
