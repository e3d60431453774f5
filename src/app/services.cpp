#include "app/services.h"

#include "app/version.h"
#include "cluster/generations.h"

namespace cairn::app {

NodeSlots::NodeSlots(Node& node) : node_(node) {
  for (std::size_t i = 0; i < node.slots().size(); ++i) {
    auto drive = node.take_drive(i);
    const model::DriveId id = drive ? drive->id() : node.slots()[i].id;
    states_.push_back({id, std::move(drive), node.slots()[i].reason});
  }
}

NodeSlots::~NodeSlots() {
  for (std::size_t i = 0; i < states_.size(); ++i) node_.give_back(i, std::move(states_[i].drive));
}

background::DriveSlots::Slot NodeSlots::slot(std::size_t index) const {
  std::lock_guard lock(mutex_);
  const State& state = states_[index];
  return {node_.slots()[index].path, state.drive, state.reason};
}

io::Task<Result<void>> NodeSlots::check(std::size_t index) {
  const std::string path = node_.slots()[index].path;
  model::DriveId expected;
  {
    std::lock_guard lock(mutex_);
    expected = states_[index].id;
  }
  CAIRN_CO_ASSIGN(const drive::Probe probe, co_await drive::probe(node_.files(), path));
  if (probe.state != drive::Probe::State::formatted)
    co_return Error{Code::drive_failed, path + " no longer holds the drive: " + probe.reason};
  if (probe.format.drive != expected)
    co_return Error{Code::drive_failed, path + " holds another drive now"};
  co_return {};
}

void NodeSlots::retire(std::size_t index, std::string reason) {
  std::shared_ptr<drive::Drive> drive;
  {
    std::lock_guard lock(mutex_);
    states_[index].reason = reason;
    drive = states_[index].drive;
  }
  if (drive) drive->retire(std::move(reason));
}

io::Task<Result<std::shared_ptr<drive::Drive>>> NodeSlots::reopen(std::size_t index,
                                                                  bool given_up) {
  // The drive that failed has to let go of its directory first.
  model::DriveId expected;
  std::shared_ptr<drive::Drive> failed;
  std::string reason;
  {
    std::lock_guard lock(mutex_);
    expected = states_[index].id;
    reason = states_[index].reason;
    failed = std::exchange(states_[index].drive, nullptr);
  }
  CAIRN_CO_TRY(co_await node_.store().detach(index, reason.empty() ? "the drive failed" : reason));
  if (failed) {
    co_await failed->close();
    // 7.4: an old copy of it may come back.
    co_await cluster::remember_acked(node_.control(), expected, node_.store().acked_batch(index));
  }
  failed.reset();
  CAIRN_CO_ASSIGN(auto reopened, co_await node_.reopen_drive(index, expected, given_up));
  co_return std::move(reopened.drive);
}

io::Task<Result<void>> NodeSlots::adopt(std::size_t index, std::shared_ptr<drive::Drive> drive) {
  CAIRN_CO_TRY(co_await node_.adopt_drive(index, drive->id()));
  std::lock_guard lock(mutex_);
  states_[index] = {drive->id(), std::move(drive), ""};
  co_return {};
}

std::optional<std::size_t> NodeSlots::slot_of(model::DriveId id) const {
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < states_.size(); ++i)
    if (states_[i].id == id) return i;
  return std::nullopt;
}

std::vector<std::shared_ptr<drive::Drive>> NodeSlots::in_service() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<drive::Drive>> drives;
  for (const auto& state : states_)
    if (state.drive && !state.drive->failed()) drives.push_back(state.drive);
  return drives;
}

namespace {

background::ScrubOptions scrub_options(const ServerSettings& settings) {
  background::ScrubOptions options;
  // A scrub by hand works also where the periodic one is off: at the default pace.
  options.bytes_per_second = settings.scrub_bytes_per_second;
  return options;
}

}  // namespace

Services::Services(Node& node, const ServerSettings& settings, metrics::Registry& metrics)
    : node_(node),
      settings_(settings),
      started_ms_(node.clock().unix_ms()),
      slots_(node),
      heal_(
          node.store(), [this] { return slots_.in_service(); }, node.clock(), metrics),
      scrub_(node.store(), node.control(), node.clock(), metrics, scrub_options(settings)),
      uploads_(node.objects(), metrics),
      watch_(node.store(), slots_, metrics, [this] { heal_.wake(); }) {}

