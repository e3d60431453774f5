// Leadership and changes of the map (protocol.md 7, 8).
#include <algorithm>

#include "base/assert.h"
#include "base/log.h"
#include "store/local_store_impl.h"

namespace cairn::store {

using model::DriveId;
using model::PartitionId;
using model::Term;

namespace {
constexpr std::size_t kMapsKept = 64;
}

const placement::Map& LocalStoreImpl::map() const {
  std::lock_guard lock(map_mutex_);
  return maps_.back();
}

void LocalStoreImpl::set_map(placement::Map map) {
  std::lock_guard lock(map_mutex_);
  maps_.push_back(std::move(map));
  if (maps_.size() > kMapsKept) maps_.pop_front();
}

void LocalStoreImpl::put_device(std::size_t slot, std::shared_ptr<Device> device) {
  auto devices = core_.members.devices();
  devices[slot] = std::move(device);
  core_.members.set_devices(std::move(devices));
}

std::vector<std::pair<PartitionId, DriveId>> LocalStoreImpl::rebuilding() const {
  std::vector<std::pair<PartitionId, DriveId>> out;
  for (std::size_t p = 0; p < core_.members.partitions(); ++p) {
    const View view = core_.members.view(PartitionId{static_cast<std::uint32_t>(p)});
    for (const Member& member : view->members) {
      if (member.rebuilding) out.emplace_back(view->id, member.id);
    }
  }
  return out;
}

// The change that was made to the map last, if its members are not recorded as fenced (8.2).
io::Task<Result<std::optional<MapChange>>> LocalStoreImpl::unfenced_change() {
  control::Store& control = core_.parts.control;
  CAIRN_CO_ASSIGN(const auto fenced, co_await control.get(kFencedKey));
  CAIRN_CO_ASSIGN(const auto previous, co_await control.get(kPreviousMapKey));
  CAIRN_CO_ASSIGN(const auto replaced, co_await control.get(kReplacedKey));
  if (!previous) co_return std::optional<MapChange>{};
  if (fenced && decode_number(fenced->value) == map().epoch.value)
    co_return std::optional<MapChange>{};
  MapChange change;
  CAIRN_CO_ASSIGN(change.previous, placement::decode_map(previous->value));
  if (replaced) change.replaced = DriveId::from_hex(replaced->value).value_or(DriveId{});
  if (change.previous.partitions.size() != map().partitions.size()) {
    co_return Error{Code::corrupt, "the previous cluster map has another number of partitions"};
  }
  co_return std::optional<MapChange>(std::move(change));
}

// 7.1, 7.2: a term, promises of F members (in a map change of the old and of the new), then
// everything serves under it. REQUIRES: nobody is inside the partitions.
io::Task<Result<void>> LocalStoreImpl::lead(Term floor, std::optional<MapChange> change) {
  const placement::Map current = map();
  for (unsigned attempt = 0; attempt < 8; ++attempt) {
    CAIRN_CO_ASSIGN(const Term term, co_await take_term(core_.parts.control, floor));
    auto views = make_views(current, term, core_.members.devices());
    CAIRN_CO_ASSIGN(const Fenced fenced,
                    co_await fence_members(core_, current, change, views, core_.members.devices()));
    if (fenced.newer) {
      floor = *fenced.newer;
      continue;
    }
    if (change) {
      CAIRN_CO_TRY(co_await core_.parts.control.commit(
          {}, {{kFencedKey, encode_number(current.epoch.value)}}));
    }
    for (auto& partition : core_.partitions) partition->begin_term(term);
    core_.members.publish(current, {views.begin(), views.end()});
    log::info("leading", {{"term", term.value}, {"map_epoch", current.epoch.value}});
    co_return Result<void>{};
  }
  co_return Error{Code::unavailable, "drives keep promising newer terms to another process"};
}

io::Task<void> LocalStoreImpl::pause_all() {
  for (auto& partition : core_.partitions) co_await partition->pause();
}

void LocalStoreImpl::resume_all() {
  for (auto& partition : core_.partitions) partition->resume();
}

io::Task<Result<void>> LocalStoreImpl::lead_anew(std::optional<MapChange> change) {
  co_await pause_all();
  Result<void> led = co_await lead(core_.members.view(PartitionId{0})->term, std::move(change));
  resume_all();
  co_return led;
}

io::Task<Result<void>> LocalStoreImpl::attach(std::size_t slot,
                                              std::shared_ptr<drive::Drive> drive) {
  const io::AsyncMutex::Guard guard = co_await admin_.lock();
  const auto devices = core_.members.devices();
  if (slot >= devices.size()) co_return Error{Code::invalid_argument, "there is no such slot"};
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (i != slot && devices[i]->id() == drive->id()) {
      co_return Error{Code::already_exists, "the drive is in another slot"};
    }
  }
  const bool same = devices[slot]->id() == drive->id();
  const bool in_service = same && devices[slot]->usable();
  CAIRN_CO_ASSIGN(auto unfenced, co_await unfenced_change());
  if (in_service && !unfenced)
    co_return Error{Code::already_exists, "the drive is in service already"};
  auto device = std::make_shared<Device>(drive->id(), devices[slot]->path(), drive, "");
  if (unfenced && same) {
    // The last change waits for members to be fenced, perhaps for this very one.
    if (!in_service) put_device(slot, std::move(device));
    co_return co_await lead_anew(std::move(unfenced));
  }
  // 8.1: not before the last change is fenced.
  if (unfenced) CAIRN_CO_TRY(co_await lead_anew(std::move(unfenced)));
  if (same) co_return co_await take_back(slot, std::move(device));
  co_return co_await replace(slot, std::move(device));
}

