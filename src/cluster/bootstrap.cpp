#include "cluster/bootstrap.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "cluster/generations.h"
#include "cluster/import.h"
#include "cluster/replacement.h"
#include "cluster/retire.h"
#include "drive/format_file.h"
#include "io/sync.h"

namespace cairn::cluster {
namespace {

using drive::Probe;

struct Found {
  std::string path;
  Probe probe;
};

Error refuse(std::string text) {
  return Error{Code::invalid_argument, std::move(text)};
}

drive::LocalDriveOptions options_for(const Options& options, const std::string& path) {
  drive::LocalDriveOptions drive = options.drive;
  drive.path = path;
  return with_partitions(std::move(drive));
}

// A cluster of drives that are all empty: every one must be usable, nothing is formatted before
// that is known.
io::Task<Result<void>> create(drive::World world, Options options, std::vector<Found> found,
                              Cluster& cluster) {
  for (const auto& f : found) {
    if (f.probe.state != Probe::State::empty && f.probe.state != Probe::State::missing)
      co_return refuse("cannot make a new cluster: " + f.path + ": " + f.probe.reason);
  }
  const auto profile = options.erasure.value_or(model::ErasureProfile::for_drives(found.size()));
  cluster.created = true;
  cluster.id = world.random.id<model::ClusterId>();
  std::vector<placement::DriveWeight> weights;
  std::vector<std::string> control_paths;
  std::vector<io::Task<Result<std::shared_ptr<drive::Drive>>>> making;
  for (std::size_t i = 0; i < found.size(); ++i) {
    drive::Format format;
    format.drive = world.random.id<model::DriveId>();
    format.cluster = cluster.id;
    format.slot = static_cast<std::uint32_t>(i);
    format.drives = static_cast<std::uint32_t>(found.size());
    format.profile = profile;
    cluster.slots.push_back({found[i].path, format.drive, nullptr, "", false});
    weights.push_back({format.drive, 1.0, ""});
    control_paths.push_back(found[i].path + "/control");
    making.push_back(make_drive(world, options_for(options, found[i].path), std::move(format),
                                found[i].probe.state == Probe::State::missing));
  }
  auto made = co_await io::when_all(std::move(making));
  for (std::size_t i = 0; i < made.size(); ++i)
    if (made[i])
      cluster.slots[i].drive = std::move(*made[i]);  // whoever closes the cluster has all
  for (auto& one : made)
    if (!one) co_return std::move(one.error());
  CAIRN_CO_ASSIGN(cluster.map, placement::compute_map(model::MapEpoch{1}, profile,
                                                      placement::kDefaultPartitions, weights));
  CAIRN_CO_ASSIGN(cluster.control, co_await control::open_embedded(world.files, control_paths));
  std::vector<control::Condition> absent{{"map", 0}};
  std::vector<control::Change> changes{{"map", placement::encode_map(cluster.map)}};
  CAIRN_CO_TRY(co_await cluster.control->commit(std::move(absent), std::move(changes)));
  log::info("made a new cluster",
            {{"cluster", cluster.id.hex()}, {"drives", found.size()}, {"erasure", profile.text()}});
  co_return {};
}

// Sorts formatted drives into their slots; what does not belong is refused by name.
Result<std::vector<Slot>> sort_into_slots(const std::vector<Found>& found,
                                          const drive::Format& reference) {
  std::vector<Slot> slots(reference.drives);
  std::vector<bool> taken(reference.drives, false);
  std::vector<const Found*> others;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& [path, probe] = found[i];
    if (probe.state != Probe::State::formatted) {
      others.push_back(&found[i]);
      continue;
    }
    if (probe.format.cluster != reference.cluster)
      return refuse(path + " belongs to another cluster (" + probe.format.cluster.hex() +
                    ", the others to " + reference.cluster.hex() +
                    "); name the right directory, or empty it to use it as a replacement");
    if (probe.format.slot >= reference.drives)
      return refuse(path + ": its format.json names a slot that does not exist");
    Slot& slot = slots[probe.format.slot];
    if (taken[probe.format.slot])
      return refuse(path + " and " + slot.path + " both are drive " +
                    std::to_string(probe.format.slot) +
                    " of the cluster; one is a copy: leave the stale one out");
    taken[probe.format.slot] = true;
    slot.path = path;
    slot.id = probe.format.drive;
    if (probe.format.slot != i)
      log::warn("a drive stands at another place than at its creation; it is known by its id",
                {{"path", path}, {"slot", probe.format.slot}});
  }
  // Directories without a drive stand for the slots that were not found: by position if that one is
  // free.
  for (const auto* other : others) {
    const auto position = static_cast<std::size_t>(other - found.data());
    std::size_t at = position;
    if (at >= slots.size() || taken[at]) {
      at = 0;
      while (at < slots.size() && taken[at]) ++at;
    }
    if (at == slots.size())
      return refuse(other->path + " is one drive more than the cluster has (" +
                    std::to_string(reference.drives) + "); leave it out");
    taken[at] = true;
    slots[at].path = other->path;
    slots[at].reason = other->probe.reason;
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!taken[i]) slots[i].reason = "drive " + std::to_string(i) + " of the cluster was not named";
  }
  return slots;
}

