// Places in the shard log of a drive: in use as long as the index names them.
#include "drive/testing/drive_fixture.h"

namespace cairn::drive {
namespace {

using testing::make_row;
using testing::unit_of;
using testing::value_of;
using Kind = model::Record::DataKind;

class ShardPlacesTest : public testing::DriveFixture {
 protected:
  ShardPlacesTest() : DriveFixture(1) {}
};

// Whatever becomes of a shard in the log, its place is in use exactly as long as the index names
// it: settled over, refused, settled by the mutation that rests on it, forgotten, wiped.
TEST_F(ShardPlacesTest, PlacesInTheShardLogAreInUseAsLongAsTheyAreNamed) {
  const auto named = [&] {
    std::uint64_t bytes = 0;
    for (const auto& [key, value] : *disk.tables()[static_cast<std::size_t>(Family::logged)])
      bytes += (decode_logged(value)->place.bytes + kLogPage - 1) / kLogPage * kLogPage;
    return bytes;
  };
  const auto check = [&](const char* when) {
    executor.run_until_idle();
    EXPECT_EQ(drive->shard_log_bytes(), named()) << when;
  };
  const auto random = io::seeded_random(3);
  const auto roll = [&](std::uint64_t n) { return random->next_u64() % n; };
  std::map<std::string, Stamp> last;
  for (int step = 0; step < 400; ++step) {
    const std::string key(1, static_cast<char>('a' + roll(5)));
    const auto unit = unit_of(key);
    const Stamp s = next();
    const auto data = value_of(s.sequence);
    std::vector<Row> rows;
    std::vector<InlineShard> shards;
    if (roll(5) != 0) {
      rows.push_back(make_row(s, s, {.kind = Kind::inline_, .data_id = data}));
      shards.push_back({data, {io::Slice::of(std::string(16'384 + roll(9'000), 's'))}});
    }
    std::optional<Stamp> base;
    if (last.contains(key) && roll(4) != 0) base = last[key];
    auto mutation = whole(unit, s, std::move(rows), base);
    const auto reply = mutate(mutation, shards);
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->refusal, Refusal::none);
    if (roll(6) == 0) accept(mutation, shards);  // again
    if (roll(6) == 0) {                          // late
      const Stamp old{s.term, 1};
      const auto late = make_row(old, old, {.kind = Kind::inline_, .data_id = data});
      EXPECT_EQ(mutate(whole(unit, old, {late}), shards)->refusal, Refusal::stale_stamp);
    }
    if (roll(3) == 0) settle(unit, s);
    last[key] = s;
  }
  for (const auto& [key, stamp] : last) settle(unit_of(key), stamp);
  accept(whole(unit_of("z"), next(), {}));  // something that is synced
  // What a repetition brought a second time waits for the next mount.
  executor.run_until_idle();
  EXPECT_GT(named(), 0u);
  mount_again();
  check("after a mount");
  const std::uint64_t before = drive->shard_log_bytes();
  const Stamp s = next(), t = next(), u = next();
  const auto row = [&](Stamp at) {
    return make_row(at, at, {.kind = Kind::inline_, .data_id = value_of(at.sequence)});
  };
  const auto shard = [&](Stamp at) {
    return std::vector<InlineShard>{
        {value_of(at.sequence), {io::Slice::of(std::string(20'000, 'x'))}}};
  };
  accept(whole(unit_of("new"), s, {row(s)}), shard(s));
  check("one");
  EXPECT_EQ(drive->shard_log_bytes(), before + 5 * kLogPage);
  settle(unit_of("new"), s);
  accept(whole(unit_of("new"), t, {row(t)}, s), shard(t));
  check("a pending above it");
  EXPECT_EQ(drive->shard_log_bytes(), before + 10 * kLogPage);
  accept(whole(unit_of("new"), u, {row(u)}, t), shard(u));  // settles t, and s goes
  check("the base of the next one");
  EXPECT_EQ(drive->shard_log_bytes(), before + 10 * kLogPage);
  EXPECT_EQ(mutate(whole(unit_of("new"), s, {row(s)}), shard(s))->refusal, Refusal::stale_stamp);
  accept(whole(unit_of("z"), next(), {}));
  check("refused");
  since = model::MapEpoch{2};  // it left and joined again
  promise(term + 1);
  accept(whole(unit_of("z"), next(), {}));
  check("wiped");
  EXPECT_EQ(drive->shard_log_bytes(), 0u);
}

}  // namespace
}  // namespace cairn::drive