void Services::start(io::Reactors& reactors) {
  io::Executor& executor = reactors.at(reactors.size() - 1);
  heal_.start(executor);
  scrub_.start(executor);
  uploads_.start(executor);
  watch_.start(executor);
}

void Services::stop(io::Reactors& reactors) {
  struct Stop {
    static io::Task<bool> run(Services* self) {
      co_await self->watch_.stop();
      co_await self->uploads_.stop();
      co_await self->scrub_.stop();
      co_await self->heal_.stop();
      co_return true;
    }
  };
  (void)io::block_on(reactors, Stop::run(this));
}

admin::Readiness Services::readiness() {
  admin::Readiness readiness;
  readiness.can_read = node_.store().can_read();
  readiness.can_write = node_.store().can_write() && node_.control().status().writable;
  if (!readiness.can_read)
    readiness.reasons.push_back("too few drives answer to read every object");
  if (node_.store().deposed())
    readiness.reasons.push_back("another process leads these drives; start this one anew");
  else if (!node_.store().can_write())
    readiness.reasons.push_back("too few drives answer to write");
  if (!node_.control().status().writable)
    readiness.reasons.push_back("too few drives take changes of buckets and settings");
  return readiness;
}

io::Task<Result<admin::Status>> Services::status() {
  admin::Status status;
  status.version = kVersion;
  status.cluster_id = node_.cluster_id().hex();
  status.erasure = node_.store().map().profile.text();
  status.started_ms = started_ms_;
  CAIRN_CO_ASSIGN(const auto drives, co_await node_.store().drives());
  const auto watched = watch_.status();
  for (std::size_t i = 0; i < drives.size(); ++i) {
    const auto& d = drives[i];
    const bool told = i < watched.size() && !watched[i].in_service && !watched[i].reason.empty();
    status.drives.push_back({d.id.hex(), d.path, d.state, told ? watched[i].reason : d.reason,
                             d.total_bytes, d.available_bytes, d.partitions_rebuilding,
                             d.repair_entries});
  }
  const auto heal = heal_.status();
  status.heal = {heal.queue_seen, heal.repaired, heal.postponed, heal.errors, {}};
  for (const auto& r : heal.rebuilds)
    status.heal.rebuilds.push_back({r.drive.hex(), r.partitions, r.partitions_left, r.units_done,
                                    r.units_estimate, r.units_failed, r.bytes, r.started_ms,
                                    r.finished_ms, r.whole, r.waiting_for});
  const auto scrub = scrub_.status();
  status.scrub = {settings_.scrub_bytes_per_second != 0,
                  scrub.in_pass,
                  scrub.started_ms,
                  scrub.finished_ms,
                  scrub.units,
                  scrub.bytes,
                  scrub.damaged_shards,
                  scrub.not_whole,
                  scrub.errors};
  status.memory_limit_bytes = node_.memory().limit();
  status.memory_used_bytes = node_.memory().used();
  co_return status;
}

io::Task<Result<void>> Services::start_scrub() {
  if (settings_.scrub_bytes_per_second == 0)
    co_return Error{Code::conflict,
                    "the scrub is off (--scrub-rate 0); start the server with another rate"};
  scrub_.run_now();
  co_return {};
}

io::Task<Result<void>> Services::start_heal() {
  watch_.wake();
  heal_.wake();
  co_return {};
}

io::Task<Result<admin::Retired>> Services::retire_drive(std::string drive) {
  const auto id = model::DriveId::from_hex(drive);
  if (!id)
    co_return Error{Code::invalid_argument, "a drive is named by its id, 32 hexadecimal digits"};
  const auto slot = slots_.slot_of(*id);
  if (!slot)
    co_return Error{Code::not_found,
                    "no drive " + drive + " is a member; 'cairn admin status' shows which are"};
  const auto replacement = co_await watch_.replace(*slot);
  if (!replacement && replacement.code() == Code::not_found)
    co_return Error{Code::conflict,
                    replacement.error().message + "; put an empty directory in its place first"};
  if (!replacement) co_return Error{replacement.error()};
  co_return admin::Retired{id->hex(), replacement->hex(), node_.slots()[*slot].path};
}

}  // namespace cairn::app
