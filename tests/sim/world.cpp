#include "sim/world.h"

#include <cstdio>

#include "base/assert.h"
#include "store/fencing.h"

namespace cairn::sim {

using namespace std::chrono_literals;

Weather Weather::draw(Dice& dice, model::ErasureProfile profile) {
  Weather out;
  const auto some = [&](unsigned most) {
    return dice.chance(600) ? static_cast<unsigned>(dice.below(most)) : 0u;
  };
  out.links.lose_request = some(25);
  out.links.lose_reply = some(25);
  out.links.repeat = some(100);
  out.links.slow = some(15);
  if (dice.chance(300)) out.links.max_delay = 20ms;
  out.power_cuts = dice.chance(600);
  out.crashes = dice.chance(600);
  out.rivals = dice.chance(500);
  out.slow_drives = dice.chance(300);
  out.cut_links = dice.chance(400);
  const bool spare = profile.write_quorum() > profile.data;
  out.lies = spare && dice.chance(250);
  out.replacements = spare && dice.chance(400);
  out.old_copies = spare && dice.chance(250);
  out.io_errors = dice.chance(250);
  out.control_outages = dice.chance(200);
  return out;
}

std::string Weather::text() const {
  std::string out = "requests lost " + std::to_string(links.lose_request) + ", replies lost " +
                    std::to_string(links.lose_reply) + ", repeated " +
                    std::to_string(links.repeat) + ", slow " + std::to_string(links.slow);
  const auto add = [&](bool on, const char* name) { out += on ? std::string(", ") + name : ""; };
  add(power_cuts, "power cuts");
  add(crashes, "crashes");
  add(rivals, "rivals");
  add(slow_drives, "slow drives");
  add(cut_links, "cut links");
  add(lies, "lies");
  add(replacements, "replacements");
  add(old_copies, "old copies");
  add(io_errors, "I/O errors");
  add(control_outages, "control outages");
  return out;
}

std::string text_of(const model::UnitKey& unit) {
  std::string out = unit.object_key();
  if (unit.kind() == model::UnitKind::upload) out += " (upload)";
  if (unit.kind() == model::UnitKind::part)
    out += " (part " + std::to_string(unit.part_number()) + ")";
  return out;
}

World::World(const Setup& s)
    : setup(s), dice(s.seed * 2 + 1), weather(Weather::draw(dice, s.profile)), executor(s.seed) {}

void World::fail(std::string what) {
  say("FAILURE: " + what);
  if (!failure) failure = std::move(what);
}

void World::say(const std::string& what) const {
  if (!setup.verbose) return;
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(executor.now().time_since_epoch())
          .count();
  std::printf("%8lld.%03lld  %s\n", static_cast<long long>(ms / 1000),
              static_cast<long long>(ms % 1000), what.c_str());
  std::fflush(stdout);
}

io::Task<bool> World::pause(std::uint64_t least_ms, std::uint64_t most_ms) {
  if (closing) co_return false;
  co_await io::sleep_for(std::chrono::milliseconds(least_ms + dice.below(most_ms - least_ms + 1)));
  co_return !closing;
}

SimDrive* World::find(model::DriveId id) const {
  for (const auto& drive : drives)
    if (drive->id == id) return drive.get();
  return nullptr;
}

SimDrive* World::some_drive() {
  return slots[dice.below(slots.size())];
}

std::shared_ptr<Leader> World::newest() const {
  if (leaders.empty() || !leaders.back()->alive) return nullptr;
  return leaders.back();
}

std::shared_ptr<Leader> World::some_leader() {
  std::vector<std::shared_ptr<Leader>> old;
  for (const auto& leader : leaders)
    if (leader->alive && leader != leaders.back()) old.push_back(leader);
  if (!old.empty() && dice.chance(350)) return old[dice.below(old.size())];
  return newest();
}

Result<placement::Map> World::stored_map() {
  std::optional<Result<placement::Map>> out;
  struct Get {
    static io::Task<void> run(control::Store* control,
                              std::optional<Result<placement::Map>>* into) {
      const auto entry = co_await control->get(store::kMapKey);
      if (!entry || !*entry) {
        into->emplace(Error{Code::not_found, "no map"});
      } else {
        into->emplace(placement::decode_map((*entry)->value));
      }
    }
  };
  // Completes at once: the control store is in memory.
  io::Task<void> get = Get::run(&control, &out);
  auto awaiter = std::move(get).operator co_await();
  awaiter.await_suspend(std::noop_coroutine()).resume();
  CAIRN_ASSERT(out.has_value());
  return std::move(*out);
}

std::shared_ptr<FaultyLink> World::link_to(SimDrive& drive) {
  auto link = std::make_shared<FaultyLink>(drive.drive(), dice.shared());
  if (stormy) link->faults = weather.links;
  links_.push_back(link);
  if (setup.plant == Plant::lying_ack && &drive == slots[0]) link->faults.lying_ack = 200;
  link->faults.lying_batch = setup.plant == Plant::old_copy;
  return link;
}

io::Task<void> World::begin() {
  const unsigned count = setup.profile.drives() + (dice.chance(300) ? 1 : 0);
  std::vector<placement::DriveWeight> weights;
  for (unsigned i = 0; i < count; ++i) {
    model::DriveId id;
    id.bytes[0] = static_cast<std::uint8_t>(++next_drive_);
    DriveParts parts{executor, *pool, drive_metrics, dice, setup.plant == Plant::ignored_sync};
    drives.push_back(std::make_unique<SimDrive>(parts, id, "/drive" + std::to_string(next_drive_)));
    slots.push_back(drives.back().get());
    weights.push_back({id, 1.0, "node"});
    const auto formatted = co_await drives.back()->format(setup.profile);
    CAIRN_ASSERT(formatted.has_value());
    const auto mounted = co_await drives.back()->mount();
    CAIRN_ASSERT(mounted.has_value());
  }
  previous.resize(count);
  down_.resize(count + 16);
  const auto map = placement::compute_map(model::MapEpoch{1}, setup.profile, 2, weights);
  CAIRN_ASSERT(map.has_value());
  const auto stored = co_await control.commit({}, {{store::kMapKey, placement::encode_map(*map)}});
  CAIRN_ASSERT(stored.has_value());
  say("weather: " + weather.text());
  busy += 3;
  io::spawn(executor, keep_drives());
  io::spawn(executor, keep_leader());
  io::spawn(executor, watch());
}

io::Task<bool> World::elect() {
  const auto map = stored_map();
  CAIRN_ASSERT(map.has_value());
  auto leader = std::make_shared<Leader>();
  leader->number = static_cast<unsigned>(leaders.size()) + 1;
  std::vector<store::DriveSlot> taken;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    SimDrive* drive = slots[i];
    if (previous[i] != nullptr) {
      for (const auto& entry : map->partitions)
        for (const auto& member : entry.members)
          if (member.drive == previous[i]->id) drive = previous[i];
    }
    std::shared_ptr<FaultyLink> link = drive->up() ? link_to(*drive) : nullptr;
    leader->links.push_back(link);
    taken.push_back({drive->id, drive->path, link, link ? "" : "down"});
  }
  leader->offered = leader->links;
  store::Options options;
  options.inline_max_bytes = 300;
  options.opened_shard_bytes = 40;
  options.chunk_bytes = 48;
  options.call_deadline = 1500ms;
  options.straggler_deadline = 100ms;
  options.cache_units = dice.chance(300) ? 1 : 1000;
  store::Parts parts{control, *leader->memory, clock, dice.random(), *leader->registry};
  auto opened = co_await store::open_local_store(parts, options, *map, std::move(taken));
  if (!opened) {
    say("election failed: " + opened.error().message);
    co_return false;
  }
  leader->store = std::move(*opened);
  leaders.push_back(leader);
  say("leader " + std::to_string(leader->number));
  busy += 2;
  io::spawn(executor, tend(leader));
  io::spawn(executor, heal(leader));
  co_return true;
}

