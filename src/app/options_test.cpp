#include "app/options.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "app/node.h"

namespace cairn::app {
namespace {

ServerSettings good(std::vector<std::string> arguments) {
  auto parsed = parse_server_options(arguments);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed && parsed->settings ? *parsed->settings : ServerSettings{};
}

std::string bad(std::vector<std::string> arguments) {
  auto parsed = parse_server_options(arguments);
  EXPECT_FALSE(parsed);
  return parsed ? "" : parsed.error().message;
}

TEST(Options, DefaultsAndDrives) {
  const auto settings = good({"/mnt/disk{1...4}"});
  EXPECT_EQ(settings.drives,
            (std::vector<std::string>{"/mnt/disk1", "/mnt/disk2", "/mnt/disk3", "/mnt/disk4"}));
  EXPECT_EQ(settings.port, 9000);
  EXPECT_EQ(settings.credentials_file, "/mnt/credentials");
  EXPECT_FALSE(settings.erasure);
  EXPECT_FALSE(settings.unsafe_no_sync);
}

TEST(Options, EverythingSet) {
  const auto settings =
      good({"--listen", "[::1]:9100", "--erasure", "2+1", "--region", "eu-x", "--memory", "1GiB",
            "--log-format", "json", "--domain", "s3.local", "/a", "/b", "/c"});
  EXPECT_EQ(settings.host, "::1");
  EXPECT_EQ(settings.port, 9100);
  EXPECT_EQ(settings.erasure->text(), "2+1");
  EXPECT_EQ(settings.memory_bytes, 1ull << 30);
  EXPECT_EQ(settings.domains, std::vector<std::string>{"s3.local"});
  EXPECT_TRUE(settings.log.json);
}

TEST(Options, MistakesSayWhatToDo) {
  EXPECT_NE(bad({}).find("no drives"), std::string::npos);
  EXPECT_NE(bad({"--erasure", "4+2", "/a"}).find("needs 6 drives"), std::string::npos);
  EXPECT_NE(bad({"/a", "/a/"}).find("twice"), std::string::npos);
  EXPECT_NE(bad({"--listen", "nowhere", "/a"}).find("HOST:PORT"), std::string::npos);
  EXPECT_NE(bad({"--memory", "1MiB", "/a"}).find("256MiB"), std::string::npos);
  EXPECT_NE(bad({"--colour", "/a"}).find("--help"), std::string::npos);
  EXPECT_NE(bad({"--memory", "lots", "/a"}).find("no size"), std::string::npos);
}

TEST(Options, WorldsOfTheTestsCannotBeEnteredByAccident) {
  ::unsetenv("CAIRN_TESTING");
  EXPECT_NE(bad({"--testing-chunk", "1KiB", "/a"}).find("for the tests"), std::string::npos);
  EXPECT_NE(bad({"--testing-slow-drive", "1:100", "/a"}).find("for the tests"), std::string::npos);
  ::setenv("CAIRN_TESTING", "yes", 1);
  EXPECT_NE(bad({"--testing-chunk", "1KiB", "/a"}).find("for the tests"), std::string::npos);
  ::setenv("CAIRN_TESTING", "1", 1);
  EXPECT_EQ(good({"/a"}).testing.chunk_bytes, 0u);
  EXPECT_EQ(good({"/a"}).testing.slow_drive, "");
  EXPECT_EQ(good({"--testing-chunk", "777", "/a"}).testing.chunk_bytes, 777u);
  const auto slow = good({"--testing-slow-drive", "2:1500", "/a", "/b"}).testing;
  EXPECT_EQ(slow.slow_drive, "/b");
  EXPECT_EQ(slow.slow_drive_ms, 1500u);
  for (const char* wrong : {"3:1", "0:1", "1", "1:", "1:x", ":1", "1:99999999", "2:1 "})
    EXPECT_NE(bad({"--testing-slow-drive", wrong, "/a", "/b"}), "") << wrong;
  EXPECT_NE(bad({"--testing-chunk", "0", "/a"}), "");
  EXPECT_NE(bad({"--testing-chunk", "2MiB", "/a"}), "");
  const auto help = parse_server_options({"--help"});
  EXPECT_EQ(help->help.find("testing"), std::string::npos);
  ::unsetenv("CAIRN_TESTING");
}

TEST(Options, ADriveIsGivenUpByItsIdOnly) {
  const std::string id = "0123456789abcdef0123456789abcdef";
  const auto parsed = parse_server_options({"--retire-drive", id, "/a", "/b"});
  ASSERT_TRUE(parsed);
  ASSERT_TRUE(parsed->settings->retire_drive);
  EXPECT_EQ(parsed->settings->retire_drive->hex(), id);
  for (const std::string& wrong :
       {std::string("/b"), std::string("1"), id + "0", std::string(32, '0'), std::string(32, 'g')})
    EXPECT_FALSE(parse_server_options({"--retire-drive", wrong, "/a", "/b"})) << wrong;
}

TEST(Options, HelpIsNoError) {
  auto parsed = parse_server_options({"--help"});
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(parsed->settings);
  EXPECT_NE(parsed->help.find("CAIRN_LISTEN"), std::string::npos);
}

TEST(MemoryPlan, PartsFitTheLimit) {
  for (const std::uint64_t limit : {256ull << 20, 1ull << 30, 64ull << 30}) {
    for (const std::size_t drives : {1u, 4u, 16u}) {
      const auto plan = plan_memory(limit, drives, 0);
      EXPECT_LE(plan.bodies + drives * (plan.block_cache_per_drive + plan.memtable_per_drive) +
                    plan.cached_units * 1024,
                limit);
      EXPECT_GT(plan.memtable_per_drive, 0u);
    }
  }
  EXPECT_EQ(plan_memory(0, 4, 8ull << 30).total, 2ull << 30);
}

}  // namespace
}  // namespace cairn::app