// A drive that the map does not name: one that was replaced while it was away, or a replacement
// that was made and never got its place.
io::Task<Result<void>> let_go_of_stranger(Slot& slot) {
  if (slot.drive) {
    const auto blank = co_await is_blank(slot.drive);
    slot.replacement = blank && *blank;
    if (slot.replacement) co_return Result<void>{};
  }
  slot.reason = slot.path + " was replaced while it was away; empty the directory to use it again";
  log::error("a drive cannot be used", {{"path", slot.path}, {"reason", slot.reason}});
  if (slot.drive) co_await slot.drive->close();
  slot.drive.reset();
  co_return Result<void>{};
}

// Which drive id each slot has: what format.json shows, else what the control store remembers, else
// by elimination.
io::Task<Result<void>> name_missing(control::Store& control, std::vector<Slot>& slots,
                                    const placement::Map& map) {
  std::set<model::DriveId> unclaimed;
  for (const auto& entry : map.partitions)
    for (const auto& member : entry.members) unclaimed.insert(member.drive);
  for (auto& slot : slots) {
    if (slot.id.is_zero() || unclaimed.erase(slot.id) == 1) continue;
    CAIRN_CO_TRY(co_await let_go_of_stranger(slot));
    slot.id = {};
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i].id.is_zero()) continue;
    CAIRN_CO_ASSIGN(const auto entry, co_await control.get(slot_key(i)));
    if (!entry) continue;
    const auto id = model::DriveId::from_hex(entry->value);
    if (id && unclaimed.erase(*id) == 1) slots[i].id = *id;
  }
  for (auto& slot : slots) {
    if (!slot.id.is_zero() || unclaimed.empty()) continue;
    slot.id = *unclaimed.begin();
    unclaimed.erase(unclaimed.begin());
  }
  co_return {};
}

io::Task<bool> open_slot(drive::World world, drive::LocalDriveOptions options, Slot* slot) {
  auto opened = co_await drive::open_local_drive(world, std::move(options));
  if (opened) {
    slot->drive = std::move(*opened);
  } else {
    slot->reason = opened.error().message;
    log::error("a drive cannot be used", {{"path", slot->path}, {"reason", slot->reason}});
  }
  co_return opened.has_value();
}

// Opens what can be opened; the rest stays a missing slot with its reason. All at once: each reads
// the log of its index again, which is most of what a start costs.
io::Task<void> open_slots(drive::World world, const Options* options, std::vector<Slot>* slots) {
  std::vector<io::Task<bool>> opening;
  for (auto& slot : *slots) {
    if (slot.id.is_zero()) continue;
    opening.push_back(open_slot(world, options_for(*options, slot.path), &slot));
  }
  (void)co_await io::when_all(std::move(opening));
}

// Lets go of drives that are old copies (7.4): their slots are missing. That they were mounted to
// find out is taken back, or else enough attempts would make up for what they lack.
io::Task<Result<void>> refuse_stale(drive::World world, const std::vector<Found>* found,
                                    Cluster* cluster) {
  std::vector<drive::Format> mounted;
  for (auto& slot : cluster->slots) {
    if (!slot.drive || slot.replacement) continue;
    const auto at = std::ranges::find(*found, slot.path, &Found::path);
    const drive::Format format = at->probe.format;
    CAIRN_CO_ASSIGN(bool stale, co_await is_stale(*cluster->control, format));
    if (!stale) {
      CAIRN_CO_ASSIGN(stale, co_await has_lost_batches(*cluster->control, slot.drive));
    }
    if (!stale) {
      mounted.push_back(format);
      continue;
    }
    slot.reason = stale_reason(slot.path);
    log::error("a drive cannot be used", {{"path", slot.path}, {"reason", slot.reason}});
    co_await slot.drive->close();
    slot.drive.reset();
    CAIRN_CO_TRY(co_await take_back_mount(world, format, slot.path));
  }
  co_await remember_mounts(*cluster->control, std::move(mounted));
  co_return Result<void>{};
}

std::vector<std::shared_ptr<drive::Drive>> drives_of(const Cluster& cluster) {
  std::vector<std::shared_ptr<drive::Drive>> out;
  for (const auto& slot : cluster.slots)
    if (slot.drive) out.push_back(slot.drive);
  return out;
}