void World::retire(const std::shared_ptr<Leader>& leader) {
  if (!leader->alive) return;
  leader->alive = false;
  for (auto* all : {&leader->links, &leader->offered})
    for (const auto& link : *all)
      if (link) link->cut();
  ++busy;
  io::spawn(executor, stop(leader));
}

io::Task<void> World::stop(std::shared_ptr<Leader> leader) {
  co_await leader->store->stop();
  leader->stopped = true;
  --busy;
}

// ---- caretakers

io::Task<void> World::keep_drives() {
  while (co_await pause(100, 800)) {
    for (std::size_t i = 0; i < drives.size(); ++i) {
      SimDrive& drive = *drives[i];
      if (drive.destroyed() || down_[i] || drive.up()) continue;
      if (drive.mounted()) {
        say(drive.path + " left service");
        drive.kill(true);
      }
      drive.heal();
      const unsigned kills = drive.kills();
      const auto torn = co_await drive.check_names();
      if (drive.kills() != kills) continue;  // the disk changed meanwhile
      if (torn) fail("assertion 9: " + *torn);
      const auto mounted = co_await drive.mount();
      if (!mounted) {
        say(drive.path + " cannot be mounted: " + mounted.error().message);
        continue;
      }
      say(drive.path + " is back");
    }
  }
  --busy;
}

