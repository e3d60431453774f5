#include "base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "base/log_format.h"

namespace cairn::log {
namespace {

constexpr std::int64_t kWhen = 1795406400123;  // 2026-11-23T04:00:00.123Z

TEST(LogFormat, Text) {
  EXPECT_EQ(format_text(kWhen, Level::info, "started", {{"port", 9000}, {"drive", "/data/1"}}),
            "2026-11-23T04:00:00.123Z INFO started port=9000 drive=/data/1");
}

TEST(LogFormat, TextQuotesAndEscapesValues) {
  EXPECT_EQ(format_text(kWhen, Level::warn, "odd",
                        {{"a", ""}, {"b", "two words"}, {"c", "q\"\\"}, {"d", "x=y"}}),
            "2026-11-23T04:00:00.123Z WARN odd a=\"\" b=\"two words\" c=\"q\\\"\\\\\" d=\"x=y\"");
}

TEST(LogFormat, TextNeverHoldsControlCharacters) {
  const std::string line = format_text(kWhen, Level::error, "a\nb\x1b[31m",
                                       {{"k", "1\r\n2026 INFO forged\x7f\x01"}, {"u", "\xc2\x9b"}});
  for (const char c : line) {
    EXPECT_GE(static_cast<unsigned char>(c), 0x20);
    EXPECT_NE(static_cast<unsigned char>(c), 0x7f);
  }
  EXPECT_NE(line.find("a\\nb\\x1b[31m"), std::string::npos);
  EXPECT_NE(line.find("k=\"1\\r\\n2026 INFO forged\\x7f\\x01\""), std::string::npos);
  EXPECT_NE(line.find("\\xc2\\x9b"), std::string::npos);
}

TEST(LogFormat, TextKeepsUtf8AndEscapesBrokenUtf8) {
  EXPECT_NE(format_text(kWhen, Level::info, "m", {{"k", "привет"}}).find("k=\"привет\""),
            std::string::npos);
  EXPECT_NE(format_text(kWhen, Level::info, "m", {{"k", "\xff\xc3"}}).find("\\xff\\xc3"),
            std::string::npos);
}

TEST(LogFormat, Json) {
  EXPECT_EQ(format_json(kWhen, Level::debug, "say \"hi\"\n", {{"k", "\x01\\\xff"}}),
            "{\"time\":\"2026-11-23T04:00:00.123Z\",\"level\":\"debug\",\"message\":\"say "
            "\\\"hi\\\"\\n\",\"k\":\"\\u0001\\\\\xef\xbf\xbd\"}");
}

class LogFile : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "cairn-log-" + std::to_string(::getpid());
    std::remove(path_.c_str());
  }
  void TearDown() override {
    configure({});
    std::remove(path_.c_str());
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  std::string path_;
};

TEST_F(LogFile, LevelFilters) {
  configure({.level = Level::warn, .file = path_});
  info("hidden");
  warn("shown");
  EXPECT_FALSE(enabled(Level::info));
  const auto all = lines();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(all[0].ends_with(" WARN shown"));
}

TEST_F(LogFile, LinesOfManyThreadsAreWhole) {
  configure({.file = path_});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) info("line", {{"fill", std::string(300, 'x')}});
    });
  }
  for (auto& thread : threads) thread.join();
  const auto all = lines();
  ASSERT_EQ(all.size(), 800u);
  for (const auto& line : all)
    EXPECT_TRUE(line.ends_with("INFO line fill=" + std::string(300, 'x')));
}

}  // namespace
}  // namespace cairn::log
