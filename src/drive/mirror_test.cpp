// What the mirror keeps of units: as long as there are pendings.
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

TEST(Mirror, KnowsWhatIsBeneathPendings) {
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
  EXPECT_FALSE(mirror.look(unit(1)).in_flight);
  EXPECT_FALSE(mirror.quiet().yes);

  for (const std::uint64_t rows : {3u, 0u}) {
    mirror.publish(unit(1), one_pending(), settled(6, rows));
    const auto flight = mirror.enter(unit(1));
    mirror.publish(unit(1), no_pendings(), settled(7, rows));  // settled: not kept
    EXPECT_EQ(mirror.units(), 0u);
    EXPECT_FALSE(mirror.look(unit(1)).settled);
    EXPECT_TRUE(mirror.look(unit(1)).in_flight);
  }
  EXPECT_FALSE(mirror.look(unit(1)).in_flight);
  EXPECT_TRUE(mirror.quiet().yes);
}

}  // namespace
}  // namespace cairn::drive
