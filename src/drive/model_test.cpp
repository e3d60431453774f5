// Random messages to a drive over the index in memory, to one over RocksDB, and to a model a page
// long: all three must give the same answers and hold the same state.
#include <unistd.h>

#include <filesystem>

#include "drive/testing/drive_fixture.h"
#include "drive/testing/unit_model.h"

namespace cairn::drive {
namespace {

using testing::kEpoch;
using testing::kPartition;
using testing::make_row;
using testing::unit_of;
using testing::UnitModel;
using testing::value_of;
using Kind = model::Record::DataKind;

class ModelTest : public testing::DriveFixture,
                  public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  ModelTest() : DriveFixture(GetParam()), dice_(io::seeded_random(GetParam() * 7919)) {}

  void SetUp() override {
    DriveFixture::SetUp();
    directory_ =
        std::filesystem::temp_directory_path() /
        ("cairn_model_test_" + std::to_string(::getpid()) + "_" + std::to_string(GetParam()));
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    must(executor.run(files.make_directory("/rocks")));
    open_rocks();
    promise_rocks();
  }
  void TearDown() override {
    rocks_.reset();
    executor.run_until_idle();
    std::filesystem::remove_all(directory_);
  }
  void open_rocks() {
    auto index = open_rocksdb_index((directory_ / "meta").string(), {.sync = false});
    ASSERT_TRUE(index) << index.error().message;
    CoreParts parts{.files = files, .pool = *pool, .metrics = metrics, .executor = executor};
    parts.id = id;
    parts.path = "/rocks";  // blobs apart, it has a shard log of its own
    parts.index = std::move(*index);
    parts.own_thread = false;
    parts.reserve_bytes = 1;
    parts.partition_of = partition_of;
    auto opened = executor.run(LocalDrive::open(std::move(parts)));
    ASSERT_TRUE(opened) << opened.error().message;
    rocks_ = std::move(*opened);
  }
  void promise_rocks() {
    PromiseRequest request;
    request.drive = id;
    request.term = model::Term{1};
    request.leader = 1;
    request.connection = 1;
    request.map_epoch = kEpoch;
    request.entries.push_back({kPartition, kEpoch, "entry"});
    ASSERT_TRUE(executor.run(rocks_->promise(request)));
  }

  std::uint64_t roll(std::uint64_t n) { return dice_->next_u64() % n; }
  bool chance(unsigned percent) { return roll(100) < percent; }

  // A row of a new version that brings inline data.
  Row fresh_row(Stamp s, bool null_version) {
    const auto data = value_of(++data_ids_ << 8);  // a stamp may be used again, data never is
    std::string bytes = "data " + data.hex();
    if (data_ids_ % 3 == 0) bytes.resize(17'000);  // into the shard log
    if (chance(70)) shards_.push_back({data, {io::Slice::of(std::move(bytes))}});
    return make_row(s, s, {.null_version = null_version, .kind = Kind::inline_, .data_id = data});
  }
  // The same version with other metadata.
  Row changed_row(const Row& row, Stamp s) {
    auto record = *model::decode_record(row.record);
    record.meta = "meta " + std::to_string(s.sequence);
    Row out = row;
    out.stamp = s;
    out.record = model::encode_record(record);
    return out;
  }
  static bool is_null(const Row& row) { return model::decode_record(row.record)->version.null; }
  template <class Map>
  auto any_of(const Map& map) {
    auto it = map.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(roll(map.size())));
    return it;
  }

  std::optional<Stamp> pick_base(const UnitModel& unit) {
    if (!unit.pendings.empty() && chance(25)) return any_of(unit.pendings)->first;
    if (chance(5)) return Stamp{1, sequence / 2};
    return unit.settled_head;
  }

