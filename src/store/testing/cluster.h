// A store over drives in memory, on an executor whose clock jumps: what the leader's tests stand
// on.
#pragma once

#include <gtest/gtest.h>

#include "control/memory.h"
#include "store/local_store.h"
#include "store/testing/memory_drive.h"
#include "store/testing/virtual_executor.h"

namespace cairn::store::testing {

class FixedClock : public io::Clock {
 public:
  std::int64_t unix_ms() const override { return now; }
  std::int64_t now = 1'700'000'000'000;
};

class CountingRandom : public io::Random {
 public:
  void fill(io::MutableBytes out) override {
    for (auto& b : out) b = static_cast<std::byte>(++state_ * 2654435761u >> 13);
  }

 private:
  std::uint32_t state_ = 0;
};

struct Cluster {
  explicit Cluster(model::ErasureProfile profile) {
    for (unsigned i = 0; i < profile.drives(); ++i) disks.push_back(new_disk());
    std::vector<placement::DriveWeight> weights;
    for (const auto& disk : disks) weights.push_back({disk->id, 1.0, "node"});
    map = *placement::compute_map(model::MapEpoch{1}, profile, 4, weights);
    options.call_deadline = std::chrono::seconds(2);
    start();
  }
  ~Cluster() { stop(); }

  std::shared_ptr<Disk> new_disk() {
    auto disk = std::make_shared<Disk>();
    disk->id.bytes[0] = static_cast<std::uint8_t>(++last_disk);
    return disk;
  }
  Result<void> try_start(std::set<std::size_t> missing = {}) {
    drives.clear();
    std::vector<DriveSlot> slots;
    for (std::size_t i = 0; i < disks.size(); ++i) {
      drives.push_back(std::make_shared<MemoryDrive>(disks[i]));
      slots.push_back({disks[i]->id, "/d", missing.contains(i) ? nullptr : drives[i], ""});
    }
    Parts parts{control, *memory, clock, random, *registry};
    auto opened = executor.run(open_local_store(parts, options, map, slots));
    if (!opened) return Error{opened.error()};
    store = std::move(*opened);
    return {};
  }
  void start(std::set<std::size_t> missing = {}) {
    const auto started = try_start(std::move(missing));
    ASSERT_TRUE(started) << started.error().message;
  }
  void stop() {
    if (!store) return;
    executor.run(stop_task(store.get()));
    map = store->map();
    store.reset();
    executor.drain();
  }
  static io::Task<bool> stop_task(LocalStore* s) {
    co_await s->stop();
    co_return true;
  }
  static io::Task<bool> rest_task(io::Duration d) {
    co_await io::sleep_for(d);
    co_return true;
  }
  void rest(io::Duration d) { executor.run(rest_task(d)); }

  model::ValueId value() { return random.id<model::ValueId>(); }
  static model::UnitKey unit(std::string_view key) {
    return model::UnitKey::object(model::BucketId{1}, key);
  }