// 8.5: under an older map the past would be served. The whole control store is older then, buckets
// and settings as well: whether a newer copy of it can be had is for a person to say.
Error older_map(model::MapEpoch stored, model::MapEpoch promised) {
  return Error{Code::stale_map,
               "the control store is older than the drives: it knows the cluster map of epoch " +
                   std::to_string(stored.value) + ", drives have promised under epoch " +
                   std::to_string(promised.value) +
                   ". Put back a newer copy of the control/ directories if there is one; else "
                   "start with --import-map, which takes the map over from the drives, and check "
                   "the list of buckets"};
}

Result<void> check_enough(const Known& known, model::DriveId lost, model::ErasureProfile profile) {
  const std::size_t needed = needed_without(profile);
  if (known.voters >= needed) return {};
  return Error{Code::unavailable,
               "drive " + lost.hex() + " cannot be given up: of the others it takes " +
                   std::to_string(needed) + ", there and whole, and there are " +
                   std::to_string(known.voters) + "; bring another one back first"};
}

// The slot whose directory takes the place of the drive that an operator gave up; its drive is made
// if the directory is empty. None: the drives do not know the lost one as a member (any more).
// Nothing is written before it is known that the others suffice.
io::Task<Result<std::optional<std::size_t>>> place_for_retired(
    drive::World world, const Options* options, model::DriveId lost, drive::Format reference,
    const std::vector<Found>* found, Cluster* cluster) {
  CAIRN_CO_ASSIGN(const Known known, co_await known_members(drives_of(*cluster)));
  if (!known.members.contains(lost)) {
    log::warn("--retire-drive names no drive of this cluster (any more); leave it out",
              {{"drive", lost.hex()}});
    co_return std::optional<std::size_t>{};
  }
  for (std::size_t i = 0; i < cluster->slots.size(); ++i) {
    const Slot& slot = cluster->slots[i];
    if (slot.id == lost)
      co_return refuse(slot.path + " holds drive " + lost.hex() +
                       ": it is not lost. To give it up all the same, put an empty directory in "
                       "its place");
  }
  CAIRN_CO_TRY(check_enough(known, lost, reference.profile));
  std::string vacant;
  for (std::size_t i = 0; i < cluster->slots.size(); ++i) {
    Slot& slot = cluster->slots[i];
    if (slot.drive && known.members.contains(slot.id)) continue;
    if (slot.drive) {
      CAIRN_CO_ASSIGN(const bool blank, co_await is_blank(slot.drive));
      if (blank) co_return std::optional<std::size_t>{i};
    }
    if (slot.path.empty()) continue;
    vacant += (vacant.empty() ? "" : " or ") + slot.path;
    const auto at = std::ranges::find(*found, slot.path, &Found::path);
    if (at->probe.state != Probe::State::empty) continue;
    drive::Format format = reference;
    format.slot = static_cast<std::uint32_t>(i);
    format.generation = 0;
    format.drive = world.random.id<model::DriveId>();
    CAIRN_CO_ASSIGN(slot.drive, co_await make_drive(world, options_for(*options, slot.path),
                                                    std::move(format), false));
    slot.id = slot.drive->id();
    co_return std::optional<std::size_t>{i};
  }
  co_return refuse("to give up drive " + lost.hex() + ", put an empty directory in its place: " +
                   (vacant.empty() ? "it has to be named as well" : vacant));
}

// Opens the control store and reads the map. `loss`: an operator gave one drive up.
io::Task<Result<void>> open_control(drive::World world, const Options* options,
                                    model::ErasureProfile profile, control::Loss loss,
                                    Cluster* cluster) {
  std::vector<std::string> paths;
  for (const auto& slot : cluster->slots) paths.push_back(slot.drive ? slot.path + "/control" : "");
  auto opened = co_await control::open_embedded(world.files, std::move(paths), loss);
  if (!opened) {
    const std::string hint = co_await retirement_hint(drives_of(*cluster), profile);
    co_return Error{opened.code(), opened.error().message + (hint.empty() ? "" : "; ") + hint};
  }
  cluster->control = std::move(*opened);
  CAIRN_CO_ASSIGN(const auto map, co_await cluster->control->get("map"));
  CAIRN_CO_ASSIGN(const model::MapEpoch promised, co_await newest_promised(drives_of(*cluster)));
  if (!map && promised.value != 0)
    co_return Error{Code::corrupt,
                    "the control store is empty, but the drives hold data: put back the control/ "
                    "directories of most drives from a backup; do not empty the drives"};
  if (!map)
    co_return Error{Code::corrupt,
                    "the drives hold no cluster map: their creation was interrupted; empty them "
                    "and start again"};
  CAIRN_CO_ASSIGN(cluster->map, placement::decode_map(map->value));
  if (promised > cluster->map.epoch) {
    if (!options->import_map) co_return older_map(cluster->map.epoch, promised);
    CAIRN_CO_ASSIGN(cluster->map, co_await import_map(*cluster->control, drives_of(*cluster),
                                                      std::move(cluster->map)));
  }
  co_return Result<void>{};
}

