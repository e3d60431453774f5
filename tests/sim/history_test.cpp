#include "sim/history.h"

#include <gtest/gtest.h>

namespace cairn::sim {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;

Operation op(Kind kind, std::uint32_t value, std::uint64_t begin, std::uint64_t end,
             Outcome outcome = Outcome::done, std::uint32_t expected = 0) {
  return {kind, value, expected, outcome, begin, end};
}

TEST(Linearizable, SequentialHistories) {
  EXPECT_FALSE(linearizable({op(Kind::put, 1, 0, 1), op(Kind::read, 1, 2, 3),
                             op(Kind::remove, 0, 4, 5), op(Kind::read, 0, 6, 7)}));
  EXPECT_TRUE(
      linearizable({op(Kind::put, 1, 0, 1), op(Kind::put, 2, 2, 3), op(Kind::read, 1, 4, 5)}));
  EXPECT_TRUE(linearizable({op(Kind::put, 1, 0, 1), op(Kind::read, 0, 2, 3)}));
}

TEST(Linearizable, ConcurrentWritesMayLandInEitherOrderButOnlyOne) {
  const auto a = op(Kind::put, 1, 0, 10), b = op(Kind::put, 2, 0, 10);
  EXPECT_FALSE(linearizable({a, b, op(Kind::read, 1, 11, 12)}));
  EXPECT_FALSE(linearizable({a, b, op(Kind::read, 2, 11, 12)}));
  EXPECT_TRUE(linearizable({a, b, op(Kind::read, 1, 11, 12), op(Kind::read, 2, 13, 14)}));
}

TEST(Linearizable, AnOpenWriteMayAppearLateOrNeverButNotVanish) {
  const auto open = op(Kind::put, 9, 0, 0, Outcome::open);
  EXPECT_FALSE(linearizable({open, op(Kind::read, 0, 1, 2)}));
  EXPECT_FALSE(linearizable({open, op(Kind::read, 0, 1, 2), op(Kind::read, 9, 3, 4)}));
  EXPECT_TRUE(linearizable({open, op(Kind::read, 9, 1, 2), op(Kind::read, 0, 3, 4)}));
  EXPECT_TRUE(
      linearizable({op(Kind::put, 1, 0, 1), op(Kind::put, 9, 2, 0, Outcome::open),
                    op(Kind::put, 2, 3, 4), op(Kind::read, 9, 5, 6), op(Kind::read, 2, 7, 8)}));
}

TEST(Linearizable, ConditionsAreDecidedAtomically) {
  const auto first = op(Kind::put_if_absent, 1, 0, 10), second = op(Kind::put_if_absent, 2, 0, 10);
  EXPECT_TRUE(linearizable({first, second}));
  EXPECT_FALSE(linearizable({first, op(Kind::put_if_absent, 2, 0, 10, Outcome::refused)}));
  EXPECT_TRUE(linearizable({op(Kind::put_if_absent, 2, 0, 10, Outcome::refused)}));
  EXPECT_TRUE(
      linearizable({op(Kind::put, 1, 0, 1), op(Kind::put_if_match, 2, 2, 3, Outcome::done, 1),
                    op(Kind::put_if_match, 3, 4, 5, Outcome::done, 1)}));
  // The model's run: two conditional writes given up; the first is read, then the second surfaces.
  EXPECT_TRUE(
      linearizable({op(Kind::put, 1, 0, 1), op(Kind::put_if_match, 2, 2, 0, Outcome::open, 1),
                    op(Kind::put_if_match, 3, 3, 0, Outcome::open, 1), op(Kind::read, 2, 4, 5),
                    op(Kind::read, 3, 6, 7)}));
}

TEST(Linearizable, ManyOpenWritesAreCheckedQuickly) {
  std::vector<Operation> history;
  std::uint64_t time = 0;
  for (std::uint32_t value = 1; value <= 40; ++value) {
    const std::uint64_t begin = ++time;
    history.push_back(op(Kind::put, value, begin, 0, Outcome::open));
  }
  for (const std::uint32_t value : {7u, 3u, 30u, 12u}) {
    const std::uint64_t begin = ++time;
    history.push_back(op(Kind::read, value, begin, ++time));
  }
  EXPECT_FALSE(linearizable(history));
  history.push_back(op(Kind::read, 7, time + 1, time + 2));
  EXPECT_TRUE(linearizable(history));  // each takes effect once at most
}

}  // namespace
}  // namespace cairn::sim