  // A version without data, told apart by its ETag.
  Commit put(std::string_view key, std::string etag,
             Versioning versioning = Versioning::unversioned) {
    PutVersion put;
    put.versioning = versioning;
    put.record.etag = std::move(etag);
    return {unit(key), value(), std::move(put), {}, {}};
  }
  Commit put_inline(std::string_view key, std::string etag, std::string data) {
    auto commit = try_put_inline(key, std::move(etag), std::move(data));
    CAIRN_ASSERT(commit.has_value());
    return std::move(*commit);
  }
  // None: too few drives to stage the data on.
  std::optional<Commit> try_put_inline(std::string_view key, std::string etag, std::string data) {
    Commit commit = put(key, std::move(etag));
    auto& into = std::get<PutVersion>(commit.intent);
    auto writer = executor.run(store->write(commit.unit, commit.value, data.size(), false));
    if (!writer || !executor.run(fill(writer->get(), std::move(data), &into))) return std::nullopt;
    return commit;
  }
  static io::Task<Result<void>> fill(DataWriter* writer, std::string data, PutVersion* into) {
    CAIRN_CO_ASSIGN(io::MutableBytes room, co_await writer->buffer());
    std::memcpy(room.data(), data.data(), data.size());
    CAIRN_CO_TRY(co_await writer->advance(data.size()));
    co_return co_await writer->finish(*into);
  }
  Result<Committed> commit(Commit c) { return executor.run(store->commit(std::move(c))); }
  Result<Found> find(std::string_view key, Selector selector = {}) {
    return executor.run(store->find(unit(key), selector));
  }
  std::string etag(std::string_view key) {
    const auto found = find(key);
    return found ? found->record.etag : std::string(name_of(found.code()));
  }
  Result<std::string> read(std::string_view key) {
    Selector selector;
    selector.want_inline = true;
    auto found = find(key, selector);
    if (!found) return Error{found.error()};
    const auto size = found->record.size;
    return executor.run(read_task(store.get(), unit(key), std::move(*found), size));
  }
  static io::Task<Result<std::string>> read_task(LocalStore* s, model::UnitKey unit, Found found,
                                                 std::uint64_t size) {
    CAIRN_CO_ASSIGN(auto body, co_await s->open_data(unit, std::move(found), 0, size));
    std::string out;
    for (;;) {
      CAIRN_CO_ASSIGN(const io::Slices slices, co_await body->next());
      if (slices.empty()) co_return out;
      for (const auto& slice : slices) out += io::as_text(slice.bytes);
    }
  }
  std::vector<std::string> list(ScanRequest request = {}) {
    request.begin = model::range_begin(model::UnitKind::object, model::BucketId{1}, "");
    request.end = model::range_end(model::UnitKind::object, model::BucketId{1}, "");
    std::vector<std::string> out;
    for (;;) {
      const auto page = executor.run(store->scan(request));
      if (!page) return {std::string(name_of(page.code()))};
      for (const auto& one : page->units) out.push_back(one.unit().object_key());
      if (page->exhausted) return out;
      request.begin = page->resume;
    }
  }
  std::size_t holders(std::string_view key) const {
    std::size_t n = 0;
    for (const auto& disk : disks)
      n += disk->units.contains(unit(key)) && head_of(disk->units.at(unit(key)).state);
    return n;
  }

  // What every drive has of a unit, for messages of failing tests.
  std::string describe(std::string_view key) const {
    const auto text = [](model::Stamp s) {
      return std::to_string(s.term) + "." + std::to_string(s.sequence);
    };
    std::string out;
    for (const auto& disk : disks) {
      out += "\n  drive " + std::to_string(disk->id.bytes[0]) + ":";
      const auto it = disk->units.find(unit(key));
      if (it == disk->units.end()) continue;
      const drive::UnitState& state = it->second.state;
      out += " settled " + (state.settled_head ? text(*state.settled_head) : "none") + " rows " +
             std::to_string(state.rows.size()) + " missing " + std::to_string(state.missing.size());
      for (const auto& p : state.pendings) {
        out += " pending " + text(p.mutation.stamp) + (p.missing.empty() ? "" : "!");
      }
    }
    return out;
  }

  VirtualExecutor executor{};
  control::MemoryStore control{};
  std::unique_ptr<io::MemoryBudget> memory =
      io::make_memory_budget(64 << 20, std::chrono::seconds(1));
  FixedClock clock{};
  CountingRandom random{};
  std::unique_ptr<metrics::Registry> registry = std::make_unique<metrics::Registry>();
  Options options{};
  placement::Map map{};
  std::vector<std::shared_ptr<Disk>> disks{};
  std::vector<std::shared_ptr<MemoryDrive>> drives{};
  std::unique_ptr<LocalStore> store{};
  unsigned last_disk = 0;
};

}  // namespace cairn::store::testing