bool names(const placement::Map& map, model::DriveId drive) {
  return std::ranges::any_of(map.partitions, [&](const placement::Entry& entry) {
    return std::ranges::count(entry.members, drive, &placement::Member::drive) != 0;
  });
}

// Drives that came back, or empty directories in the place of drives that are gone.
io::Task<void> fill_vacancies(drive::World world, const Options* options, drive::Format reference,
                              Cluster* cluster) {
  for (std::size_t i = 0; i < cluster->slots.size(); ++i) {
    Slot& slot = cluster->slots[i];
    if (slot.drive || slot.path.empty()) continue;
    const Vacancy vacancy{.cluster = cluster->id,
                          .expected = slot.id,
                          .slot = static_cast<std::uint32_t>(i),
                          .drives = reference.drives,
                          .profile = reference.profile};
    auto again =
        co_await reopen(world, options_for(*options, slot.path), *cluster->control, vacancy);
    if (!again) {
      if (slot.reason.empty()) slot.reason = again.error().message;
      continue;
    }
    slot.drive = std::move(again->drive);
    slot.replacement = again->replacement;
  }
}

io::Task<Result<void>> open_existing(drive::World world, Options options, std::vector<Found> found,
                                     Cluster& cluster) {
  const auto first = std::find_if(found.begin(), found.end(), [](const Found& f) {
    return f.probe.state == Probe::State::formatted;
  });
  const drive::Format reference = first->probe.format;
  if (options.erasure && *options.erasure != reference.profile)
    co_return refuse("the drives were made with erasure " + reference.profile.text() + ", not " +
                     options.erasure->text() + "; leave --erasure out");
  if (found.size() > reference.drives)
    co_return refuse("the cluster has " + std::to_string(reference.drives) + " drives, but " +
                     std::to_string(found.size()) + " are named; leave the others out");
  cluster.id = reference.cluster;
  CAIRN_CO_ASSIGN(cluster.slots, sort_into_slots(found, reference));
  co_await open_slots(world, &options, &cluster.slots);

  const auto& retire = options.retire;
  std::optional<std::size_t> place;
  if (retire) {
    CAIRN_CO_ASSIGN(
        place, co_await place_for_retired(world, &options, *retire, reference, &found, &cluster));
  }
  CAIRN_CO_TRY(co_await open_control(world, &options, reference.profile,
                                     place ? control::Loss::one_for_good : control::Loss::none,
                                     &cluster));
  if (place && retire && names(cluster.map, *retire)) {
    cluster.retired = place;
    cluster.slots[*place].id = *retire;
    cluster.slots[*place].replacement = true;
  }
  CAIRN_CO_TRY(co_await name_missing(*cluster.control, cluster.slots, cluster.map));
  CAIRN_CO_TRY(co_await refuse_stale(world, &found, &cluster));
  if (cluster.retired && retire) {
    // Without the old copies.
    CAIRN_CO_ASSIGN(const Known known, co_await known_members(drives_of(cluster)));
    CAIRN_CO_TRY(check_enough(known, *retire, reference.profile));
  }
  co_await fill_vacancies(world, &options, reference, &cluster);
  co_return {};
}

}  // namespace

std::string slot_key(std::size_t slot) {
  return "slot/" + std::to_string(slot);
}

io::Task<Result<Cluster>> bootstrap(drive::World world, Options options) {
  std::vector<Found> found;
  std::size_t formatted = 0;
  for (const auto& path : options.paths) {
    CAIRN_CO_ASSIGN(auto probe, co_await drive::probe(world.files, path));
    if (probe.state == Probe::State::formatted) ++formatted;
    found.push_back({path, std::move(probe)});
  }
  Cluster cluster;
  auto opened = formatted == 0
                    ? create(world, std::move(options), std::move(found), cluster)
                    : open_existing(world, std::move(options), std::move(found), cluster);
  const Result<void> result = co_await std::move(opened);
  if (!result) {
    co_await close(cluster);
    co_return Error{result.error()};
  }
  co_return cluster;
}

io::Task<void> close(Cluster& cluster) {
  for (auto& slot : cluster.slots) {
    if (slot.drive) co_await slot.drive->close();
    slot.drive.reset();
  }
  if (cluster.control) co_await cluster.control->stop();
  cluster.control.reset();
}

}  // namespace cairn::cluster
