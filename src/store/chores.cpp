#include "store/chores.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"

namespace cairn::store {

using drive::Refusal;
using model::Stamp;
using model::UnitKey;

namespace {

constexpr std::size_t kDoubtsMax = 10'000;
constexpr std::size_t kEmptiesMax = 100'000;
constexpr std::size_t kDamagedMax = 10'000;
constexpr std::size_t kAtOnce = 16;
// Heads are forgotten as fast as deletions come, or listings walk over them; the drives sync many
// at once.
constexpr std::size_t kForgottenAtOnce = 256;
constexpr io::Duration kPause = std::chrono::seconds(1);
// How long settles are gathered for one message to a drive.
constexpr io::Duration kGatherSettles = std::chrono::milliseconds(2);

// A call whose answer nobody waits for.
template <class T>
io::Task<void> let_go(io::Task<Result<T>> call) {
  (void)co_await std::move(call);
}

}  // namespace

bool Chores::Queue::push(Task task, std::size_t limit) {
  std::lock_guard lock(mutex);
  if (tasks.size() >= limit || !names.insert(task.unit).second) return false;
  tasks.push_back(std::move(task));
  return true;
}

std::vector<Chores::Task> Chores::Queue::take(std::size_t most) {
  std::lock_guard lock(mutex);
  std::vector<Task> out;
  while (!tasks.empty() && out.size() < most) {
    names.erase(tasks.front().unit);
    out.push_back(std::move(tasks.front()));
    tasks.pop_front();
  }
  return out;
}

std::size_t Chores::Queue::size() {
  std::lock_guard lock(mutex);
  return tasks.size();
}

void Chores::settled(View view, UnitKey unit, Stamp stamp, std::uint32_t whole_on, Leaves leaves) {
  const std::uint32_t everyone = (1u << view->n) - 1;
  if (whole_on == everyone) return tell(std::move(view), std::move(unit), stamp, leaves);
  core_.metrics.short_commits.add();
  for (const Member& member : view->members) {
    if (!(whole_on >> member.slot & 1u)) member.device->add_backlog(1);
  }
  core_.detach(note_then_tell(std::move(view), std::move(unit), stamp, whole_on, leaves));
}

io::Task<void> Chores::note_then_tell(View view, UnitKey unit, Stamp stamp, std::uint32_t whole_on,
                                      Leaves leaves) {
  // Not noted: the pendings stay, and are found by the next look at their index.
  if (co_await note(view, unit, whole_on)) tell(std::move(view), std::move(unit), stamp, leaves);
}

void Chores::tell(View view, UnitKey unit, Stamp stamp, Leaves leaves) {
  if (leaves == Leaves::head) emptied(unit);
  bool first = false;
  {
    std::lock_guard lock(told_mutex_);
    first = told_.empty();
    told_.push_back({std::move(view), std::move(unit), stamp, leaves == Leaves::nothing});
  }
  if (first) core_.detach(tell_all());
}

io::Task<void> Chores::tell_all() {
  co_await io::sleep_for(kGatherSettles);
  tell_now();
}

void Chores::tell_now() {
  std::vector<Told> told;
  {
    std::lock_guard lock(told_mutex_);
    told.swap(told_);
  }
  std::vector<std::pair<std::shared_ptr<Device>, std::vector<drive::SettleRequest>>> by_device;
  for (const Told& one : told) {
    for (const Member& member : one.view->members) {
      auto at = std::ranges::find(by_device, member.device, [](const auto& d) { return d.first; });
      if (at == by_device.end()) at = by_device.insert(at, {member.device, {}});
      at->second.push_back({one.view->fence(member.slot), one.unit, one.stamp, one.forget});
    }
  }
  for (auto& [device, requests] : by_device) {
    if (!device->begin_call()) continue;
    run_now(let_go(Core::call<drive::Drive::SettleReplies>(
        device, core_.options.call_deadline, device->drive()->settle_all(std::move(requests)))));
  }
}

// Adds the unit to the repair queue of two drives, those that hold it first. False: of none.
io::Task<bool> Chores::note(View view, UnitKey unit, std::uint32_t preferred) {
  std::vector<unsigned> order;
  for (const bool first : {true, false}) {
    for (const unsigned slot : preferred_slots(*view)) {
      if (((preferred >> slot & 1u) != 0) == first) order.push_back(slot);
    }
  }
  unsigned noted = 0;
  for (const unsigned slot : order) {
    const Member& member = view->member(slot);
    if (!member.device->begin_call()) continue;
    Fanout<Result<void>> fanout(core_.deadlines);
    fanout.start(slot, Core::call<void>(member.device, core_.options.call_deadline,
                                        member.device->drive()->repair_add({unit})));
    if (!co_await fanout.wait(1, core_.deadline())) {
      member.device->missed();
      continue;
    }
    if (fanout.answers()[0].value && ++noted == 2) break;
  }
  if (noted == 0)
    log::warn("a unit that needs repair could not be noted", {{"drives", order.size()}});
  co_return noted > 0;
}

void Chores::damaged(UnitKey unit) {
  {
    // Reported again while it is being noted, it is the same entry.
    std::lock_guard lock(damaged_mutex_);
    if (damaged_.size() >= kDamagedMax || !damaged_.insert(unit).second) return;
  }
  core_.detach(note_damage(std::move(unit)));
}

io::Task<void> Chores::note_damage(UnitKey unit) {
  co_await note(core_.members.view_of(unit), unit, 0);
  std::lock_guard lock(damaged_mutex_);
  damaged_.erase(unit);
}

void Chores::look_into(UnitKey unit, model::DataPart part, bool is_inline, unsigned slot) {
  const io::Instant now = io::Executor::current().now();
  {
    std::lock_guard lock(damaged_mutex_);
    if (looked_into_.size() >= kDamagedMax) {
      std::erase_if(looked_into_, [&](const auto& one) { return one.second <= now; });
      if (looked_into_.size() >= kDamagedMax) return;  // the scrub finds it
    }
    io::Instant& until = looked_into_[{part.data_id, slot}];
    if (until > now) return;
    until = now + std::chrono::minutes(1);
  }
  if (core_.stopping.load()) return;
  core_.detach(inspect_shard(std::move(unit), std::move(part), is_inline, slot));
}

io::Task<void> Chores::inspect_shard(UnitKey unit, model::DataPart part, bool is_inline,
                                     unsigned slot) {
  const auto aside = co_await core_.shards->put_aside(unit, std::move(part), is_inline, slot);
  // What could not be looked at now is noted as well: the note costs little.
  if (!aside || *aside) co_await note(core_.members.view_of(unit), unit, 0);
}

void Chores::doubt(UnitKey unit) {
  if (doubts_.push({std::move(unit)}, kDoubtsMax)) doubt_wake_.push(true);
}

void Chores::emptied(UnitKey unit) {
  if (empties_.push({std::move(unit)}, kEmptiesMax) || empties_.size() < kEmptiesMax) return;
  // More than are kept in mind: they are looked for.
  if (!empties_missed_.exchange(true)) leftovers_wake_.push(true);
}

void Chores::start(Work decide, Work forget) {
  // A doubt that stays is found again through the index of pendings, an empty head by the look for
  // leftovers.
  core_.detach(work_loop(&doubts_, std::move(decide), kAtOnce, 10, doubt_wake_));
  core_.detach(work_loop(&empties_, std::move(forget), kForgottenAtOnce, 3, empty_wake_));
  core_.detach(pending_loop());
  core_.detach(leftovers_loop());
  core_.detach(probe_loop());
}

void Chores::stop() {
  for (const auto& wake : {doubt_wake_, empty_wake_, pending_wake_, leftovers_wake_, probe_wake_})
    wake.push(true);
}

// False: it is time to stop. So for a process that leads no more: what it would look after is
// another's.
io::Task<bool> Chores::rest(io::Mailbox<bool> wake, io::Duration pause) {
  const auto over = [this] { return core_.stopping.load() || core_.deposed.load(); };
  if (over()) co_return false;
  (void)co_await wake.pop(io::Executor::current().now() + pause);
  co_return !over();
}

// Works a queue off, a few units at a time; what fails is tried again after a pause, some times.
io::Task<void> Chores::work_loop(Queue* queue, Work work, std::size_t at_once, unsigned attempts,
                                 io::Mailbox<bool> wake) {
  // While more comes in than is worked off at once there is no pause.
  const auto pause = [&] { return queue->size() < at_once ? kPause : io::Duration{}; };
  while (co_await rest(wake, pause())) {
    while (wake.try_pop()) {
    }
    std::vector<Task> failed;
    // What comes in meanwhile is for the next round.
    for (std::size_t left = queue->size(); left > 0; left -= std::min(left, at_once)) {
      std::vector<Task> tasks = queue->take(std::min(left, at_once));
      if (tasks.empty() || core_.stopping.load()) break;
      std::vector<io::Task<Result<void>>> running;
      for (const Task& task : tasks) running.push_back(work(task.unit));
      const auto results = co_await io::when_all(std::move(running));
      for (std::size_t i = 0; i < tasks.size(); ++i) {
        if (!results[i] && ++tasks[i].attempts < attempts) failed.push_back(std::move(tasks[i]));
      }
    }
    if (failed.empty()) continue;
    // Drives that do not answer now will not a moment later.
    const bool on = co_await rest(io::Mailbox<bool>(), kPause);
    for (auto& task : failed) queue->push(std::move(task), kEmptiesMax);
    if (!on) break;
  }
}

// 2.4: units with pendings are resolved soon after a leader starts; later those that stay pending
// for two looks.
io::Task<void> Chores::pending_loop() {
  std::set<UnitKey> seen_before;
  io::Duration pause{};
  while (co_await rest(pending_wake_, pause)) {
    co_await look_for_pendings(seen_before, look_again_.exchange(false));
    pause = std::chrono::seconds(30);
  }
}

void Chores::look_again() {
  look_again_.store(true);
  pending_wake_.push(true);
}

io::Task<void> Chores::look_for_pendings(std::set<UnitKey>& seen_before, bool all) {
  constexpr std::size_t kPage = 1000;
  std::set<UnitKey> seen;
  for (const auto& device : core_.members.devices()) {
    std::string after;
    while (!core_.stopping.load() && device->begin_call()) {
      auto page = co_await Core::call<std::vector<UnitKey>>(
          device, core_.options.call_deadline, device->drive()->pending_units(after, kPage));
      if (!page || page->empty()) break;
      after = page->back().encoded();
      for (UnitKey& unit : *page) {
        if (all || seen_before.contains(unit)) doubt(unit);
        if (seen.size() < kDoubtsMax) seen.insert(std::move(unit));
      }
      if (page->size() < kPage) break;
      // What does not fit into the queue waits: after a crash under load there may be many.
      while (doubts_.size() > kDoubtsMax / 2 &&
             co_await rest(io::Mailbox<bool>(), std::chrono::milliseconds(100))) {
      }
    }
  }
  seen_before.swap(seen);
}

// Heads of empty units that were to be forgotten and were not, before a crash, while a member was
// away, or because too many came at once (6.3).
io::Task<void> Chores::leftovers_loop() {
  io::Duration pause = std::chrono::minutes(2);
  while (co_await rest(leftovers_wake_, pause)) {
    empties_missed_.store(false);
    for (const auto& device : core_.members.devices()) co_await look_for_empty(device);
    pause = std::chrono::hours(6);
  }
}

io::Task<void> Chores::look_for_empty(std::shared_ptr<Device> device) {
  drive::ScanRequest request;
  request.drive = device->id();
  request.end = std::string(1, '\xff');
  request.max_units = 500;
  while (!core_.stopping.load() && device->begin_call()) {
    const auto page = co_await Core::call<drive::ScanReply>(device, core_.options.call_deadline,
                                                            device->drive()->scan(request));
    if (!page || page->refusal != Refusal::none) co_return;
    for (const auto unit : page->units) {
      if (unit.has_head() && unit.settled() && unit.exact() && unit.rows().empty())
        emptied(unit.unit());
    }
    if (page->exhausted) co_return;
    request.begin = page->resume;
    do {
      if (!co_await rest(io::Mailbox<bool>(), std::chrono::milliseconds(50))) co_return;
    } while (empties_.size() > kEmptiesMax / 2);
  }
}

// A suspect drive is asked something small now and then; an answer in time makes it healthy again.
io::Task<void> Chores::probe_loop() {
  while (co_await rest(probe_wake_, std::chrono::seconds(2))) {
    double queued = 0;
    for (const auto& device : core_.members.devices()) {
      if (!device->begin_call()) continue;
      using Stats = drive::Drive::Stats;
      Fanout<Result<Stats>> fanout(core_.deadlines);
      const io::Duration patience =
          std::min<io::Duration>(core_.options.call_deadline, std::chrono::seconds(2));
      fanout.start(0, Core::call<Stats>(device, patience, device->drive()->stats()));
      const auto deadline = io::Executor::current().now() + patience;
      if (!co_await fanout.wait(1, deadline)) {
        device->missed();
        continue;
      }
      if (fanout.answers()[0].value)
        queued += static_cast<double>(fanout.answers()[0].value->repair_entries);
    }
    core_.metrics.repair_queue.set(queued);
    if (queued > 0) continue;
    for (const auto& device : core_.members.devices()) device->set_backlog(0);
  }
}

}  // namespace cairn::store