io::Task<void> World::declare_lost() {
  const auto map = stored_map();
  if (!map) co_return;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (previous[i] == nullptr || !store::names(*map, previous[i]->id)) continue;
    const auto made = co_await store::retire_drive(control, previous[i]->id, slots[i]->id);
    say("the operator declares " + previous[i]->path + " lost" +
        (made ? "" : ": " + made.error().message));
    if (made) co_return;
  }
}

// As a supervisor of processes does: one that is deposed starts anew, and somebody leads.
io::Task<void> World::keep_leader() {
  unsigned failed = 0;
  do {
    const auto leader = newest();
    if (leader != nullptr && leader->store->deposed()) {
      say("leader " + std::to_string(leader->number) + " was deposed and starts anew");
      retire(leader);
    }
    if (newest() == nullptr) {
      const bool elected = co_await elect();
      failed = elected ? 0 : failed + 1;
      if (failed % 8 == 7) co_await declare_lost();
    }
  } while (co_await pause(50, 500));
  --busy;
}

io::Task<void> World::watch() {
  while (co_await pause(300, 900)) check_settled();
  --busy;
}

io::Task<void> World::tend(std::shared_ptr<Leader> leader) {
  while (co_await pause(100, 900)) {
    if (!leader->alive) break;
    for (std::size_t i = 0; i < slots.size() && leader->alive; ++i) {
      SimDrive& drive = *slots[i];
      const auto& link = leader->links[i];
      if (!drive.up() || (link && !link->failed() && link->id() == drive.id)) continue;
      // An old process does not change the map.
      const bool known = link && link->id() == drive.id;
      if (leader != newest() && !known) continue;
      auto fresh = link_to(drive);
      const auto attached = co_await leader->store->attach(i, fresh);
      if (attached) {
        leader->links[i] = fresh;
        say("leader " + std::to_string(leader->number) + " attached " + drive.path);
      } else {
        say("leader " + std::to_string(leader->number) + " cannot attach " + drive.path + ": " +
            attached.error().message);
        if (attached.code() == Code::already_exists && leader->offered[i])
          leader->links[i] = leader->offered[i];
        if (attached.code() == Code::wrong_drive) leader->refused = drive.id;
      }
      leader->offered[i] = fresh;
      if (!leader->alive) fresh->cut();
    }
  }
  --busy;
}

io::Task<void> World::heal(std::shared_ptr<Leader> leader) {
  while (co_await pause(300, 1500)) {
    if (!leader->alive) break;
    for (const auto& [partition, drive] : leader->store->rebuilding()) {
      bool all = true;
      const std::vector<model::UnitKey> now(units.begin(), units.end());
      for (const auto& unit : now) {
        if (!leader->alive || leader->store->map().partition_of(unit) != partition) continue;
        const auto whole = co_await leader->store->repair_member(unit, drive);
        all = all && whole && *whole;
      }
      if (!all || !leader->alive) continue;
      const auto finished = co_await leader->store->finish_rebuild(partition, drive);
      if (finished) say("rebuilt partition " + std::to_string(partition.value));
    }
    if (stormy && leader->alive && dice.chance(300) && !units.empty()) {
      auto it = units.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(dice.below(units.size())));
      const model::UnitKey unit = *it;
      if (dice.chance(500)) {
        (void)co_await leader->store->repair(unit);
      } else {
        (void)co_await leader->store->verify(unit);
      }
    }
  }
  --busy;
}

