#include "cli/latency.h"

#include <gtest/gtest.h>

namespace cairn::cli {
namespace {

TEST(Latencies, QuantilesAreWithinTwoPercent) {
  Latencies all;
  for (std::uint64_t i = 1; i <= 100'000; ++i) all.record(i * 1000);
  EXPECT_EQ(all.count(), 100'000u);
  for (const double q : {0.5, 0.9, 0.99, 1.0}) {
    const double exact = q * 100'000 * 1000;
    EXPECT_NEAR(static_cast<double>(all.quantile(q)), exact, exact * 0.02) << q;
  }
  EXPECT_NEAR(all.mean(), 50'000'500.0, 1.0);
}

TEST(Latencies, SmallValuesAreExactAndEmptyIsZero) {
  Latencies all;
  EXPECT_EQ(all.quantile(0.99), 0u);
  all.record(3);
  all.record(60);
  EXPECT_EQ(all.quantile(0.5), 3u);
  EXPECT_EQ(all.quantile(1.0), 60u);
}

TEST(Latencies, AddingIsRecordingBoth) {
  Latencies a, b;
  a.record(10);
  b.record(~0ull);
  a.add(b);
  EXPECT_EQ(a.count(), 2u);
  EXPECT_GE(a.quantile(1.0), ~0ull / 2);
}

}  // namespace
}  // namespace cairn::cli