  std::shared_ptr<Mutation> random_mutation(const model::UnitKey& key, const UnitModel& unit) {
    Stamp s = next();
    if (chance(5) && s.sequence > 4) s.sequence -= roll(4);
    std::optional<Stamp> base = pick_base(unit);
    if (base && *base >= s) base.reset();
    const UnitModel::Rows* on = &unit.settled;
    if (base && unit.pendings.contains(*base)) on = &unit.pendings.at(*base).after;
    switch (roll(6)) {
      case 0:
        return whole(key, s, {}, base);
      case 1:
        return whole(key, s, {fresh_row(s, true)}, chance(50) ? base : std::nullopt);
      case 2: {  // a re-stamp of something held
        if (unit.pendings.empty()) return whole(key, s, {fresh_row(s, true)});
        const auto& held = any_of(unit.pendings)->second;
        std::vector<Row> rows;
        for (const auto& [order, row] : held.after) rows.push_back(row);
        // A stale stamp is refused, but one older than the rows is no message that a leader sends.
        if (std::ranges::any_of(rows, [&](const Row& row) { return row.stamp > s; })) s = next();
        auto m = whole(key, s, std::move(rows), base);
        m->value = held.mutation.value;
        return m;
      }
      case 3: {  // another version
        std::vector<Row> puts{fresh_row(s, chance(30))};
        std::vector<Stamp> removes;
        for (const auto& [order, row] : *on)
          if (is_null(puts[0]) && is_null(row)) removes.push_back(order);
        return change(key, s, std::move(puts), std::move(removes), base);
      }
      case 4: {  // a version purged
        std::vector<Stamp> removes;
        if (!on->empty()) removes.push_back(any_of(*on)->first);
        return change(key, s, {}, std::move(removes), base);
      }
      default: {  // metadata changed
        if (on->empty()) return whole(key, s, {fresh_row(s, true)}, base);
        return change(key, s, {changed_row(any_of(*on)->second, s)}, {}, base);
      }
    }
  }

  void step_mutate(const model::UnitKey& key, UnitModel& unit) {
    shards_.clear();
    const auto m = random_mutation(key, unit);
    const auto expected = unit.mutate(*m);
    const MutateRequest request{fence(), 0, m, shards_};
    auto here = executor.run(drive->mutate(request));
    auto there = executor.run(rocks_->mutate(request));
    ASSERT_EQ(here.has_value(), expected.has_value()) << (here ? "" : here.error().message);
    ASSERT_EQ(there.has_value(), expected.has_value());
    if (!expected) return;
    ASSERT_EQ(here->refusal, *expected);
    ASSERT_EQ(there->refusal, *expected);
    ASSERT_EQ(here->head, there->head);
    ASSERT_EQ(here->missing.size(), there->missing.size());
  }
  void step_settle(const model::UnitKey& key, UnitModel& unit) {
    if (unit.pendings.empty()) return;
    const Stamp stamp = chance(60) ? unit.pendings.begin()->first : any_of(unit.pendings)->first;
    const bool forget = unit.pendings.at(stamp).after.empty() && chance(60);
    const bool expected = forget ? unit.settle_and_forget(stamp) : unit.settle(stamp);
    for (Drive* const one : {drive.get(), rocks_.get()})
      ASSERT_EQ(executor.run(settle_on(one, {fence(), key, stamp, forget})), expected);
  }
  static io::Task<bool> settle_on(Drive* d, SettleRequest request) {
    std::vector<SettleRequest> one;
    one.push_back(std::move(request));
    const auto replies = co_await d->settle_all(std::move(one));
    co_return replies && replies->at(0);
  }
  void step_install(const model::UnitKey& key, UnitModel& unit) {
    shards_.clear();
    // A settled state from elsewhere: what some pending leaves, or a new one, or the present one
    // again.
    Stamp head = unit.settled_head.value_or(next());
    std::vector<Row> rows;
    if (!unit.pendings.empty() && chance(60)) {
      const auto held = any_of(unit.pendings);
      head = held->first;
      for (const auto& [order, row] : held->second.after) rows.push_back(row);
    } else if (chance(50)) {
      for (const auto& [order, row] : unit.settled) rows.push_back(row);
    } else {
      head = next();
      rows.push_back(fresh_row(head, true));
    }
    const auto expected = unit.install(head, rows);
    const InstallRequest request{fence(), 0, key, head, rows, shards_};
    auto here = executor.run(drive->install(request));
    auto there = executor.run(rocks_->install(request));
    ASSERT_EQ(here.has_value(), expected.has_value());
    ASSERT_EQ(there.has_value(), expected.has_value());
    if (!expected) return;
    ASSERT_EQ(here->refusal, *expected);
    ASSERT_EQ(there->refusal, *expected);
  }
  void step_forget(const model::UnitKey& key, UnitModel& unit) {
    const Stamp head = unit.settled_head.value_or(Stamp{1, 1});
    const Refusal expected = unit.forget(head);
    ASSERT_EQ(*executor.run(drive->forget(fence(), key, head)), expected);
    ASSERT_EQ(*executor.run(rocks_->forget(fence(), key, head)), expected);
  }