void World::check_settled() {
  const auto map = stored_map();
  if (!map) return;
  for (const auto& unit : units) {
    const auto& members = map->entry(map->partition_of(unit)).members;
    std::vector<DriveUnit> seen;
    for (const auto& member : members) {
      SimDrive* drive = find(member.drive);
      // An old copy is no member (7.4): what it says may be forgotten since. Unless the mistake is
      // planted that it is taken for one.
      const bool refused =
          drive != nullptr && drive->is_old_copy() && setup.plant != Plant::old_copy;
      const bool lost = drive == nullptr || drive->destroyed() || refused;
      if (!lost) seen.push_back(drive->look(unit));
    }
    for (const auto& one : seen) {
      // An empty unit may be forgotten, one drive after the other (6.3).
      if (!one.settled_head || one.rows.empty()) continue;
      // Also after this one had reported that the removal is settled, and lost that in a crash
      // (6.1): it still has the removal, above what it says is settled.
      if (std::ranges::any_of(one.pendings, &DriveUnit::PendingInfo::empties)) continue;
      unsigned holders = 0;
      for (const auto& other : seen) {
        bool holds = other.settled_head && *other.settled_head >= *one.settled_head;
        for (const auto& pending : other.pendings)
          holds = holds || pending.stamp == *one.settled_head;
        holders += holds;
      }
      if (holders + replaced >= setup.profile.write_quorum()) continue;
      const auto text = [](const model::Stamp& s) {
        return std::to_string(s.term) + "." + std::to_string(s.sequence);
      };
      std::string what = "assertion 3: " + text_of(unit) + " is settled at " +
                         text(*one.settled_head) + " and " + std::to_string(holders) +
                         " drives hold it";
      for (const auto& other : seen) {
        what += other.settled_head ? "; settled " + text(*other.settled_head) : "; nothing settled";
        for (const auto& pending : other.pendings) what += ", pending " + text(pending.stamp);
      }
      fail(std::move(what));
      return;
    }
  }
}

// ---- quiet

io::Task<bool> World::make_whole(unsigned attempts) {
  for (unsigned attempt = 0; attempt < attempts; ++attempt) {
    const auto leader = newest();
    bool all = leader != nullptr;
    for (const SimDrive* drive : slots) all = all && drive->up();
    if (all) all = leader->store->rebuilding().empty();
    const std::vector<model::UnitKey> now(units.begin(), units.end());
    for (const auto& unit : now) {
      if (!all || !leader->alive) break;
      const auto whole = co_await leader->store->verify(unit);
      all = whole && whole->whole;
      if (!all && setup.verbose) {
        say(text_of(unit) + " is not whole" + (whole ? "" : ": " + whole.error().message));
      }
    }
    // Again at the end: a member may have been replaced while units were looked at.
    if (all && leader->alive && leader->store->rebuilding().empty()) co_return true;
    if (!co_await pause(300, 2000)) co_return false;
  }
  co_return false;
}

io::Task<bool> World::calm() {
  stormy = false;
  control.set_unavailable(false);
  for (std::size_t i = 0; i < down_.size(); ++i) down_[i] = false;
  for (const auto& drive : drives) drive->heal();
  for (const auto& leader : leaders) {
    if (leader != leaders.back()) retire(leader);
  }
  // Also of links that no leader has taken in yet.
  for (const auto& one : links_)
    if (const auto link = one.lock()) link->faults = {};
  // What is still under way arrives.
  co_await io::sleep_for(20s);
  // Often the same leader finds its way, at times a new one has to.
  if (dice.chance(400) && newest() != nullptr) retire(newest());
  const io::Instant from = executor.now();
  const bool whole = co_await make_whole(40);
  recovery = executor.now() - from;
  if (!whole && !failure) {
    std::string what = "not whole after all faults ended:";
    const auto map = stored_map();
    for (const auto& unit : units) {
      what += "\n " + text_of(unit);
      for (const auto& member : map->entry(map->partition_of(unit)).members) {
        const DriveUnit one = find(member.drive)->look(unit);
        what += "\n   " + find(member.drive)->path + (member.rebuilding ? " rebuilding" : "");
        if (one.settled_head)
          what += " settled " + std::to_string(one.settled_head->term) + "." +
                  std::to_string(one.settled_head->sequence) + " rows " +
                  std::to_string(one.rows.size());
        for (const auto& pending : one.pendings)
          what += " pending " + std::to_string(pending.stamp.term) + "." +
                  std::to_string(pending.stamp.sequence) + " (" + pending.value.hex().substr(0, 6) +
                  ")";
      }
    }
    for (const SimDrive* drive : slots) {
      if (drive->missing_marks() > 0)
        what += "\n " + drive->path + " lacks" + drive->describe_missing();
    }
    fail(std::move(what));
  }
  co_return whole;
}

io::Task<void> World::end() {
  closing = true;
  for (const auto& leader : leaders) {
    if (!leader->alive) continue;
    leader->alive = false;
    ++busy;
    io::spawn(executor, stop(leader));
  }
  while (busy > 0) co_await io::sleep_for(10ms);
  for (const auto& drive : drives) drive->kill(false);
}

}  // namespace cairn::sim