io::Task<Result<void>> LocalStoreImpl::detach(std::size_t slot, std::string reason) {
  const io::AsyncMutex::Guard guard = co_await admin_.lock();
  const auto devices = core_.members.devices();
  if (slot >= devices.size()) co_return Error{Code::invalid_argument, "there is no such slot"};
  const auto& old = devices[slot];
  if (!old->drive()) co_return Result<void>{};
  if (old->usable()) co_return Error{Code::invalid_argument, "the drive is in service"};
  auto empty = std::make_shared<Device>(old->id(), old->path(), nullptr, std::move(reason));
  put_device(slot, empty);
  for (std::size_t p = 0; p < core_.members.partitions(); ++p) {
    const View view = core_.members.view(PartitionId{static_cast<std::uint32_t>(p)});
    auto without = std::make_shared<PartitionView>(*view);
    bool changed =
        std::erase_if(without->sources, [&](const auto& s) { return s.device == old; }) != 0;
    for (Member& member : without->members) {
      if (member.device != old) continue;
      member.device = empty;
      member.link->promised.store(false);
      changed = true;
    }
    if (changed) core_.members.replace(std::move(without));
  }
  co_return Result<void>{};
}

// A drive that was away, with its identity and state intact: a new connection. What it missed is in
// the repair queue, or pending on others; what it holds in doubt is resolved.
io::Task<Result<void>> LocalStoreImpl::take_back(std::size_t slot, std::shared_ptr<Device> device) {
  device->set_backlog(1);
  std::uint64_t connection = 0;
  std::vector<std::shared_ptr<PartitionView>> views;
  for (std::size_t p = 0; p < core_.members.partitions(); ++p) {
    const View old = core_.members.view(PartitionId{static_cast<std::uint32_t>(p)});
    for (const Member& member : old->members) {
      if (member.id != device->id()) continue;
      // One number for all partitions, above any used: views in use share the link, so nobody uses
      // it twice.
      connection = std::max(connection, member.link->next.fetch_add(1) + 1);
      views.push_back(std::make_shared<PartitionView>(*old));
    }
  }
  for (const auto& view : views) {
    for (const Member& member : view->members) {
      if (member.id != device->id()) continue;
      auto seen = member.link->next.load();
      while (seen < connection && !member.link->next.compare_exchange_weak(seen, connection)) {
      }
    }
  }
  if (views.empty()) {
    put_device(slot, std::move(device));
    co_return Result<void>{};
  }
  CAIRN_CO_ASSIGN(
      const drive::PromiseReply reply,
      co_await promise_of(core_, map(), views[0]->term, device, connection, std::nullopt));
  if (reply.refusal == drive::Refusal::stale_term) {
    put_device(slot, std::move(device));
    co_return co_await lead_anew(std::nullopt);
  }
  if (reply.refusal != drive::Refusal::none) {
    co_return Error{Code::unavailable, "the drive promised something newer than this node knows"};
  }
  put_device(slot, device);
  for (const auto& view : views) {
    for (Member& member : view->members) {
      if (member.id != device->id()) continue;
      member.device = device;
      member.link->connection.store(connection);
      member.link->promised.store(true);
      for (const auto& state : reply.states) {
        if (state.partition == view->id) member.rebuilding |= state.rebuilding;
      }
    }
    core_.members.replace(view);
  }
  chores_.look_again();
  co_return Result<void>{};
}