  static std::vector<Row> list(const UnitModel::Rows& rows) {
    std::vector<Row> out;
    for (const auto& [order, row] : rows) out.push_back(row);
    return out;
  }

  void compare(Drive& d, const model::UnitKey& key, const UnitModel& unit) {
    ReadRequest request;
    request.drive = id;
    request.partition = kPartition;
    request.map_epoch = kEpoch;
    request.unit = key;
    request.select = Select::all;
    auto reply = executor.run(d.read(request));
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_EQ(reply->head, unit.head());
    ASSERT_EQ(reply->settled, unit.pendings.empty() && unit.settled_head.has_value());
    ASSERT_EQ(reply->rows, list(unit.rows()));
    ASSERT_EQ(reply->row_count, unit.rows().size());
    std::optional<Row> null_row;
    for (const auto& [order, row] : unit.rows())
      if (is_null(row)) null_row = row;
    ASSERT_EQ(reply->null_row, null_row);
    request.select = Select::latest;
    reply = executor.run(d.read(request));
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->rows.size(), std::min<std::size_t>(unit.rows().size(), 1));
    if (!unit.rows().empty()) {
      ASSERT_EQ(reply->rows[0], unit.rows().begin()->second);
      const Row& any = any_of(unit.rows())->second;
      request.select = Select::version;
      request.version = model::decode_record(any.record)->version;
      reply = executor.run(d.read(request));
      ASSERT_TRUE(reply);
      ASSERT_EQ(reply->rows, std::vector<Row>{any});
      ASSERT_EQ(reply->latest_is_selected, any == unit.rows().begin()->second);
    }
    auto inspected = executor.run(d.inspect(fence(), key, true));
    ASSERT_TRUE(inspected) << inspected.error().message;
    const UnitState& state = inspected->second;
    ASSERT_EQ(state.settled_head, unit.settled_head);
    ASSERT_EQ(state.rows, list(unit.settled));
    ASSERT_EQ(state.pendings.size(), unit.pendings.size());
    std::size_t i = 0;
    for (const auto& [stamp, held] : unit.pendings) {
      const auto& m = state.pendings[i++].mutation;
      ASSERT_EQ(m.stamp, stamp);
      ASSERT_EQ(m.base, held.mutation.base);
      ASSERT_EQ(m.value, held.mutation.value);
      ASSERT_EQ(m.whole, held.mutation.whole);
      ASSERT_EQ(m.removes, held.mutation.removes);
      auto puts = held.mutation.puts;
      std::ranges::sort(puts, std::greater<>{}, &Row::order);
      ASSERT_EQ(m.puts, puts);
    }
  }

