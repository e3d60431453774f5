#include "app/node.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "app/slow_drive.h"
#include "base/log.h"
#include "cluster/generations.h"
#include "cluster/retire.h"
#include "object/make.h"
#include "store/fencing.h"

namespace cairn::app {

MemoryPlan plan_memory(std::uint64_t limit, std::size_t drives, std::uint64_t machine) {
  MemoryPlan plan;
  plan.total = limit != 0 ? limit : std::max<std::uint64_t>(machine / 4, 512ull << 20);
  plan.bodies = plan.total / 2;
  plan.block_cache_per_drive = plan.total / 4 / drives;
  plan.memtable_per_drive = std::min<std::uint64_t>(plan.total / 8 / drives, 64ull << 20);
  plan.cached_units = static_cast<std::size_t>(plan.total / 16 / 1024);  // about 1 KiB each
  return plan;
}

namespace {

std::uint64_t machine_memory() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// As many files as the system lets this process have open; how many that is.
std::uint64_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace

Node::Node(const ServerSettings& settings, io::Reactors& reactors, metrics::Registry& metrics)
    : settings_(settings),
      reactors_(reactors),
      metrics_(metrics),
      open_files_(raise_open_files()),
      plan_(plan_memory(settings.memory_bytes, settings.drives.size(), machine_memory())),
      clock_(io::system_clock()),
      random_(io::system_random()),
      pool_(io::make_blocking_pool(std::max<std::size_t>(8, 2 * reactors.size()))),
      memory_(io::make_memory_budget(plan_.bodies, std::chrono::seconds(10))) {}

Node::~Node() = default;

drive::World Node::world() {
  return {*files_, *pool_, *clock_, *random_, metrics_};
}

drive::LocalDriveOptions Node::drive_options() const {
  drive::LocalDriveOptions options;
  options.block_cache_bytes = plan_.block_cache_per_drive;
  options.memtable_bytes = plan_.memtable_per_drive;
  options.sync = !settings_.unsafe_no_sync;
  // A sixteenth of the files for shards that are kept open: connections and the index need the
  // rest.
  options.open_files = static_cast<std::size_t>(
      std::clamp<std::uint64_t>(open_files_ / 16 / settings_.drives.size(), 8, 256));
  return options;
}

std::shared_ptr<drive::Drive> Node::as_tested(const std::string& path,
                                              std::shared_ptr<drive::Drive> drive) {
  if (!drive || path != settings_.testing.slow_drive) return drive;
  return make_slow_drive(std::move(drive),
                         std::chrono::milliseconds(settings_.testing.slow_drive_ms), *random_);
}

Result<std::unique_ptr<Node>> Node::open(const ServerSettings& settings, io::Reactors& reactors,
                                         metrics::Registry& metrics) {
  std::unique_ptr<Node> node(new Node(settings, reactors, metrics));
  CAIRN_TRY(node->start());
  return node;
}

Result<void> Node::start() {
  CAIRN_ASSIGN(files_, io::make_file_system(settings_.file_io, reactors_, *pool_));
  auto opened = io::block_on(reactors_, open_all());
  if (opened) return {};
  stop();
  return Error{std::move(opened.error())};
}

io::Task<Result<bool>> Node::open_all() {
  cluster::Options options;
  options.paths = settings_.drives;
  options.erasure = settings_.erasure;
  options.drive = drive_options();
  options.import_map = settings_.import_map;
  options.retire = settings_.retire_drive;
  CAIRN_CO_ASSIGN(cluster_, co_await cluster::bootstrap(world(), std::move(options)));

  made_.resize(cluster_.slots.size());
  for (auto& slot : cluster_.slots) slot.drive = as_tested(slot.path, std::move(slot.drive));
  if (const auto& place = cluster_.retired) CAIRN_CO_TRY(co_await retire_lost(*place));
  CAIRN_CO_TRY(co_await open_store());
  for (std::size_t i = 0; i < cluster_.slots.size(); ++i) {
    cluster::Slot& slot = cluster_.slots[i];
    if (!slot.replacement) continue;
    const model::DriveId id = slot.drive->id();
    made_[i] = id;
    auto attached = co_await store_->attach(i, slot.drive);
    if (attached) attached = co_await adopt_drive(i, id);
    if (!attached)
      log::error("a replacement drive cannot be used",
                 {{"path", slot.path}, {"reason", attached.error().message}});
  }
  CAIRN_CO_ASSIGN(objects_, co_await object::open_objects(*store_, *cluster_.control, *clock_,
                                                          *random_, *memory_, {}));
  co_return true;
}

// 7.6: the replacement is in the map, and the lost drive is not, before anybody leads.
io::Task<Result<void>> Node::retire_lost(std::size_t place) {
  cluster::Slot& slot = cluster_.slots[place];
  const model::DriveId lost = slot.id, id = slot.drive->id();
  CAIRN_CO_TRY(co_await store::retire_drive(*cluster_.control, lost, id));
  CAIRN_CO_ASSIGN(auto stored, co_await store::stored_map(*cluster_.control));
  cluster_.map = std::move(stored.map);
  slot.replacement = false;
  CAIRN_CO_TRY(co_await adopt_drive(place, id));
  log::warn("a drive was given up for good by --retire-drive",
            {{"lost", lost.hex()}, {"replacement", id.hex()}, {"path", slot.path}});
  co_return Result<void>{};
}

io::Task<Result<void>> Node::open_store() {
  std::vector<store::DriveSlot> slots;
  cluster::Drives present;
  for (const auto& slot : cluster_.slots) {
    slots.push_back({slot.id, slot.path, slot.replacement ? nullptr : slot.drive, slot.reason});
    if (slot.drive && !slot.replacement) present.push_back(slot.drive);
  }
  store::Options tuning;
  tuning.inline_max_bytes = settings_.inline_max_bytes;
  tuning.cache_units = plan_.cached_units;
  if (settings_.testing.chunk_bytes != 0) tuning.chunk_bytes = settings_.testing.chunk_bytes;
  store::Parts parts{*cluster_.control, *memory_, *clock_, *random_, metrics_};
  auto opened = co_await store::open_local_store(parts, tuning, cluster_.map, std::move(slots));
  if (!opened && opened.code() == Code::unavailable) {
    const std::string hint =
        co_await cluster::retirement_hint(std::move(present), cluster_.map.profile);
    co_return Error{opened.code(), opened.error().message + (hint.empty() ? "" : "; ") + hint};
  }
  if (!opened) co_return Error{opened.error()};
  store_ = std::move(*opened);
  co_return Result<void>{};
}

void Node::give_back(std::size_t slot, std::shared_ptr<drive::Drive> drive) {
  cluster_.slots[slot].drive = std::move(drive);
}

io::Task<Result<cluster::Reopened>> Node::reopen_drive(std::size_t slot, model::DriveId expected,
                                                       bool given_up) {
  const model::ErasureProfile profile = store_->map().profile;
  cluster::Vacancy vacancy{.cluster = cluster_.id,
                           .expected = expected,
                           .made = made_[slot],
                           .slot = static_cast<std::uint32_t>(slot),
                           .drives = static_cast<std::uint32_t>(cluster_.slots.size()),
                           .profile = profile};
  drive::LocalDriveOptions options = drive_options();
  options.path = cluster_.slots[slot].path;
  if (given_up) {
    auto replaced = co_await give_up(slot, vacancy, std::move(options));
    co_return replaced;
  }
  if (store_->others(slot).in_service < profile.fence_quorum())
    vacancy.empty = cluster::Vacancy::Empty::left;
  auto reopened = co_await cluster::reopen(world(), std::move(options), *cluster_.control, vacancy);
  if (!reopened) co_return reopened;
  if (reopened->replacement) made_[slot] = reopened->drive->id();
  reopened->drive = as_tested(cluster_.slots[slot].path, std::move(reopened->drive));
  co_return reopened;
}

io::Task<Result<cluster::Reopened>> Node::give_up(std::size_t slot, cluster::Vacancy vacancy,
                                                  drive::LocalDriveOptions options) {
  const std::size_t voters = store_->others(slot).voters;
  const std::size_t needed = cluster::needed_without(vacancy.profile);
  if (voters < needed)
    co_return Error{Code::conflict, "drive " + vacancy.expected.hex() +
                                        " cannot be given up: of the others it "
                                        "takes " +
                                        std::to_string(needed) +
                                        ", there and whole, and there are " +
                                        std::to_string(voters) + "; bring another one back first"};
  const std::string path = options.path;
  vacancy.empty = cluster::Vacancy::Empty::wanted;
  CAIRN_CO_ASSIGN(auto reopened, co_await cluster::reopen(world(), std::move(options),
                                                          *cluster_.control, vacancy));
  made_[slot] = reopened.drive->id();
  const auto attached =
      co_await cluster_.control->attach(slot, path + "/control", control::Loss::one_for_good);
  if (!attached) {
    co_await reopened.drive->close();
    co_return Error{attached.error()};
  }
  log::warn("a drive is given up for good by an operator",
            {{"lost", vacancy.expected.hex()}, {"path", path}});
  reopened.drive = as_tested(path, std::move(reopened.drive));
  co_return reopened;
}

io::Task<Result<void>> Node::adopt_drive(std::size_t slot, model::DriveId id) {
  CAIRN_CO_TRY(co_await cluster_.control->attach(slot, cluster_.slots[slot].path + "/control"));
  const std::string key = cluster::slot_key(slot);
  CAIRN_CO_ASSIGN(const auto entry, co_await cluster_.control->get(key));
  std::vector<control::Condition> conditions{{key, entry ? entry->mod_revision : 0}};
  std::vector<control::Change> changes{{key, id.hex()}};
  CAIRN_CO_TRY(co_await cluster_.control->commit(std::move(conditions), std::move(changes)));
  cluster_.slots[slot].id = id;
  co_return {};
}

void Node::stop() {
  struct Stop {
    static io::Task<bool> run(Node* node) {
      if (node->objects_) co_await node->objects_->stop();
      if (node->store_) {
        co_await node->store_->stop();
        // 7.4: so that the next start knows an old copy of a drive.
        for (std::size_t i = 0; i < node->cluster_.slots.size(); ++i)
          co_await cluster::remember_acked(*node->cluster_.control, node->cluster_.slots[i].id,
                                           node->store_->acked_batch(i));
      }
      co_await cluster::close(node->cluster_);
      co_return true;
    }
  };
  (void)io::block_on(reactors_, Stop::run(this));
}

}  // namespace cairn::app