io::Task<Result<void>> LocalStoreImpl::replace(std::size_t slot, std::shared_ptr<Device> device) {
  co_await pause_all();
  Result<void> replaced = co_await replace_paused(slot, std::move(device));
  resume_all();
  if (replaced) chores_.look_again();
  co_return replaced;
}

// 8.1: a new epoch and the new member, rebuilding, in one transaction; then F of the old and of the
// new members.
io::Task<Result<void>> LocalStoreImpl::replace_paused(std::size_t slot,
                                                      std::shared_ptr<Device> device) {
  const std::shared_ptr<Device> old = core_.members.devices()[slot];
  const placement::Map before = map();
  for (const auto& entry : before.partitions) {
    for (const auto& member : entry.members) {
      if (member.drive == device->id())
        co_return Error{Code::already_exists, "the drive has a place in the map already"};
    }
  }
  placement::Map after = placement::replace_drive(before, old->id(), device->id());
  CAIRN_ASSERT(after.epoch > before.epoch);
  control::Store& control = core_.parts.control;
  CAIRN_CO_ASSIGN(const auto entry, co_await control.get(kMapKey));
  const auto made = co_await control.commit({{kMapKey, entry ? entry->mod_revision : 0}},
                                            {{kMapKey, placement::encode_map(after)},
                                             {kPreviousMapKey, placement::encode_map(before)},
                                             {kReplacedKey, old->id().hex()}});
  if (!made) co_return Error{made.error()};
  log::info("a drive takes a slot", {{"old", old->id().hex()}, {"new", device->id().hex()}});
  set_map(after);
  put_device(slot, device);
  const Term floor = core_.members.view(PartitionId{0})->term;
  CAIRN_CO_TRY(co_await lead(floor, MapChange{before, old->id()}));
  if (!old->usable()) co_return Result<void>{};
  // The old member stays a source of shards without a vote until the rebuild is done.
  for (std::size_t p = 0; p < before.partitions.size(); ++p) {
    const View view = core_.members.view(PartitionId{static_cast<std::uint32_t>(p)});
    auto with = std::make_shared<PartitionView>(*view);
    for (const Member& member : with->members) {
      if (member.id == device->id()) with->sources.push_back({member.slot, old});
    }
    if (!with->sources.empty()) core_.members.replace(std::move(with));
  }
  co_return Result<void>{};
}

// 8.4: every unit of the partition was resolved and installed on the member; from now on it counts
// for R.
io::Task<Result<void>> LocalStoreImpl::finish_rebuild(PartitionId partition, DriveId drive) {
  const io::AsyncMutex::Guard guard = co_await admin_.lock();
  if (partition.value >= core_.members.partitions())
    co_return Error{Code::invalid_argument, "no such partition"};
  const View view = core_.members.view(partition);
  const auto found = std::ranges::find(view->members, drive, &Member::id);
  if (found == view->members.end())
    co_return Error{Code::not_found, "the drive is no member of the partition"};
  if (!found->rebuilding) co_return Result<void>{};
  if (!found->device->begin_call())
    co_return Error{Code::drive_failed, "the drive is out of service"};
  // The drive first: what the map says of a drive that thinks otherwise does not count for R either
  // way.
  CAIRN_CO_ASSIGN(const drive::Refusal refusal,
                  co_await Core::call<drive::Refusal>(
                      found->device, core_.options.call_deadline,
                      found->device->drive()->mark_rebuilt(view->fence(found->slot))));
  if (refusal != drive::Refusal::none) co_return Error{Code::unavailable, "the drive refused"};
  placement::Map after = map();
  placement::Member& member = after.partitions[partition.value].members[found->slot];
  CAIRN_ASSERT(member.drive == drive);
  if (member.rebuilding) {
    member.rebuilding = false;
    control::Store& control = core_.parts.control;
    CAIRN_CO_ASSIGN(const auto entry, co_await control.get(kMapKey));
    const auto made = co_await control.commit({{kMapKey, entry ? entry->mod_revision : 0}},
                                              {{kMapKey, placement::encode_map(after)}});
    if (!made) co_return Error{made.error()};
    set_map(std::move(after));
  }
  auto with = std::make_shared<PartitionView>(*core_.members.view(partition));
  with->members[found->slot].rebuilding = false;
  with->entry = placement::encode_entry(map().entry(partition));
  const bool more = std::ranges::any_of(with->members, &Member::rebuilding);
  if (!more) with->sources.clear();
  core_.members.replace(std::move(with));
  co_return Result<void>{};
}

}  // namespace cairn::store
