// A store and drives in memory for tests of the services: units are names, each member has it whole
// or not.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "store/local_store.h"

namespace cairn::background::testing {

inline model::UnitKey unit(int n) {
  char name[16];
  std::snprintf(name, sizeof name, "key-%05d", n);
  return model::UnitKey::object(model::BucketId{1}, name);
}

inline model::DriveId drive_id(std::uint8_t n) {
  model::DriveId id;
  id.bytes[15] = n;
  return id;
}

// Only what a walk asks of a drive: scan.
class FakeDrive : public drive::Drive {
 public:
  explicit FakeDrive(model::DriveId id) : id_(id) {}
  std::set<model::UnitKey> units{};
  bool out_of_service = false;
  std::optional<model::UnitKey> scan_fails_at{};

  model::DriveId id() const override { return id_; }
  bool failed() const override { return out_of_service; }
  io::Task<Result<drive::ScanReply>> scan(drive::ScanRequest request) override {
    if (out_of_service) co_return Error{Code::drive_failed, "out of service"};
    drive::ScanReply reply;
    reply.exhausted = true;
    for (const model::UnitKey& u : units) {
      if (u.encoded() < request.begin || (!request.end.empty() && u.encoded() >= request.end))
        continue;
      if (scan_fails_at && u >= *scan_fails_at) co_return Error{Code::io_error, "bad page"};
      if (reply.units.size() == request.max_units) {
        reply.exhausted = false;
        reply.resume = u.encoded();
        break;
      }
      reply.units.add(u.encoded(), model::Stamp{1, 1}, true);
    }
    co_return reply;
  }

  io::Task<Result<drive::SyncedBatches>> synced() override { co_return drive::SyncedBatches{}; }
  io::Task<Result<drive::PromiseReply>> promise(drive::PromiseRequest) override {
    co_return none();
  }
  io::Task<Result<drive::PartitionState>> partition_state(model::PartitionId) override {
    co_return none();
  }
  io::Task<Result<drive::Refusal>> mark_rebuilt(drive::Fence) override { co_return none(); }
  io::Task<Result<drive::MutateReply>> mutate(drive::MutateRequest) override { co_return none(); }
  io::Task<Result<drive::MutateReply>> install(drive::InstallRequest) override { co_return none(); }
  io::Task<Result<SettleReplies>> settle_all(std::vector<drive::SettleRequest>) override {
    co_return none();
  }
  io::Task<Result<drive::Refusal>> forget(drive::Fence, model::UnitKey, model::Stamp) override {
    co_return none();
  }
  io::Task<Result<drive::ReadReply>> read(drive::ReadRequest) override { co_return none(); }
  io::Task<Result<std::pair<drive::Refusal, drive::UnitState>>> inspect(drive::Fence,
                                                                        model::UnitKey,
                                                                        bool) override {
    co_return none();
  }
  io::Task<Result<std::vector<model::UnitKey>>> pending_units(std::string, std::size_t) override {
    co_return none();
  }
  io::Task<Result<io::Slice>> read_inline(model::ValueId) override { co_return none(); }
  io::Task<Result<std::unique_ptr<drive::BlobWriter>>> create_blob(drive::BlobName) override {
    co_return none();
  }
  io::Task<Result<std::unique_ptr<drive::ShardReader>>> open_blob(drive::BlobName) override {
    co_return none();
  }
  io::Task<Result<void>> discard_blob(drive::BlobName) override { co_return none(); }
  io::Task<Result<void>> quarantine(drive::BlobName, bool) override { co_return none(); }
  io::Task<Result<void>> repair_add(std::vector<model::UnitKey>) override { co_return none(); }
  io::Task<Result<std::vector<model::UnitKey>>> repair_list(std::string, std::size_t) override {
    co_return none();
  }
  io::Task<Result<void>> repair_remove(std::vector<model::UnitKey>) override { co_return none(); }
  io::Task<Result<Stats>> stats() override { co_return none(); }

