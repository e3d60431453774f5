#include "cli/bench_options.h"

#include <gtest/gtest.h>

namespace cairn::cli {
namespace {

TEST(BenchOptions, SizesAndDurations) {
  EXPECT_EQ(*parse_size("4KiB"), 4096u);
  EXPECT_EQ(*parse_size("5GiB"), 5ull << 30);
  EXPECT_EQ(*parse_size("0"), 0u);
  EXPECT_FALSE(parse_size("4kb"));
  EXPECT_FALSE(parse_size("-1"));
  EXPECT_FALSE(parse_size("99999999TiB"));
  EXPECT_DOUBLE_EQ(*parse_duration("10s"), 10.0);
  EXPECT_DOUBLE_EQ(*parse_duration("500ms"), 0.5);
  EXPECT_DOUBLE_EQ(*parse_duration("2m"), 120.0);
  EXPECT_FALSE(parse_duration("0s"));
  EXPECT_FALSE(parse_duration("soon"));
}

TEST(BenchOptions, AWholeCommandLine) {
  auto parsed = parse_bench_options({"get", "--endpoint", "http://127.0.0.1:9123/", "--size",
                                     "1MiB", "--concurrency", "7", "--duration", "3s",
                                     "--access-key", "a", "--secret-key", "b", "--json"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->options.what, Case::get);
  EXPECT_EQ(parsed->options.name, "get");
  EXPECT_EQ(parsed->options.endpoint.port, 9123);
  EXPECT_EQ(parsed->options.size, 1u << 20);
  EXPECT_EQ(parsed->options.concurrency, 7u);
  EXPECT_TRUE(parsed->options.json);
}

TEST(BenchOptions, MistakesAreRefused) {
  const std::vector<std::string> keys{"--access-key", "a", "--secret-key", "b"};
  const auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), keys.begin(), keys.end());
    return parse_bench_options(arguments);
  };
  EXPECT_FALSE(with({"fly"}));
  EXPECT_FALSE(with({}));
  EXPECT_FALSE(with({"get", "--endpoint", "https://x"}));
  EXPECT_FALSE(with({"get", "--endpoint", "http://x:port"}));
  EXPECT_FALSE(with({"get", "--concurrency", "0"}));
  EXPECT_FALSE(with({"range", "--size", "4KiB", "--range", "8KiB"}));
  EXPECT_FALSE(with({"get", "--colour"}));
}

}  // namespace
}  // namespace cairn::cli
