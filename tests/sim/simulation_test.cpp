#include "sim/simulation.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace cairn::sim {
namespace {

class Simulation : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    log::Options options;
    options.level = log::Level::error;
    options.file = "/dev/null";
    log::configure(options);
  }
};

TEST_F(Simulation, TheSameSeedIsTheSameRun) {
  for (const std::uint64_t seed : {3u, 4u, 5u}) {
    sim::Setup setup;
    setup.seed = seed;
    const Report one = simulate(setup), two = simulate(setup);
    EXPECT_GT(one.steps, 1000u);
    EXPECT_EQ(one.steps, two.steps);
    EXPECT_EQ(one.hash, two.hash);
    setup.seed = seed + 1000;
    EXPECT_NE(one.hash, simulate(setup).hash);
  }
}

// That nothing is found means something only if planted mistakes are found.
unsigned found(Plant plant, model::ErasureProfile profile, unsigned seeds) {
  unsigned count = 0;
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    sim::Setup setup;
    setup.seed = seed;
    setup.profile = profile;
    setup.plant = plant;
    count += simulate(setup).failure.has_value();
  }
  return count;
}

TEST_F(Simulation, FindsADriveThatAcknowledgesWhatItNeverSaw) {
  EXPECT_GT(found(Plant::lying_ack, {2, 1}, 20), 0u);
  EXPECT_GT(found(Plant::lying_ack, {2, 2}, 20), 0u);
}

TEST_F(Simulation, FindsAnIndexThatDoesNotSync) {
  EXPECT_GT(found(Plant::ignored_sync, {1, 0}, 20), 0u);
  EXPECT_GT(found(Plant::ignored_sync, {2, 2}, 40), 0u);
}

TEST_F(Simulation, FindsAnOldCopyThatIsBelieved) {
  EXPECT_GT(found(Plant::old_copy, {2, 2}, 300), 0u);  // four of them
}

}  // namespace
}  // namespace cairn::sim