 private:
  static Error none() { return {Code::not_implemented, "not of the walk"}; }
  model::DriveId id_;
};

class FakeStore : public store::LocalStore {
 public:
  placement::Map the_map{};
  std::set<model::UnitKey> queue{};
  std::set<model::UnitKey> cannot{};                             // repairs of these fail
  std::map<model::UnitKey, int> repairs{};                       // calls
  std::set<std::pair<model::UnitKey, model::DriveId>> proven{};  // read back on the member
  std::vector<std::pair<model::PartitionId, model::DriveId>> members_rebuilding{};
  std::vector<std::pair<model::PartitionId, model::DriveId>> finished{};
  std::set<model::UnitKey> units{};                  // of scan
  std::map<model::UnitKey, std::uint64_t> damage{};  // shards; verify repairs them
  std::vector<model::UnitKey> verified{};
  std::vector<std::pair<std::size_t, model::DriveId>> attached{};
  bool attach_fails = false;
  bool scan_fails = false;
  unsigned running = 0, most_running = 0;
  io::Duration repair_time = std::chrono::milliseconds(1);

  io::Task<Result<bool>> repair(model::UnitKey u) override {
    most_running = std::max(most_running, ++running);
    co_await io::sleep_for(repair_time);
    --running;
    ++repairs[u];
    if (cannot.contains(u)) co_return false;
    queue.erase(u);
    co_return true;
  }
  io::Task<Result<bool>> repair_member(model::UnitKey u, model::DriveId member) override {
    most_running = std::max(most_running, ++running);
    co_await io::sleep_for(repair_time);
    --running;
    ++repairs[u];
    if (cannot.contains(u)) co_return Error{Code::unavailable, "too few shards"};
    proven.emplace(u, member);
    co_return true;
  }
  io::Task<Result<Verified>> verify(model::UnitKey u) override {
    verified.push_back(u);
    if (cannot.contains(u)) co_return Error{Code::unavailable, "no quorum"};
    Verified v;
    v.bytes = 1'000'000;
    v.whole = true;
    if (const auto it = damage.find(u); it != damage.end()) {
      v.damaged_shards = it->second;
      damage.erase(it);
    }
    co_return v;
  }
  io::Task<Result<void>> attach(std::size_t slot, std::shared_ptr<drive::Drive> drive) override {
    if (attach_fails) co_return Error{Code::unavailable, "no fence quorum"};
    attached.emplace_back(slot, drive->id());
    co_return Result<void>{};
  }
  std::vector<std::pair<model::PartitionId, model::DriveId>> rebuilding() const override {
    return members_rebuilding;
  }
  io::Task<Result<void>> finish_rebuild(model::PartitionId p, model::DriveId d) override {
    finished.emplace_back(p, d);
    std::erase(members_rebuilding, std::pair{p, d});
    for (placement::Member& m : the_map.partitions[p.value].members)
      if (m.drive == d) m.rebuilding = false;
    co_return Result<void>{};
  }
  io::Task<Result<std::vector<model::UnitKey>>> repair_queue(std::size_t limit) override {
    std::vector<model::UnitKey> out;
    for (const model::UnitKey& u : queue)
      if (out.size() < limit) out.push_back(u);
    co_return out;
  }
  const placement::Map& map() const override { return the_map; }
  io::Task<void> stop() override { co_return; }

  io::Task<Result<store::ScanPage>> scan(store::ScanRequest request) override {
    if (scan_fails) co_return Error{Code::unavailable, "no quorum"};
    store::ScanPage page;
    page.exhausted = true;
    auto found = std::make_shared<drive::UnitPage>();
    for (const model::UnitKey& u : units) {
      if (u.encoded() < request.begin || u.encoded() >= request.end) continue;
      if (found->size() == request.max_units) {
        page.exhausted = false;
        page.resume = u.encoded();
        break;
      }
      found->add(u.encoded(), std::nullopt, true);
    }
    for (const auto unit : *found) page.units.push_back(unit);
    page.pages.push_back(std::move(found));
    co_return page;
  }
  io::Task<Result<store::Committed>> commit(store::Commit) override { co_return none(); }
  io::Task<Result<store::Found>> find(model::UnitKey, store::Selector) override {
    co_return none();
  }
  io::Task<Result<std::unique_ptr<store::DataWriter>>> write(model::UnitKey, model::ValueId,
                                                             std::optional<std::uint64_t>,
                                                             bool) override {
    co_return none();
  }
  io::Task<Result<std::unique_ptr<io::SliceSource>>> open_data(model::UnitKey, store::Found,
                                                               std::uint64_t,
                                                               std::uint64_t) override {
    co_return none();
  }
  bool can_read() const override { return true; }
  bool can_write() const override { return true; }
  io::Task<Result<std::vector<store::DriveStatus>>> drives() override { co_return none(); }

 private:
  static Error none() { return {Code::not_implemented, "not of the services"}; }
};

}  // namespace cairn::background::testing