  // Nothing is kept that nothing names, and nothing is lost that something names (10.9).
  void compare_data() {
    std::set<std::string> named;
    for (const auto& [key, unit] : units_) {
      const auto note = [&](const Row& row) {
        named.emplace(model::decode_record(row.record)->data.data_id.raw());
      };
      for (const auto& [order, row] : unit.settled) note(row);
      for (const auto& [stamp, held] : unit.pendings)
        for (const auto& row : held.mutation.puts) note(row);
    }
    std::set<std::string> here;
    for (const auto& key : keys(Family::inline_data)) here.insert(key);
    for (const auto& key : keys(Family::logged)) here.insert(key);
    for (const auto& key : keys(Family::missing)) here.insert(key.substr(0, 16));
    ASSERT_EQ(here, named);
    // A shard is here or marked missing, never both.
    ASSERT_EQ(keys(Family::inline_data).size() + keys(Family::logged).size() +
                  keys(Family::missing).size(),
              named.size());
  }

  void compare_scan(Drive& d) {
    ScanRequest request;
    request.drive = id;
    request.all_rows = chance(50);
    request.max_units = 1 + roll(4);
    struct Seen {
      std::optional<Stamp> head;
      bool settled;
      std::vector<Row> rows;
    };
    std::map<model::UnitKey, Seen> seen;
    for (;;) {
      auto reply = executor.run(d.scan(request));
      ASSERT_TRUE(reply) << reply.error().message;
      for (const auto unit : reply->units) {
        Seen one{unit.head(), unit.settled(), testing::rows_of(unit)};
        ASSERT_TRUE(seen.emplace(unit.unit(), std::move(one)).second);
      }
      if (reply->exhausted) break;
      request.begin = reply->resume;
    }
    std::size_t known = 0;
    for (const auto& [key, unit] : units_) {
      if (!unit.head()) continue;
      ++known;
      ASSERT_TRUE(seen.contains(key));
      const Seen& found = seen.at(key);
      ASSERT_EQ(found.head, unit.head());
      ASSERT_EQ(found.settled, unit.pendings.empty());
      auto rows = list(unit.rows());
      if (!request.all_rows && rows.size() > 1) rows.resize(1);
      ASSERT_EQ(found.rows, rows);
    }
    ASSERT_EQ(seen.size(), known);
  }

  void step() {
    auto it = units_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(roll(units_.size())));
    const unsigned kind = static_cast<unsigned>(roll(100));
    if (kind < 55) {
      step_mutate(it->first, it->second);
    } else if (kind < 85) {
      step_settle(it->first, it->second);
    } else if (kind < 93) {
      step_install(it->first, it->second);
    } else {
      step_forget(it->first, it->second);
    }
    if (HasFatalFailure()) return;
    compare(*drive, it->first, it->second);
    if (HasFatalFailure()) return;
    compare(*rocks_, it->first, it->second);
  }

  std::uint64_t data_ids_ = 0;
  std::unique_ptr<io::Random> dice_;
  std::filesystem::path directory_;
  std::unique_ptr<LocalDrive> rocks_;
  std::vector<InlineShard> shards_;
  std::map<model::UnitKey, UnitModel> units_;
};

TEST_P(ModelTest, BothIndexesAgreeWithTheModel) {
  for (const char* key : {"a", "ab", "b", "b/c"}) units_[unit_of(key)];
  units_[model::UnitKey::upload(model::BucketId{7}, "a", {})];
  units_[model::UnitKey::part(model::BucketId{7}, "a", {}, 1)];
  for (int i = 0; i < 300; ++i) {
    step();
    if (HasFatalFailure()) FAIL() << "seed " << GetParam() << ", step " << i;
    if (i % 20 == 0) {
      compare_data();
      compare_scan(*drive);
      compare_scan(*rocks_);
      if (HasFatalFailure()) FAIL() << "seed " << GetParam() << ", step " << i;
    }
    if (i % 100 == 50) {
      // Mounted again: what is in memory is read back from the index.
      executor.run(drive->close());
      drive.reset();
      mount();
      executor.run(rocks_->close());
      rocks_.reset();
      open_rocks();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, ::testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace cairn::drive
