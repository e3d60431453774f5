// What goes wrong while clients work. Messages are lost, repeated and delayed by the links all the
// time (faulty_link.h).
#include <algorithm>

#include "base/assert.h"
#include "sim/world.h"

namespace cairn::sim {

using namespace std::chrono_literals;

io::Task<void> World::storm() {
  while (stormy) {
    if (!co_await pause(50, 2500) || !stormy) break;
    switch (dice.below(10)) {
      case 0:
      case 1:
        if (weather.power_cuts) co_await power_cut();
        break;
      case 2:
        if (weather.crashes) co_await crash();
        break;
      case 3:
        if (weather.rivals) co_await rival();
        break;
      case 4:
        if (weather.slow_drives) co_await slow_drive();
        break;
      case 5:
        if (weather.cut_links && newest()) {
          const auto& link = newest()->links[dice.below(slots.size())];
          if (link) link->cut();
        }
        break;
      case 6:
        if (weather.lies && !lossy_) co_await lie();
        break;
      case 7:
        if (weather.replacements && !lossy_) co_await replace();
        break;
      case 8:
        if (weather.control_outages && dice.chance(500)) co_await control_outage();
        if (weather.io_errors && dice.chance(500)) {
          SimDrive* drive = some_drive();
          say(drive->path + ": input/output errors");
          if (dice.chance(500)) {
            drive->fail_index(dice.below(20));
          } else {
            drive->fail_files(100);
          }
        }
        break;
      case 9:
        if (weather.old_copies && !lossy_) co_await old_copy();
        break;
    }
  }
  --busy;
}

io::Task<void> World::power_cut() {
  const bool all = dice.chance(200);
  std::vector<std::size_t> cut;
  for (std::size_t i = 0; i < drives.size(); ++i) {
    if (drives[i]->destroyed() || down_[i]) continue;
    if (all || dice.below(drives.size()) == 0) cut.push_back(i);
  }
  for (const std::size_t i : cut) {
    say("power cut: " + drives[i]->path);
    down_[i] = true;
    drives[i]->kill(true);
  }
  co_await pause(10, dice.chance(200) ? 8000 : 1000);
  for (const std::size_t i : cut) down_[i] = false;
}

// The leader's process ends; its drives with it, or, as if they were other machines', not.
io::Task<void> World::crash() {
  const auto leader = newest();
  if (!leader) co_return;
  say("leader " + std::to_string(leader->number) + " crashes");
  const bool local = dice.chance(700);
  const bool power = dice.chance(500);
  retire(leader);
  for (std::size_t i = 0; local && i < drives.size(); ++i) {
    if (!drives[i]->destroyed()) drives[i]->kill(power);
  }
}

// A second process takes over while the first one goes on for a while.
io::Task<void> World::rival() {
  const auto old = newest();
  if (!old) co_return;
  if (!co_await elect()) co_return;
  co_await pause(500, 6000);
  retire(old);
}

io::Task<void> World::slow_drive() {
  SimDrive* drive = some_drive();
  say(drive->path + " is slow");
  for (const auto& leader : leaders) {
    for (const auto& link : leader->links)
      if (link && link->id() == drive->id)
        link->faults.max_delay = dice.chance(500) ? io::Duration(4s) : io::Duration(600ms);
  }
  co_await pause(500, 4000);
  for (const auto& leader : leaders) {
    for (const auto& link : leader->links)
      if (link && link->id() == drive->id) link->faults.max_delay = weather.links.max_delay;
  }
}

// One drive returns wrong bytes. What is found damaged is moved away, so its shards may be lost:
// not before all units are whole since the last such fault.
io::Task<void> World::lie() {
  lossy_ = true;
  const bool whole = co_await make_whole(3);
  if (whole && stormy) {
    SimDrive* drive = some_drive();
    say(drive->path + " lies");
    drive->lie(300);
    co_await pause(500, 6000);
    drive->lie(0);
    say(drive->path + " lies no more");
  }
  lossy_ = false;
}

// One drive is gone for good, and an empty one takes its slot.
io::Task<void> World::replace() {
  lossy_ = true;
  const bool whole = drives.size() + 1 < down_.size() && co_await make_whole(3);
  if (whole && stormy) {
    const std::size_t slot = dice.below(slots.size());
    SimDrive* const old = slots[slot];
    const auto at = static_cast<std::size_t>(
        std::find_if(drives.begin(), drives.end(), [&](const auto& d) { return d.get() == old; }) -
        drives.begin());
    say(old->path + " is destroyed");
    down_[at] = true;
    old->destroy();
    ++replaced;
    co_await pause(10, 3000);
    co_await put_in_place(slot);
  }
  lossy_ = false;
}

// An empty drive in a slot whose drive was destroyed.
io::Task<void> World::put_in_place(std::size_t slot) {
  SimDrive* const old = slots[slot];
  CAIRN_ASSERT(old->destroyed());
  model::DriveId id;
  id.bytes[0] = static_cast<std::uint8_t>(++next_drive_);
  DriveParts parts{executor, *pool, drive_metrics, dice, setup.plant == Plant::ignored_sync};
  auto fresh = std::make_unique<SimDrive>(parts, id, "/drive" + std::to_string(next_drive_));
  const auto formatted = co_await fresh->format(setup.profile);
  CAIRN_ASSERT(formatted.has_value());
  say(fresh->path + " takes its slot");
  previous[slot] = old;
  slots[slot] = fresh.get();
  drives.push_back(std::move(fresh));
}

// One drive goes away and an old copy of it comes back (7.4). The leader has acks of what the copy
// lacks, so it must not be let in, however often it is tried; an empty drive takes the slot in the
// end.
io::Task<void> World::old_copy() {
  lossy_ = true;
  const std::size_t slot = dice.below(slots.size());
  SimDrive* const drive = slots[slot];
  const auto at = static_cast<std::size_t>(
      std::find_if(drives.begin(), drives.end(), [&](const auto& d) { return d.get() == drive; }) -
      drives.begin());
  if (!drive->destroyed() && !down_[at] && drives.size() + 1 < down_.size()) {
    down_[at] = true;
    drive->kill(true);
    const SimDrive::Copy copy = drive->copy();
    down_[at] = false;
    co_await pause(500, 8000);
    const bool whole = co_await make_whole(3);
    const auto leader = newest();
    const auto living = std::ranges::count_if(leaders, [](const auto& l) { return l->alive; });
    // Whoever has no ack of anything newer cannot know.
    if (whole && stormy && leader && living == 1 && !drive->destroyed() &&
        leader->store->acked_batch(slot) > copy.last_batch) {
      say("an old copy of " + drive->path + " stands where it was");
      drive->kill(true);
      drive->put_back(copy);
      ++replaced;
      co_await refuse_copy(leader, slot);
      down_[at] = true;
      drive->destroy();
      co_await put_in_place(slot);
    }
  }
  lossy_ = false;
}

io::Task<void> World::refuse_copy(std::shared_ptr<Leader> leader, std::size_t slot) {
  const model::DriveId id = slots[slot]->id;
  leader->refused = {};
  for (unsigned i = 0; i < 200 && leader->alive && stormy; ++i) {
    if (leader->refused == id) {
      ++copies_refused;
      // Tried again, it is refused again.
      leader->refused = {};
      co_await pause(100, 3000);
      break;
    }
    // With the mistake planted it goes on, for what is checked anyway to find.
    const auto& link = leader->links[slot];
    const bool believed = link && link->id() == id && !link->failed();
    if (believed && setup.plant != Plant::old_copy)
      fail("7.4: an old copy of " + slots[slot]->path + " was taken for the drive");
    if (!co_await pause(100, 200)) break;
  }
  if (setup.plant == Plant::old_copy) co_await pause(2000, 10'000);
}

io::Task<void> World::control_outage() {
  say("the control store is away");
  control.set_unavailable(true);
  co_await pause(500, 4000);
  control.set_unavailable(false);
}

}  // namespace cairn::sim
