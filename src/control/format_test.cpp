#include "control/format.h"

#include <gtest/gtest.h>

#include "crypto/digest.h"

namespace cairn::control::format {
namespace {

State sample() {
  State state;
  std::vector<Event> events;
  state.apply({{"map", std::string("\0\1\2", 3)}, {"bucket/a", "x"}}, events);
  state.apply({{"bucket/b", ""}, {"map", std::nullopt}}, events);
  return state;
}

std::string sample_log() {
  auto log = encode_log_header(7, 2);
  append_record(log, 7, 3, 2, {{"k", "v"}});
  append_record(log, 7, 4, 2, {{"k", std::nullopt}, {"l", ""}});
  append_record(log, 7, 5, 4, {});
  return log;
}

TEST(ControlFormat, RoundTrips) {
  EXPECT_EQ(*decode_promise(encode_promise(42)), 42u);
  const auto snapshot = decode_snapshot(encode_snapshot(7, sample()));
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(snapshot->epoch, 7u);
  EXPECT_EQ(snapshot->state.revision, 2u);
  EXPECT_EQ(snapshot->state.get("bucket/b")->mod_revision, 2u);
  EXPECT_FALSE(snapshot->state.get("map"));
  const auto records = decode_log(sample_log(), 7, 2);
  ASSERT_EQ(records->size(), 3u);
  EXPECT_EQ((*records)[1].revision, 4u);
  EXPECT_FALSE((*records)[1].changes[0].value);
  EXPECT_EQ((*records)[1].changes[1].value, "");
}

TEST(ControlFormat, DamagedFilesAreCorrupt) {
  for (const auto& whole : {encode_promise(42), encode_snapshot(7, sample())})
    for (std::size_t i = 0; i < whole.size(); ++i) {
      auto flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ 4);
      EXPECT_FALSE(decode_promise(flipped).has_value() || decode_snapshot(flipped).has_value());
      EXPECT_FALSE(decode_promise(whole.substr(0, i)).has_value() ||
                   decode_snapshot(whole.substr(0, i)).has_value());
    }
}

TEST(ControlFormat, ALogIsNotTakenForAnother) {
  EXPECT_FALSE(decode_log(sample_log(), 8, 2).has_value());
  EXPECT_FALSE(decode_log(sample_log(), 7, 3).has_value());
  EXPECT_FALSE(decode_log("", 7, 2).has_value());
  EXPECT_TRUE(decode_log(encode_log_header(7, 2), 7, 2)->empty());
}

TEST(ControlFormat, TheLastUnsyncedBatchMayBeTornAnywhere) {
  auto log = encode_log_header(7, 2);
  append_record(log, 7, 3, 2, {{"k", "v"}});
  const auto synced = log.size();
  append_record(log, 7, 4, 3, {{"l", "v"}});
  append_record(log, 7, 5, 3, {{"m", "v"}});
  // Flips in the last batch, of two records: the second may be there without the first.
  for (std::size_t i = synced; i < log.size(); ++i) {
    auto torn = log;
    torn[i] = static_cast<char>(torn[i] ^ 0xFF);
    const auto records = decode_log(torn, 7, 2);
    ASSERT_TRUE(records.has_value()) << i;
    EXPECT_GE(records->size(), 1u);
    EXPECT_LT(records->size(), 3u);
  }
  // Below it, what is damaged had been synced.
  for (std::size_t i = encode_log_header(7, 2).size(); i < synced; ++i) {
    auto damaged = log;
    damaged[i] = static_cast<char>(damaged[i] ^ 0xFF);
    EXPECT_EQ(decode_log(damaged, 7, 2).code(), Code::corrupt) << i;
  }
}

TEST(ControlFormat, BytesArePinned) {
  const auto sum = [](std::string_view bytes) { return crypto::xxh3_64(as_bytes(bytes)); };
  EXPECT_EQ(crypto::to_hex(as_bytes(encode_promise(42))),
            "43524e43544c45012a00000000000000f5e4e42d9a724358");
  EXPECT_EQ(sum(encode_snapshot(7, sample())), 3132860816068285122ull);
  EXPECT_EQ(sum(sample_log()), 5388920352220867761ull);
}

}  // namespace
}  // namespace cairn::control::format
