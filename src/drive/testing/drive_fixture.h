// What tests of a drive share: a simulated drive that can crash, and short ways to make messages.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "drive/testing/sim_drive.h"
#include "io/testing/power_cut.h"
#include "io/testing/sim_executor.h"

namespace cairn::drive::testing {

inline const model::PartitionId kPartition{3};
inline const model::MapEpoch kEpoch{1};

inline model::ValueId value_of(std::uint64_t n) {
  model::ValueId id;
  for (int i = 0; i < 8; ++i) id.bytes[15 - i] = static_cast<std::uint8_t>(n >> (8 * i));
  return id;
}

inline model::UnitKey unit_of(const std::string& key) {
  return model::UnitKey::object(model::BucketId{7}, key);
}

struct RowOptions {
  bool null_version = true;
  model::Record::DataKind kind = model::Record::DataKind::none;
  model::ValueId data_id{};
  std::string meta{};
};

inline Row make_row(Stamp order, Stamp stamp, const RowOptions& options = {}) {
  model::Record record;
  record.version = options.null_version ? model::VersionId{} : model::VersionId::of(order);
  record.data_kind = options.kind;
  if (options.kind != model::Record::DataKind::none) {
    record.data.data_id = options.data_id;
    record.data.size = 100;
    record.data.layout.profile = {1, 0};
    record.data.layout.chunk_bytes = 4096;
    record.size = 100;
  }
  record.meta = options.meta;
  Row row;
  row.order = order;
  row.stamp = stamp;
  row.record = model::encode_record(record);
  return row;
}

// The rows of a unit of a scan.
inline std::vector<Row> rows_of(const UnitPage::Unit& unit) {
  std::vector<Row> out;
  for (const auto row : unit.rows())
    out.push_back({row.order, row.stamp, std::string(row.record), {}});
  return out;
}

class DriveFixture : public ::testing::Test {
 public:
  explicit DriveFixture(std::uint64_t seed = 1)
      : executor(seed), pool(io::make_inline_pool()), random(io::seeded_random(seed)) {}
  ~DriveFixture() override {
    drive.reset();
    executor.run_until_idle();
  }

  void SetUp() override { start(); }
  void start() {
    Format format;
    format.drive = id;
    format.cluster.bytes[0] = 9;
    format.drives = 1;
    format.created = "2026-01-01T00:00:00Z";
    must(executor.run(files.make_directory(path)));
    must(executor.run(format_drive(files, path, format)));
    mount();
    promise(1);
  }
  void mount() {
    auto opened = executor.run(open_sim_drive({.index = disk,
                                               .files = files,
                                               .executor = executor,
                                               .pool = *pool,
                                               .metrics = metrics,
                                               .path = path,
                                               .partition_of = partition_of}));
    ASSERT_TRUE(opened) << opened.error().message;
    drive = std::move(*opened);
  }
  void mount_again() {
    drive.reset();
    executor.run_until_idle();
    mount();
    promise(term + 1);
  }
  // The process dies and the power goes: what was not synced may be lost.
  void crash() {
    drive.reset();
    files.power_cut(*random);
    disk.crash(*random);
    executor.run_until_idle();
    mount();
  }
  void crash_losing_all() {
    drive.reset();
    files.power_cut_losing_all();
    disk.crash_losing_all();
    executor.run_until_idle();
    mount();
  }

  static void must(const Result<void>& result) { ASSERT_TRUE(result) << result.error().message; }

  Fence fence() const { return {id, kPartition, kEpoch, model::Term{term}, connection}; }
  PromiseReply promise(std::uint64_t new_term, std::uint64_t leader = 1) {
    term = new_term;
    PromiseRequest request;
    request.drive = id;
    request.term = model::Term{term};
    request.leader = leader;
    request.connection = connection;
    request.map_epoch = kEpoch;
    request.entries.push_back({kPartition, since, "entry"});
    auto reply = executor.run(drive->promise(request));
    EXPECT_TRUE(reply) << reply.error().message;
    return reply ? *reply : PromiseReply{};
  }

  Stamp next() { return {term, ++sequence}; }

