// A drive under concurrent writers loses power at random moments, again and again. After every
// crash: what was acknowledged is there, nothing is named that is not there (protocol.md 10.9),
// promises and heads did not decrease (10.2), and the sweep leaves no file that nothing names.
#include "drive/blob_format.h"
#include "drive/testing/drive_fixture.h"

namespace cairn::drive {
namespace {

using testing::kEpoch;
using testing::kPartition;
using testing::make_row;
using testing::unit_of;
using testing::value_of;
using Kind = model::Record::DataKind;

class CrashTest : public testing::DriveFixture,
                  public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  CrashTest() : DriveFixture(GetParam()), dice_(io::seeded_random(GetParam() + 1000)) {}

  struct Known {
    std::vector<Stamp> held{};       // acknowledged as held
    std::optional<Stamp> settled{};  // told to be settled
    bool busy = false;               // its lock: one writer at a time
  };

  std::uint64_t roll(std::uint64_t n) { return dice_->next_u64() % n; }

  io::Task<bool> stage_blob(std::shared_ptr<LocalDrive> d, BlobName name, std::size_t size) {
    auto writer = co_await d->create_blob(name);
    if (!writer) co_return false;
    const std::string bytes = blob_bytes(name, size);
    for (std::size_t at = 0; at < size; at += 40'000) {
      ShardBytes pieces{{io::as_bytes(std::string_view(bytes).substr(at, 40'000))}, {}};
      auto appended = co_await (*writer)->append(std::move(pieces));
      if (!appended) co_return false;
    }
    auto finished = co_await (*writer)->finish();
    co_return finished.has_value();
  }

  // Some are large enough for the shard log.
  static std::string inline_bytes(const model::ValueId& data) {
    std::string bytes = "inline " + data.hex();
    if (data.bytes[15] % 2 == 0) bytes.resize(16'384 + data.bytes[15], '.');
    return bytes;
  }

  io::Task<void> write_one(std::shared_ptr<LocalDrive> d, std::string key) {
    const auto unit = unit_of(key);
    const Stamp s = next();
    const auto data = value_of(s.term << 32 | s.sequence);
    const std::uint64_t kind = roll(10);
    std::vector<Row> rows;
    std::vector<InlineShard> shards;
    if (kind < 4) {
      const bool staged = co_await stage_blob(d, {data, 0}, 1 + roll(100'000));
      if (staged || roll(4) == 0)
        rows.push_back(make_row(s, s, {.kind = Kind::blob, .data_id = data}));
    } else if (kind < 8) {
      rows.push_back(make_row(s, s, {.kind = Kind::inline_, .data_id = data}));
      if (roll(8) != 0) shards.push_back({data, {io::Slice::of(inline_bytes(data))}});
    }
    MutateRequest request{fence(), 0, whole(unit, s, std::move(rows)), std::move(shards)};
    auto reply = co_await d->mutate(std::move(request));
    if (reply && reply->held()) {
      known_[key].held.push_back(s);
      if (roll(10) < 7) {
        auto settled = co_await d->settle(fence(), unit, s);
        if (settled && *settled == Refusal::none) known_[key].settled = s;
      }
    }
    known_[key].busy = false;
  }

  io::Task<void> raise_promise(std::shared_ptr<LocalDrive> d) {
    PromiseRequest request;
    request.drive = id;
    request.term = model::Term{term + 1};
    request.leader = 1;
    request.connection = connection;
    request.map_epoch = kEpoch;
    request.entries.push_back({kPartition, kEpoch, "entry"});
    const std::uint64_t asked = request.term.value;
    auto reply = co_await d->promise(std::move(request));
    if (reply && reply->refusal == Refusal::none) promised_ = std::max(promised_, asked);
  }

  void check_row(const Row& row, const std::vector<MissingShard>& missing) {
    const auto record = *model::decode_record(row.record);
    const auto data = record.data.data_id;
    if (record.data_kind == Kind::none) return;
    for (const auto& one : missing)
      if (one.data_id == data) return;
    if (record.data_kind == Kind::blob) {
      auto bytes = read_blob({data, 0});
      ASSERT_TRUE(bytes) << "a name without its blob: " << bytes.error().message;
      ASSERT_EQ(*bytes, blob_bytes({data, 0}, bytes->size()));
    } else {
      auto slice = executor.run(drive->read_inline(data));
      ASSERT_TRUE(slice) << "a name without its shard: " << slice.error().message;
      ASSERT_TRUE(io::as_text(slice->bytes) == inline_bytes(data));
    }
  }

  void check_unit(const std::string& key, const Known& known) {
    const UnitState state = inspect(unit_of(key));
    std::set<Stamp> pendings;
    for (const auto& pending : state.pendings) pendings.insert(pending.mutation.stamp);
    for (const Stamp& s : known.held) {
      const bool superseded = state.settled_head && *state.settled_head >= s;
      ASSERT_TRUE(superseded || pendings.contains(s)) << key << " lost an acknowledged mutation";
    }
    // Nobody is told settled that was not.
    if (state.settled_head) {
      ASSERT_TRUE(known.settled && *state.settled_head <= *known.settled);
    }
    for (const Row& row : state.rows) {
      check_row(row, state.missing);
      if (HasFatalFailure()) return;
    }
    for (const auto& pending : state.pendings)
      for (const Row& row : pending.mutation.puts) {
        check_row(row, pending.missing);
        if (HasFatalFailure()) return;
      }
  }

  void check_files() {
    std::set<std::string> named;
    for (const auto& key : keys(Family::refs)) named.insert(blob_file_name(decode_ref(key)->blob));
    for (unsigned i = 0; i < 256; ++i) {
      static constexpr char digits[] = "0123456789abcdef";
      const std::string directory = path + "/blobs/" + digits[i >> 4] + digits[i & 15];
      auto entries = executor.run(files.list(directory));
      ASSERT_TRUE(entries);
      for (const auto& entry : *entries)
        ASSERT_TRUE(named.contains(entry.name)) << "the sweep left " << entry.name;
    }
    ASSERT_TRUE(executor.run(files.list(path + "/tmp"))->empty());
  }

  void run_until_crash() {
    std::shared_ptr<LocalDrive> shared = std::move(drive);
    // Sometimes between any two steps of a batch.
    if (roll(3) == 0) files.lose_power_after(roll(150));
    for (std::uint64_t left = 50 + roll(600); left > 0; --left) {
      if (roll(3) == 0) {
        const std::string key(1, static_cast<char>('a' + roll(6)));
        if (!std::exchange(known_[key].busy, true)) io::spawn(executor, write_one(shared, key));
      }
      if (roll(200) == 0) io::spawn(executor, raise_promise(shared));
      executor.step();
    }
    shared->retire("the power goes");
    shared.reset();
    if (roll(4) == 0) {
      files.power_cut_losing_all();
      disk.crash_losing_all();
    } else {
      files.power_cut(*random);
      disk.crash(*random);
    }
    executor.run_until_idle();  // whoever still waited hears that the drive is gone
    for (auto& [key, known] : known_) ASSERT_FALSE(known.busy);
    mount();
  }

  std::unique_ptr<io::Random> dice_;
  std::map<std::string, Known> known_;
  std::uint64_t promised_ = 1;
};

TEST_P(CrashTest, WhatWasAcknowledgedIsThereAndWhatIsNamedToo) {
  for (int round = 0; round < 12; ++round) {
    run_until_crash();
    if (HasFatalFailure()) FAIL() << "seed " << GetParam() << ", round " << round;
    auto state = executor.run(drive->partition_state(kPartition));
    ASSERT_TRUE(state);
    ASSERT_GE(state->promised.value, promised_);
    promise(state->promised.value + 1);
    promised_ = term;
    for (const auto& [key, known] : known_) {
      check_unit(key, known);
      if (HasFatalFailure()) FAIL() << "seed " << GetParam() << ", round " << round;
    }
    executor.run_until_idle();
    check_files();
    if (HasFatalFailure()) FAIL() << "seed " << GetParam() << ", round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, CrashTest, ::testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace cairn::drive
