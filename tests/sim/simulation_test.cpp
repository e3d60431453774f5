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

// That nothing is found means something only if planted mistakes are found: within so many seeds.
bool finds(Plant plant, model::ErasureProfile profile, unsigned seeds) {
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    sim::Setup setup;
    setup.seed = seed;
    setup.profile = profile;
    setup.plant = plant;
    if (simulate(setup).failure) return true;
  }
  return false;
}

TEST_F(Simulation, FindsADriveThatAcknowledgesWhatItNeverSaw) {
  EXPECT_TRUE(finds(Plant::lying_ack, {2, 1}, 20));
  EXPECT_TRUE(finds(Plant::lying_ack, {2, 2}, 20));
}

TEST_F(Simulation, FindsAnIndexThatDoesNotSync) {
  EXPECT_TRUE(finds(Plant::ignored_sync, {1, 0}, 20));
  EXPECT_TRUE(finds(Plant::ignored_sync, {2, 2}, 40));
}

TEST_F(Simulation, FindsAnOldCopyThatIsBelieved) {
  // One in 200 seeds or so: the copy must lack what others lack, too.
  EXPECT_TRUE(finds(Plant::old_copy, {2, 2}, 1500));
}

}  // namespace
}  // namespace cairn::sim
