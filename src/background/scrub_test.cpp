#include <gtest/gtest.h>

#include "background/scrub/scrub.h"
#include "background/testing/fixture.h"
#include "control/memory.h"

namespace cairn::background::testing {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct ScrubTest : Services {
  ScrubTest() {
    options.bytes_per_second = 1'000'000;  // a unit of the fake store has as many bytes
    options.page_units = 3;
  }
  void fill(int count) {
    for (int i = 0; i < count; ++i) store.units.insert(unit(i));
  }
  control::MemoryStore control;
  ScrubOptions options;
};

TEST_F(ScrubTest, ReadsEverythingAtItsPaceOnceInAnInterval) {
  fill(100);
  store.damage[unit(42)] = 2;
  Scrub scrub(store, control, clock, metrics, options);
  scrub.start(executor);
  pass(options.first_pause + seconds(50));
  EXPECT_NEAR(static_cast<double>(store.verified.size()), 50.0, 2.0);
  EXPECT_TRUE(scrub.status().in_pass);
  pass(seconds(60));
  EXPECT_EQ(store.verified, std::vector<model::UnitKey>(store.units.begin(), store.units.end()));
  const ScrubState done = scrub.status();
  EXPECT_FALSE(done.in_pass);
  EXPECT_EQ(done.units, 100u);
  EXPECT_EQ(done.bytes, 100'000'000u);
  EXPECT_EQ(done.damaged_shards, 2u);
  EXPECT_NE(done.finished_ms, 0);
  pass(hours(24 * 6));
  EXPECT_EQ(store.verified.size(), 100u);
  pass(hours(26));
  EXPECT_EQ(store.verified.size(), 200u);
  stop(scrub);
}

TEST_F(ScrubTest, GoesOnAfterARestart) {
  fill(100);
  {
    Scrub scrub(store, control, clock, metrics, options);
    scrub.start(executor);
    pass(options.first_pause + seconds(60));
    stop(scrub);
  }
  const std::size_t before = store.verified.size();
  EXPECT_LT(before, 100u);
  Scrub scrub(store, control, clock, metrics, options);
  scrub.start(executor);
  pass(options.first_pause + seconds(100));
  EXPECT_EQ(scrub.status().units, store.verified.size());
  EXPECT_LE(store.verified.size(),
            101u);  // the unit that was read when it was stopped may come twice
  EXPECT_FALSE(scrub.status().in_pass);
  std::ranges::sort(store.verified);
  for (const auto& u : store.units) EXPECT_TRUE(std::ranges::binary_search(store.verified, u));
  stop(scrub);
}

TEST_F(ScrubTest, WaitsWhileTheStoreDoesNotAnswerAndSkipsNothing) {
  fill(10);
  store.scan_fails = true;
  Scrub scrub(store, control, clock, metrics, options);
  scrub.start(executor);
  pass(minutes(10));
  EXPECT_TRUE(store.verified.empty());
  EXPECT_EQ(scrub.status().finished_ms, 0);
  store.scan_fails = false;
  pass(minutes(5));
  EXPECT_EQ(store.verified.size(), 10u);
  stop(scrub);
}

TEST_F(ScrubTest, CountsWhatItCannotVerify) {
  fill(5);
  store.cannot.insert(unit(3));
  Scrub scrub(store, control, clock, metrics, options);
  scrub.start(executor);
  pass(minutes(5));
  EXPECT_EQ(scrub.status().errors, 1u);
  EXPECT_EQ(scrub.status().units, 5u);
  stop(scrub);
}

TEST_F(ScrubTest, SwitchedOffItRunsOnlyWhenAsked) {
  fill(5);
  options.bytes_per_second = 0;
  Scrub scrub(store, control, clock, metrics, options);
  scrub.start(executor);
  pass(hours(24 * 30));
  EXPECT_TRUE(store.verified.empty());
  scrub.run_now();
  pass(minutes(1));
  EXPECT_EQ(store.verified.size(), 5u);
  stop(scrub);
}

TEST_F(ScrubTest, ItsStateIsReadBackAndDamagedStateIsNot) {
  ScrubState s;
  s.cursor = std::string("o\0\xff\n x", 6);
  s.in_pass = true;
  s.started_ms = 1;
  s.finished_ms = 1'800'000'000'000;
  s.units = 3;
  s.bytes = ~0ull;
  s.damaged_shards = 5;
  s.not_whole = 6;
  s.errors = 7;
  const std::string text = encode_scrub_state(s);
  auto back = decode_scrub_state(text);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, s);
  back = decode_scrub_state(text + "of_a_newer_version 12\n");
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, s);
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    const auto partial = decode_scrub_state(std::string_view(text).substr(0, cut));
    if (partial) EXPECT_EQ(text[cut - 1], '\n');
  }
  EXPECT_FALSE(decode_scrub_state("cairn-scrub 2\n"));
  EXPECT_FALSE(decode_scrub_state("cairn-scrub 1\nunits x\n"));
  EXPECT_FALSE(decode_scrub_state("cairn-scrub 1\ncursor zz\n"));
}

}  // namespace
}  // namespace cairn::background::testing
