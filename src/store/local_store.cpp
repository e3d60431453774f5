#include "store/local_store.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"
#include "store/data_reader.h"
#include "store/data_writer.h"
#include "store/local_store_impl.h"

namespace cairn::store {

using model::UnitKey;

namespace {

// Outcomes that say for certain that nothing was done: staged data has no use any more.
bool refused_for_good(Code code) {
  return code == Code::precondition_failed || code == Code::no_such_key || code == Code::conflict ||
         code == Code::not_found || code == Code::invalid_argument;
}

std::vector<std::shared_ptr<Device>> devices_of(std::vector<DriveSlot> slots) {
  std::vector<std::shared_ptr<Device>> out;
  for (auto& slot : slots) {
    CAIRN_ASSERT(!slot.drive || slot.drive->id() == slot.id);
    out.push_back(std::make_shared<Device>(slot.id, std::move(slot.path), std::move(slot.drive),
                                           std::move(slot.reason)));
  }
  return out;
}

}  // namespace

LocalStoreImpl::LocalStoreImpl(Parts parts, Options options, placement::Map map,
                               std::vector<DriveSlot> slots)
    : core_(parts, options, map.partitions.size()),
      loader_(core_),
      sender_(core_, loader_),
      chores_(core_),
      resolver_(core_, loader_, sender_, chores_),
      leader_(core_, loader_, sender_, resolver_, chores_),
      reader_(core_, loader_, leader_, chores_),
      scanner_(core_, loader_, leader_),
      repairer_(core_, loader_, resolver_, leader_, chores_),
      shard_repair_(
          parts.memory, core_.members, data_options(),
          [this](const UnitKey& unit, unsigned slot, const model::DataPart& part, bool is_inline,
                 const Error&) { chores_.look_into(unit, part, is_inline, slot); }) {
  core_.shards = &shard_repair_;
  core_.members.set_devices(devices_of(std::move(slots)));
  maps_.push_back(std::move(map));
}

LocalStoreImpl::~LocalStoreImpl() {
  CAIRN_ASSERT(stopped_);
}

DataOptions LocalStoreImpl::data_options() const {
  DataOptions out;
  out.chunk_bytes = core_.options.chunk_bytes;
  out.inline_max_bytes = core_.options.inline_max_bytes;
  out.opened_shard_bytes = core_.options.opened_shard_bytes;
  out.call_deadline = core_.options.call_deadline;
  out.straggler_deadline = core_.options.straggler_deadline;
  return out;
}

io::Task<Result<void>> LocalStoreImpl::open() {
  struct Tick {
    static io::Task<void> run(LocalStoreImpl* self) {
      co_await self->core_.deadlines.run();
      self->ticking_.store(false);
    }
  };
  ticking_.store(true);
  io::spawn(io::Executor::current(), Tick::run(this));
  CAIRN_CO_ASSIGN(auto change, co_await unfenced_change(core_.parts.control, map()));
  CAIRN_CO_TRY(co_await lead({}, std::move(change), std::nullopt));
  struct Work {
    static io::Task<Result<void>> decide(Leader* leader, UnitKey unit) {
      co_return co_await leader->decide(std::move(unit));
    }
    static io::Task<Result<void>> forget(Leader* leader, UnitKey unit) {
      co_return co_await leader->forget(std::move(unit));
    }
  };
  Leader* leader = &leader_;
  chores_.start([leader](UnitKey unit) { return Work::decide(leader, std::move(unit)); },
                [leader](UnitKey unit) { return Work::forget(leader, std::move(unit)); });
  core_.detach(lead_loop());
  co_return Result<void>{};
}

io::Task<Result<Committed>> LocalStoreImpl::commit(Commit commit) {
  std::optional<model::ValueId> staged;
  if (const auto* put = std::get_if<PutVersion>(&commit.intent)) {
    if (put->record.data_kind == model::Record::DataKind::blob) staged = put->record.data.data_id;
  }
  const UnitKey unit = commit.unit;
  Result<Committed> result = co_await leader_.commit(std::move(commit));
  if (!result && staged && refused_for_good(result.code())) {
    core_.detach(discard_data(core_.members.view_of(unit), *staged, data_options()));
  }
  co_return result;
}

io::Task<Result<Found>> LocalStoreImpl::find(UnitKey unit, Selector selector) {
  return reader_.find(std::move(unit), selector);
}

io::Task<Result<std::unique_ptr<DataWriter>>> LocalStoreImpl::write(
    UnitKey unit, model::ValueId value, std::optional<std::uint64_t> size, bool blob_only) {
  WriteContext context{core_.parts.memory, data_options(), core_.members.view_of(unit)};
  if (blob_only) context.options.inline_max_bytes = 0;
  co_return make_data_writer(std::move(context), unit, value, size);
}

io::Task<Result<std::unique_ptr<io::SliceSource>>> LocalStoreImpl::open_data(UnitKey unit,
                                                                             Found found,
                                                                             std::uint64_t offset,
                                                                             std::uint64_t length) {
  ReadContext context{core_.parts.memory, data_options(), core_.members.view_of(unit), {}};
  context.on_damage = [this, unit](unsigned slot, const model::DataPart& part, bool is_inline,
                                   const Error&) {
    chores_.look_into(unit, part, is_inline, slot);
  };
  return store::open_data(std::move(context), std::move(found), offset, length);
}

io::Task<Result<ScanPage>> LocalStoreImpl::scan(ScanRequest request) {
  return scanner_.scan(std::move(request));
}

bool LocalStoreImpl::every_partition(unsigned PartitionView::* quorum, bool voting) const {
  for (std::size_t p = 0; p < core_.members.partitions(); ++p) {
    const View view = core_.members.view(model::PartitionId{static_cast<std::uint32_t>(p)});
    const auto answers = std::ranges::count_if(view->members, [&](const Member& m) {
      return m.device->usable() && !(voting && m.rebuilding);
    });
    if (static_cast<unsigned>(answers) < (*view).*quorum) return false;
  }
  return true;
}

bool LocalStoreImpl::can_read() const {
  return every_partition(&PartitionView::r, true) && every_partition(&PartitionView::k, false);
}

bool LocalStoreImpl::can_write() const {
  return !core_.deposed.load() && can_read() && every_partition(&PartitionView::w, false);
}

io::Task<Result<std::vector<DriveStatus>>> LocalStoreImpl::drives() {
  const auto behind = rebuilding();
  std::vector<DriveStatus> out;
  for (const auto& device : core_.members.devices()) {
    DriveStatus status{device->id(), device->path(), "online", device->reason()};
    status.partitions_rebuilding = static_cast<std::uint64_t>(
        std::ranges::count_if(behind, [&](const auto& one) { return one.second == device->id(); }));
    if (device->drive() == nullptr) {
      status.state = "missing";
    } else if (!device->begin_call()) {
      status.state = "failed";
      if (status.reason.empty()) status.reason = "the drive left service after errors";
    } else {
      using Stats = drive::Drive::Stats;
      Fanout<Result<Stats>> fanout(core_.deadlines);
      fanout.start(
          0, Core::call<Stats>(device, core_.options.call_deadline, device->drive()->stats()));
      const io::Duration patience =
          std::min<io::Duration>(core_.options.call_deadline, std::chrono::seconds(2));
      const bool answered = co_await fanout.wait(1, io::Executor::current().now() + patience);
      if (status.partitions_rebuilding > 0) status.state = "rebuilding";
      if (answered && fanout.answers()[0].value) {
        const Stats& stats = *fanout.answers()[0].value;
        status.total_bytes = stats.total_bytes;
        status.available_bytes = stats.available_bytes;
        status.repair_entries = stats.repair_entries;
        if (stats.full) status.state = "full";
      } else if (device->health() == Health::failed) {
        status.state = "failed";
      }
      if (!answered || device->health() == Health::suspect) status.reason = "slow to answer";
    }
    out.push_back(std::move(status));
  }
  co_return out;
}

io::Task<Result<bool>> LocalStoreImpl::repair(UnitKey unit) {
  return repairer_.repair(std::move(unit), std::nullopt);
}

io::Task<Result<bool>> LocalStoreImpl::repair_member(UnitKey unit, model::DriveId member) {
  return repairer_.repair(std::move(unit), member);
}

io::Task<Result<LocalStore::Verified>> LocalStoreImpl::verify(UnitKey unit) {
  return repairer_.verify(std::move(unit));
}

io::Task<Result<std::vector<UnitKey>>> LocalStoreImpl::repair_queue(std::size_t limit) {
  std::vector<UnitKey> out;
  bool asked = false;
  for (const auto& device : core_.members.devices()) {
    if (!device->begin_call()) continue;
    auto page = co_await Core::call<std::vector<UnitKey>>(device, core_.options.call_deadline,
                                                          device->drive()->repair_list("", limit));
    if (!page) continue;
    asked = true;
    std::ranges::move(*page, std::back_inserter(out));
  }
  if (!asked) co_return Error{Code::unavailable, "no drive answers"};
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (out.size() > limit) out.resize(limit);
  co_return out;
}

io::Task<void> LocalStoreImpl::stop() {
  CAIRN_ASSERT(!stopped_);
  {
    // A change of members that is under way comes to its end; none begins from now on.
    const io::AsyncMutex::Guard guard = co_await admin_.lock();
    core_.stopping.store(true);
  }
  chores_.stop();
  core_.lead_wake.push(true);
  // Commits that are inside end; those that come in from now on find the store stopping.
  co_await pause_all();
  resume_all();
  for (;;) {
    std::int64_t busy = core_.chores.load();
    for (const auto& device : core_.members.devices())
      busy += static_cast<std::int64_t>(device->calls());
    if (busy == 0) break;
    co_await io::sleep_for(std::chrono::milliseconds(2));
  }
  core_.deadlines.stop();
  while (ticking_.load()) co_await io::sleep_for(std::chrono::milliseconds(2));
  stopped_ = true;
}

io::Task<Result<std::unique_ptr<LocalStore>>> open_local_store(Parts parts, Options options,
                                                               placement::Map map,
                                                               std::vector<DriveSlot> slots) {
  if (map.partitions.empty())
    co_return Error{Code::invalid_argument, "the cluster map has no partitions"};
  for (const auto& entry : map.partitions) {
    if (entry.members.size() != map.profile.drives()) {
      co_return Error{
          Code::corrupt,
          "a partition of the cluster map has another number of drives than its profile"};
    }
  }
  auto store = std::make_unique<LocalStoreImpl>(parts, options, std::move(map), std::move(slots));
  const Result<void> opened = co_await store->open();
  if (!opened) {
    co_await store->stop();
    co_return Error{opened.error()};
  }
  co_return std::unique_ptr<LocalStore>(std::move(store));
}

}  // namespace cairn::store
