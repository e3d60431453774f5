#include "base/metrics.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

namespace cairn::metrics {
namespace {

TEST(Metrics, RendersCountersAndGaugesWithHelpAndType) {
  Registry registry;
  registry.counter("cairn_requests_total", "Requests.", {{"op", "get"}}).add(3);
  registry.counter("cairn_requests_total", "Requests.", {{"op", "put"}}).add();
  registry.gauge("cairn_free_bytes", "Free.").set(1.5);
  EXPECT_EQ(registry.render(),
            "# HELP cairn_free_bytes Free.\n"
            "# TYPE cairn_free_bytes gauge\n"
            "cairn_free_bytes 1.5\n"
            "# HELP cairn_requests_total Requests.\n"
            "# TYPE cairn_requests_total counter\n"
            "cairn_requests_total{op=\"get\"} 3\n"
            "cairn_requests_total{op=\"put\"} 1\n");
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
  Registry registry;
  Counter& a = registry.counter("c", "h", {{"x", "1"}, {"y", "2"}});
  Counter& b = registry.counter("c", "h", {{"y", "2"}, {"x", "1"}});
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &registry.counter("c", "h", {{"x", "1"}}));
}

TEST(Metrics, EscapesHelpAndLabelValues) {
  Registry registry;
  registry.counter("c", "a\\b\n\"q\"", {{"l", "q\"b\\n\n"}});
  EXPECT_EQ(registry.render(),
            "# HELP c a\\\\b\\n\"q\"\n# TYPE c counter\nc{l=\"q\\\"b\\\\n\\n\"} 0\n");
}

TEST(Metrics, HistogramBucketsAreCumulativeAndBoundsInclusive) {
  Registry registry;
  Histogram& h = registry.histogram("h", "H.", {0.5, 1, 2}, {{"op", "get"}});
  for (const double v : {0.25, 0.5, 0.75, 4.0}) h.observe(v);
  EXPECT_EQ(registry.render(),
            "# HELP h H.\n# TYPE h histogram\n"
            "h_bucket{op=\"get\",le=\"0.5\"} 2\n"
            "h_bucket{op=\"get\",le=\"1\"} 3\n"
            "h_bucket{op=\"get\",le=\"2\"} 3\n"
            "h_bucket{op=\"get\",le=\"+Inf\"} 4\n"
            "h_sum{op=\"get\"} 5.5\n"
            "h_count{op=\"get\"} 4\n");
}

TEST(Metrics, SpellsInfinityAndNan) {
  Registry registry;
  registry.gauge("a", "h").set(std::numeric_limits<double>::infinity());
  registry.gauge("b", "h").set(std::numeric_limits<double>::quiet_NaN());
  const std::string page = registry.render();
  EXPECT_NE(page.find("a +Inf\n"), std::string::npos);
  EXPECT_NE(page.find("b NaN\n"), std::string::npos);
}

TEST(Metrics, CountsFromManyThreads) {
  Registry registry;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&registry] {
      Counter& counter = registry.counter("c", "h");
      Histogram& histogram = registry.histogram("h", "h", {1});
      for (int i = 0; i < 1000; ++i) {
        counter.add();
        histogram.observe(0.5);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(registry.counter("c", "h").value(), 4000u);
  EXPECT_EQ(registry.histogram("h", "h", {1}).bucket(0), 4000u);
  EXPECT_DOUBLE_EQ(registry.histogram("h", "h", {1}).sum(), 2000.0);
}

TEST(Metrics, LatencyBoundsRise) {
  const auto bounds = latency_bounds();
  EXPECT_DOUBLE_EQ(bounds.front(), 0.0001);
  EXPECT_DOUBLE_EQ(bounds.back(), 60);
}

TEST(MetricsDeathTest, OneNameHasOneType) {
  Registry registry;
  registry.counter("c", "h");
  EXPECT_DEATH(registry.gauge("c", "h"), "assertion failed");
}

}  // namespace
}  // namespace cairn::metrics
