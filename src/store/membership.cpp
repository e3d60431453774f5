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

}  // namespace

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

Error LocalStoreImpl::depose(Term newer) {
  if (!core_.deposed.exchange(true)) {
    log::error("another process leads these drives now; this one is to be started anew",
               {{"term", newer.value}, {"own_term", tried_.value}});
    chores_.stop();
  }
  return deposed_error();
}

// Whether this process may lead on: nobody else took a term since its own (7.1), so the stored map
// is its own doing. Where the outcome of a change of its own was unknown, it takes that map over.
// The revision of the stored map; zero: none is stored. REQUIRES: admin_ is held.
io::Task<Result<std::uint64_t>> LocalStoreImpl::check_lead() {
  if (core_.stopping.load()) co_return Error{Code::unavailable, "the store is shutting down"};
  if (core_.deposed.load()) co_return deposed_error();
  CAIRN_CO_ASSIGN(const Term counter, co_await last_term(core_.parts.control));
  if (counter > tried_) co_return depose(counter);
  CAIRN_CO_ASSIGN(StoredMap stored, co_await stored_map(core_.parts.control));
  if (stored.mod_revision == 0 || stored.map == map()) co_return stored.mod_revision;
  if (stored.map.epoch < map().epoch)
    co_return Error{Code::stale_map,
                    "the control store's cluster map is older than the one in use"};
  const bool newer = stored.map.epoch > map().epoch;
  set_map(std::move(stored.map));
  if (newer) core_.want_lead();
  co_return stored.mod_revision;
}

// Former members that are sources of shards stay that until the rebuild is done (8.1).
void LocalStoreImpl::keep_sources(std::vector<std::shared_ptr<PartitionView>>& views) const {
  for (auto& view : views) {
    if (view->id.value >= core_.members.partitions()) return;
    for (const auto& source : core_.members.view(view->id)->sources) {
      if (view->member(source.slot).rebuilding) view->sources.push_back(source);
    }
  }
}