  // A whole mutation that leaves `rows`.
  std::shared_ptr<Mutation> whole(const model::UnitKey& unit, Stamp stamp, std::vector<Row> rows,
                                  std::optional<Stamp> base = {}) {
    auto m = std::make_shared<Mutation>();
    m->unit = unit;
    m->stamp = stamp;
    m->base = base;
    m->value = value_of(stamp.term << 32 | stamp.sequence);
    m->whole = true;
    m->puts = std::move(rows);
    return m;
  }
  std::shared_ptr<Mutation> change(const model::UnitKey& unit, Stamp stamp, std::vector<Row> puts,
                                   std::vector<Stamp> removes, std::optional<Stamp> base) {
    auto m = whole(unit, stamp, std::move(puts), base);
    m->whole = false;
    m->removes = std::move(removes);
    return m;
  }
  Result<MutateReply> mutate(std::shared_ptr<const Mutation> m,
                             std::vector<InlineShard> shards = {}) {
    return executor.run(drive->mutate({fence(), 0, std::move(m), std::move(shards)}));
  }
  // Expects no refusal.
  MutateReply accept(std::shared_ptr<const Mutation> m, std::vector<InlineShard> shards = {}) {
    auto reply = mutate(std::move(m), std::move(shards));
    EXPECT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply ? reply->refusal : Refusal::none, Refusal::none);
    return reply ? *reply : MutateReply{};
  }
  Refusal refusal(std::shared_ptr<const Mutation> m) {
    auto reply = mutate(std::move(m));
    EXPECT_TRUE(reply) << reply.error().message;
    return reply ? reply->refusal : Refusal::none;
  }
  // A settled put of one row.
  Stamp settled_put(const model::UnitKey& unit) {
    const Stamp s = next();
    accept(whole(unit, s, {make_row(s, s)}));
    EXPECT_EQ(settle(unit, s), Refusal::none);
    return s;
  }
  static Row version(Stamp s) { return make_row(s, s, {.null_version = false}); }
  Refusal settle(const model::UnitKey& unit, Stamp stamp) {
    auto reply = executor.run(drive->settle(fence(), unit, stamp));
    EXPECT_TRUE(reply) << reply.error().message;
    return reply ? *reply : Refusal::none;
  }
  ReadReply read(const model::UnitKey& unit, Select select = Select::all) {
    ReadRequest request;
    request.drive = id;
    request.partition = kPartition;
    request.map_epoch = kEpoch;
    request.unit = unit;
    request.select = select;
    auto reply = executor.run(drive->read(request));
    EXPECT_TRUE(reply) << reply.error().message;
    return reply ? *reply : ReadReply{};
  }
  UnitState inspect(const model::UnitKey& unit) {
    auto reply = executor.run(drive->inspect(fence(), unit, true));
    EXPECT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply ? reply->first : Refusal::none, Refusal::none);
    return reply ? reply->second : UnitState{};
  }
  // Writes a blob whose bytes follow from its name.
  Result<void> write_blob(BlobName name, std::size_t size) {
    auto writer = executor.run(drive->create_blob(name));
    if (!writer) return Error{std::move(writer.error())};
    const std::string bytes = blob_bytes(name, size);
    CAIRN_TRY(executor.run((*writer)->append({{io::as_bytes(bytes)}, {}})));
    return executor.run((*writer)->finish());
  }
  static std::string blob_bytes(BlobName name, std::size_t size) {
    std::string out(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
      out[i] = static_cast<char>(i * 31 + i / 251 + name.data_id.bytes[15] + name.shard);
    return out;
  }
  Result<std::string> read_blob(BlobName name) {
    auto reader = executor.run(drive->open_blob(name));
    if (!reader) return Error{std::move(reader.error())};
    const auto size = static_cast<std::size_t>((*reader)->size());
    std::vector<std::byte> room(shard_read_room(0, size));
    auto bytes = executor.run((*reader)->read(0, size, room));
    if (!bytes) return Error{std::move(bytes.error())};
    return std::string(io::as_text(*bytes));
  }
  // Keys of a family as they stand.
  std::vector<std::string> keys(Family family) const {
    std::vector<std::string> out;
    for (const auto& [key, value] : *disk.tables()[static_cast<std::size_t>(family)])
      out.push_back(key);
    return out;
  }

  const model::DriveId id = [] {
    model::DriveId d;
    d.bytes[0] = 5;
    return d;
  }();
  const std::string path = "/d";
  const model::UnitKey a = unit_of("a");
  std::function<model::PartitionId(std::string_view)> partition_of = [](std::string_view) {
    return kPartition;
  };
  std::uint64_t term = 1, sequence = 0, connection = 1;
  model::MapEpoch since = kEpoch;

  io::testing::SimExecutor executor;
  std::unique_ptr<io::BlockingPool> pool;
  std::unique_ptr<io::Random> random;
  io::testing::PowerCutFileSystem files;
  IndexDisk disk;
  metrics::Registry metrics;
  std::unique_ptr<LocalDrive> drive;
};

}  // namespace cairn::drive::testing
