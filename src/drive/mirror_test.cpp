// What the mirror keeps of units: pendings as long as there are any, a bare head for a while.
#include "drive/mirror.h"

#include <gtest/gtest.h>

#include "drive/change.h"

namespace cairn::drive {
namespace {

std::string unit(std::size_t i) {
  return "unit " + std::to_string(i);
}
std::shared_ptr<const SettledState> settled(std::uint64_t sequence, std::uint64_t rows) {
  SettledState state;
  state.head = Stamp{1, sequence};
  state.summary.rows = rows;
  return std::make_shared<const SettledState>(state);
}
std::shared_ptr<const Pendings> one_pending() {
  auto pending = std::make_shared<Pending>();
  pending->stamp = Stamp{2, 1};
  return std::make_shared<const Pendings>(Pendings{pending});
}

TEST(Mirror, KnowsWhatIsBeneathPendingsAndBareHeadsOnly) {
  PendingMirror mirror;
  {
    auto flight = mirror.enter(unit(1));
    flight.submitted();
    mirror.publish(unit(1), one_pending(), settled(5, 3));
    EXPECT_TRUE(mirror.look(unit(1)).in_flight);
  }
  EXPECT_EQ(mirror.units(), 1u);
  ASSERT_TRUE(mirror.look(unit(1)).settled);
  EXPECT_EQ(mirror.look(unit(1)).settled->summary.rows, 3u);

  mirror.publish(unit(1), no_pendings(), settled(6, 3));  // with rows: not kept
  EXPECT_EQ(mirror.units(), 0u);
  EXPECT_FALSE(mirror.look(unit(1)).settled);

  mirror.publish(unit(1), one_pending(), settled(6, 3));
  mirror.publish(unit(1), no_pendings(), settled(7, 0));  // emptied
  const auto bare = mirror.look(unit(1));
  ASSERT_TRUE(bare.settled && bare.pendings->empty());
  EXPECT_EQ(bare.settled->head, (Stamp{1, 7}));
  EXPECT_FALSE(bare.in_flight);
  EXPECT_EQ(mirror.units(), 0u);
  EXPECT_TRUE(mirror.quiet().yes);

  {
    const auto flight = mirror.enter(unit(1));  // it stays known to whoever comes
    EXPECT_TRUE(mirror.look(unit(1)).settled);
  }
  EXPECT_TRUE(mirror.look(unit(1)).settled);
  mirror.publish(unit(1), no_pendings(), std::make_shared<const SettledState>());  // forgotten
  EXPECT_FALSE(mirror.look(unit(1)).settled);
}

TEST(Mirror, KeepsSomeBareHeadsAndEachRight) {
  PendingMirror mirror;
  constexpr std::size_t kUnits = 60'000;
  for (std::size_t i = 0; i < kUnits; ++i) {
    const auto flight = mirror.enter(unit(i));
    mirror.publish(unit(i), no_pendings(), settled(i + 1, 0));
  }
  std::size_t known = 0;
  for (std::size_t i = 0; i < kUnits; ++i) {
    const auto look = mirror.look(unit(i));
    if (!look.settled) continue;
    ++known;
    ASSERT_EQ(look.settled->head, (Stamp{1, i + 1}));
  }
  EXPECT_GT(known, 10'000u);
  EXPECT_LE(known, 20'000u);
  // Those in flight do not count, and are not let go for others.
  const auto flight = mirror.enter(unit(kUnits));
  mirror.publish(unit(kUnits), no_pendings(), settled(kUnits + 1, 0));
  for (std::size_t i = 0; i < kUnits; ++i) mirror.publish(unit(i), no_pendings(), settled(9, 0));
  EXPECT_TRUE(mirror.look(unit(kUnits)).settled);
  for (std::size_t i = 0; i < kUnits; ++i)
    mirror.publish(unit(i), no_pendings(), std::make_shared<const SettledState>());
  for (std::size_t i = 0; i < kUnits; ++i) ASSERT_FALSE(mirror.look(unit(i)).settled);
}

}  // namespace
}  // namespace cairn::drive