// 7.1, 7.2: a term, promises of F members (in a map change of the old and of the new), then
// everything serves under it. `taken`: a term that was taken already. REQUIRES: nobody is inside
// the partitions; admin_ is held.
io::Task<Result<void>> LocalStoreImpl::lead(Term floor, std::optional<MapChange> change,
                                            std::optional<Term> taken) {
  const placement::Map current = map();
  core_.want_lead();
  for (unsigned attempt = 0; attempt < 8; ++attempt) {
    if (!taken) {
      CAIRN_CO_ASSIGN(taken, co_await take_term(core_.parts.control, floor, &tried_));
    }
    CAIRN_ASSERT(taken.has_value());
    const Term term = *taken;
    taken.reset();
    auto views = make_views(current, term, core_.members.devices());
    CAIRN_CO_ASSIGN(const Fenced fenced,
                    co_await fence_members(core_, current, change, views, core_.members.devices()));
    if (fenced.newer) {
      // Promised to another process that took a term meanwhile, and has precedence; or the counter
      // went back (7.1).
      floor = std::max(floor, *fenced.newer);
      CAIRN_CO_ASSIGN(const Term counter, co_await last_term(core_.parts.control));
      if (counter > tried_) co_return depose(counter);
      continue;
    }
    if (change) CAIRN_CO_TRY(co_await record_fenced(core_.parts.control, current));
    keep_sources(views);
    for (auto& partition : core_.partitions) partition->begin_term(term);
    core_.members.publish(current, {views.begin(), views.end()});
    core_.lead_wanted.store(false);
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

// REQUIRES: admin_ is held.
io::Task<Result<void>> LocalStoreImpl::lead_anew() {
  CAIRN_CO_TRY(co_await check_lead());
  CAIRN_CO_ASSIGN(auto change, co_await unfenced_change(core_.parts.control, map()));
  co_await pause_all();
  Result<void> led =
      co_await lead(core_.members.view(PartitionId{0})->term, std::move(change), std::nullopt);
  resume_all();
  if (led) chores_.look_again();
  co_return led;
}

// Leads anew where the lead was lost to nobody: taking it did not succeed to the end, or a drive
// came back with a newer promise than the control store knows (7.1). Too few members may answer for
// now: it is tried until enough do, or another process leads.
io::Task<void> LocalStoreImpl::lead_loop() {
  constexpr io::Duration kPause = std::chrono::seconds(1);
  while (!core_.stopping.load() && !core_.deposed.load()) {
    std::optional<io::Instant> until;
    if (core_.lead_wanted.load()) until = io::Executor::current().now() + kPause;
    (void)co_await core_.lead_wake.pop(until);
    if (core_.stopping.load() || !core_.lead_wanted.load()) continue;
    const io::AsyncMutex::Guard guard = co_await admin_.lock();
    if (core_.stopping.load() || !core_.lead_wanted.load()) continue;
    const Result<void> led = co_await lead_anew();
    if (!led) log::debug("the partitions cannot be led now", {{"reason", led.error().message}});
  }
}

std::uint64_t LocalStoreImpl::acked_batch(std::size_t slot) const {
  const auto devices = core_.members.devices();
  return slot < devices.size() ? devices[slot]->acks()->newest() : 0;
}

LocalStore::Others LocalStoreImpl::others(std::size_t slot) const {
  const auto devices = core_.members.devices();
  Others fewest{devices.size(), devices.size()};
  if (slot >= devices.size()) return fewest;
  for (std::size_t p = 0; p < core_.members.partitions(); ++p) {
    const View view = core_.members.view(PartitionId{static_cast<std::uint32_t>(p)});
    Others here;
    bool is_member = false;
    for (const Member& member : view->members) {
      if (member.id == devices[slot]->id()) {
        is_member = true;
        continue;
      }
      if (!member.device->usable()) continue;
      ++here.in_service;
      here.voters += !member.rebuilding;
    }
    if (!is_member) continue;
    fewest.in_service = std::min(fewest.in_service, here.in_service);
    fewest.voters = std::min(fewest.voters, here.voters);
  }
  return fewest;
}

// 7.4: a drive that comes back names the last batch it synced, before anything is sent to it; one
// that lacks a batch of which this process has an ack lost synced state, and is not let in.
io::Task<Result<std::shared_ptr<Device>>> LocalStoreImpl::admit(
    std::shared_ptr<Device> before, std::shared_ptr<drive::Drive> drive) {
  const bool same = before->id() == drive->id();
  auto device =
      same ? std::make_shared<Device>(drive->id(), before->path(), drive, "", before->acks())
           : std::make_shared<Device>(drive->id(), before->path(), drive, "");
  if (!same) co_return device;
  if (!device->begin_call()) co_return Error{Code::drive_failed, "the drive is out of service"};
  using Synced = drive::SyncedBatches;
  Fanout<Result<Synced>> fanout(core_.deadlines);
  fanout.start(0, Core::call<Synced>(device, core_.options.call_deadline, drive->synced()));
  if (!co_await fanout.wait(1, core_.deadline()))
    co_return Error{Code::timeout, "the drive does not answer"};
  const auto& synced = fanout.answers()[0].value;
  if (!synced) co_return Error{synced.error()};
  if (!device->acks()->admit(drive, *synced)) {
    log::error("a drive lost what it had acknowledged",
               {{"path", device->path()},
                {"drive", device->id().hex()},
                {"last_batch", synced->at_open},
                {"acknowledged_batch", device->acks()->newest()}});
    co_return Error{Code::wrong_drive, AckRecord::kLost};
  }
  co_return device;
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
  if (same && devices[slot]->usable())
    co_return Error{Code::already_exists, "the drive is in service already"};
  CAIRN_CO_TRY(co_await check_lead());
  CAIRN_CO_ASSIGN(auto device, co_await admit(devices[slot], drive));
  // 8.1: not before the last change is fenced, for which this very drive may be needed.
  CAIRN_CO_ASSIGN(const auto unfenced, co_await unfenced_change(core_.parts.control, map()));
  const bool named = same || names(map(), drive->id());
  const bool lost_lead = unfenced || core_.lead_wanted.load();
  if (lost_lead && named) put_device(slot, device);
  if (lost_lead) {
    Result<void> led = co_await lead_anew();
    if (named) {
      if (!led) core_.want_lead();
      co_return Result<void>{};
    }
    CAIRN_CO_TRY(std::move(led));
  }
  if (named) co_return co_await take_back(slot, std::move(device));
  co_return co_await replace(slot, std::move(device));
}

io::Task<Result<void>> LocalStoreImpl::detach(std::size_t slot, std::string reason) {
  const io::AsyncMutex::Guard guard = co_await admin_.lock();
  const auto devices = core_.members.devices();
  if (slot >= devices.size()) co_return Error{Code::invalid_argument, "there is no such slot"};
  const auto& old = devices[slot];
  if (!old->drive()) co_return Result<void>{};
  if (old->usable()) co_return Error{Code::invalid_argument, "the drive is in service"};
  auto empty =
      std::make_shared<Device>(old->id(), old->path(), nullptr, std::move(reason), old->acks());
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
    core_.want_lead();
    (void)co_await lead_anew();
    if (core_.deposed.load()) co_return deposed_error();
    co_return Result<void>{};
  }
  if (reply.refusal == drive::Refusal::stale_map)
    co_return Error{Code::stale_map, "the drive promised under a newer cluster map (8.5)"};
  if (reply.refusal != drive::Refusal::none)
    co_return Error{Code::unavailable, "the drive promised something newer than this node knows"};
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

// 8.1: a new epoch, a term and the new member, rebuilding, in one transaction; then F of the old
// and of the new members. Computed from the map that is stored, and only if that is still there:
// one that another process put in its place would be undone, under an epoch that drives have
// promised already.
io::Task<Result<void>> LocalStoreImpl::replace_paused(std::size_t slot,
                                                      std::shared_ptr<Device> device) {
  const std::shared_ptr<Device> old = core_.members.devices()[slot];
  CAIRN_CO_ASSIGN(const std::uint64_t revision, co_await check_lead());
  const placement::Map before = map();
  placement::Map after = placement::replace_drive(before, old->id(), device->id());
  CAIRN_ASSERT(after.epoch > before.epoch);
  std::vector<control::Condition> same{{kMapKey, revision}};
  std::vector<control::Change> changes{{kMapKey, placement::encode_map(after)},
                                       {kPreviousMapKey, placement::encode_map(before)},
                                       {kReplacedKey, old->id().hex()}};
  const Term floor = core_.members.view(PartitionId{0})->term;
  CAIRN_CO_ASSIGN(const Term term, co_await take_term(core_.parts.control, floor, &tried_,
                                                      std::move(same), std::move(changes)));
  log::info("a drive takes a slot", {{"old", old->id().hex()}, {"new", device->id().hex()}});
  set_map(after);
  put_device(slot, device);
  const Result<void> led = co_await lead(term, MapChange{before, old->id()}, term);
  if (core_.deposed.load()) co_return deposed_error();
  // The change is made; the partitions are led as soon as enough members answer.
  if (!led) co_return Result<void>{};
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
  CAIRN_CO_ASSIGN(const std::uint64_t revision, co_await check_lead());
  if (map().epoch != view->epoch)
    co_return Error{Code::unavailable, "the cluster map changed meanwhile"};
  placement::Map after = map();
  placement::Member& member = after.partitions[partition.value].members[found->slot];
  CAIRN_ASSERT(member.drive == drive);
  if (member.rebuilding) {
    member.rebuilding = false;
    const auto made = co_await core_.parts.control.commit(
        {{kMapKey, revision}}, {{kMapKey, placement::encode_map(after)}});
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
