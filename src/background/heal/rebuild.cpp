// Rebuilding drives that joined empty.
#include <algorithm>

#include "background/heal/heal.h"
#include "background/unit_walk.h"
#include "base/log.h"

namespace cairn::background {
namespace {

constexpr std::size_t kFailedMax =
    10'000;  // of a partition; beyond that the whole partition is walked again
constexpr int kRetries = 3;

}  // namespace

struct Heal::Round {
  struct Partition {
    placement::Entry entry{};  // as it was when the round began
    std::vector<model::DriveId> rebuilding{};
    std::vector<std::pair<model::UnitKey, model::DriveId>> failed{};
    bool given_up = false;  // too many failed, or the drive went
  };
  placement::Map map{};
  std::map<model::PartitionId, Partition> partitions{};
  std::set<model::DriveId> targets{};
  std::vector<std::shared_ptr<drive::Drive>> drives{};
  io::OneShot<bool> counted{};
};

io::Task<void> Heal::rebuild_loop() {
  io::Duration pause = options_.poll;
  while (co_await rebuild_.pause(pause)) {
    const bool progress = co_await rebuild_round();
    pause = progress ? options_.poll
                     : std::min(std::max(pause, options_.backoff_min) * 2, options_.backoff_max);
  }
}

void Heal::note(const model::DriveId& drive, const std::function<void(RebuildProgress&)>& change) {
  std::lock_guard lock(mutex_);
  change(progress_[drive]);
}

// Drives that are not in the list of the rebuilding ones any more are whole.
void Heal::retire_finished(const std::set<model::DriveId>& rebuilding) {
  rebuilding_.set(static_cast<double>(rebuilding.size()));
  std::lock_guard lock(mutex_);
  for (auto& [drive, p] : progress_) {
    if (p.finished_ms != 0 || rebuilding.contains(drive)) continue;
    p.finished_ms = clock_.unix_ms();
    // Ended by finish() below, partition by partition, or the drive left the map meanwhile.
    p.whole = p.partitions_left == 0;
    p.waiting_for.clear();
    if (p.whole)
      log::info("a drive is whole again", {{"drive", drive.hex()}, {"units", p.units_done}});
  }
}

// What is to be rebuilt; false: nothing, or nothing that can be done now.
bool Heal::begin_round(Round& round) {
  round.map = store_.map();
  const auto rebuilding = store_.rebuilding();
  std::map<model::DriveId, std::uint64_t> partitions;
  for (const auto& [partition, drive] : rebuilding) ++partitions[drive];
  for (const auto& [drive, count] : partitions) round.targets.insert(drive);
  retire_finished(round.targets);
  if (rebuilding.empty()) return false;

  round.drives = drives_();
  std::erase_if(round.drives, [](const auto& d) { return !d || d->failed(); });
  for (const auto& [partition, drive] : rebuilding) {
    const bool here =
        std::ranges::any_of(round.drives, [&](const auto& d) { return d->id() == drive; });
    if (!here || partition.value >= round.map.partitions.size()) continue;
    Round::Partition& p = round.partitions[partition];
    p.entry = round.map.entry(partition);
    p.rebuilding.push_back(drive);
  }
  for (const auto& [drive, count] : partitions) {
    const bool here =
        std::ranges::any_of(round.drives, [&](const auto& d) { return d->id() == drive; });
    note(drive, [&](RebuildProgress& p) {
      if (p.started_ms == 0 || p.finished_ms != 0) {
        p = {};
        p.drive = drive;
        p.started_ms = clock_.unix_ms();
        p.partitions = count;
      }
      p.partitions_left = count;
      p.units_done = p.units_failed = p.bytes = p.units_estimate = 0;
      ++p.passes;
      p.waiting_for = here ? "" : "the drive is not in service";
    });
  }
  return !round.partitions.empty();
}

// One pass. True: some partition was finished, or there is nothing to do.
io::Task<bool> Heal::rebuild_round() {
  auto round = std::make_shared<Round>();
  const std::size_t before = store_.rebuilding().size();
  if (!begin_round(*round)) co_return round->targets.empty();
  io::spawn(io::Executor::current(), count_units(this, round));

  UnitWalk units(round->drives, options_.call_deadline);
  Crew crew(options_.rebuild_concurrency);
  for (;;) {
    if (rebuild_.stopping()) break;
    std::optional<UnitWalk::Item> item = co_await units.next();
    if (!item) break;
    const auto found = round->partitions.find(round->map.partition_of(item->unit));
    if (found == round->partitions.end() || found->second.given_up) continue;
    const std::vector<model::DriveId> targets = found->second.rebuilding;
    for (const model::DriveId& drive : targets)
      co_await crew.submit(rebuild_one(this, round.get(), item->unit, item->bytes, drive));
  }
  co_await crew.drain();
  if (!rebuild_.stopping()) {
    const bool again = co_await retry(*round);
    if (again) co_await finish(*round, units.complete());
  }
  // The counting of units refers to this object: it ends before the round does.
  co_await round->counted.get();
  co_return store_.rebuilding().size() < before;
}

// How many units the pass has before it: the most that one drive names.
io::Task<void> Heal::count_units(Heal* self, std::shared_ptr<Round> round) {
  std::vector<std::shared_ptr<drive::Drive>> sources = round->drives;
  std::erase_if(sources, [&](const auto& d) { return round->targets.contains(d->id()); });
  if (!sources.empty()) {
    sources.resize(1);
    std::map<model::DriveId, std::uint64_t> counts;
    UnitWalk units(sources, self->options_.call_deadline);
    while (!self->rebuild_.stopping()) {
      const std::optional<UnitWalk::Item> item = co_await units.next();
      if (!item) break;
      const auto found = round->partitions.find(round->map.partition_of(item->unit));
      if (found == round->partitions.end()) continue;
      for (const model::DriveId& drive : found->second.rebuilding) ++counts[drive];
    }
    for (const auto& [drive, count] : counts)
      self->note(drive,
                 [&](RebuildProgress& p) { p.units_estimate = std::max(p.units_estimate, count); });
  }
  round->counted.set(true);
}

io::Task<void> Heal::rebuild_one(Heal* self, Round* round, model::UnitKey unit, std::uint64_t bytes,
                                 model::DriveId drive) {
  const auto whole = co_await self->store_.repair_member(unit, drive);
  const bool done = whole && *whole;
  self->note(drive, [&](RebuildProgress& p) {
    if (done) {
      ++p.units_done;
      p.bytes += bytes;
    } else {
      ++p.units_failed;
    }
  });
  if (done) co_return;
  Round::Partition& p = round->partitions.at(round->map.partition_of(unit));
  const bool gone = std::ranges::none_of(
      round->drives, [&](const auto& d) { return d->id() == drive && !d->failed(); });
  if (gone || p.failed.size() >= kFailedMax) {
    p.given_up = true;
  } else {
    p.failed.emplace_back(std::move(unit), drive);
  }
}

// Tries again what failed. False: the loop is to stop.
io::Task<bool> Heal::retry(Round& round) {
  for (int attempt = 0; attempt < kRetries; ++attempt) {
    const bool any = std::ranges::any_of(round.partitions,
                                         [](const auto& p) { return !p.second.failed.empty(); });
    if (!any) co_return true;
    const bool go_on = co_await rebuild_.pause(options_.backoff_min);
    if (!go_on) co_return false;
    Crew crew(options_.rebuild_concurrency);
    for (auto& [id, partition] : round.partitions) {
      const auto failed = std::exchange(partition.failed, {});
      for (const auto& [unit, drive] : failed) {
        if (rebuild_.stopping() || partition.given_up) {
          partition.given_up = true;
          break;
        }
        note(drive, [](RebuildProgress& p) { --p.units_failed; });
        co_await crew.submit(rebuild_one(this, &round, unit, 0, drive));
      }
    }
    co_await crew.drain();
  }
  co_return !rebuild_.stopping();
}

// Ends the rebuilding of partitions of which nothing failed, where enough other members were walked
// to their end that every settled unit was among what they know: R of them (protocol.md 4.1).
io::Task<void> Heal::finish(Round& round, const std::set<model::DriveId>& complete) {
  const unsigned needed = round.map.profile.read_quorum();
  const placement::Map now = store_.map();
  for (auto& [id, partition] : round.partitions) {
    const auto walked = std::ranges::count_if(
        partition.entry.members,
        [&](const placement::Member& m) { return !m.rebuilding && complete.contains(m.drive); });
    std::string waiting;
    if (partition.given_up || !partition.failed.empty())
      waiting = "units that cannot be repaired now";
    if (walked < static_cast<std::ptrdiff_t>(needed)) waiting = "other drives, to know every unit";
    const bool changed =
        std::ranges::mismatch(now.entry(id).members, partition.entry.members,
                              [](const placement::Member& a, const placement::Member& b) {
                                return a.drive == b.drive && a.since == b.since;
                              })
            .in1 != now.entry(id).members.end();
    for (const model::DriveId& drive : partition.rebuilding) {
      if (!waiting.empty() || changed) {
        if (!waiting.empty()) note(drive, [&](RebuildProgress& p) { p.waiting_for = waiting; });
        continue;
      }
      const auto ended = co_await store_.finish_rebuild(id, drive);
      if (ended) {
        note(drive, [](RebuildProgress& p) { p.partitions_left -= p.partitions_left > 0 ? 1 : 0; });
      } else {
        log::warn("a rebuilt partition cannot be put into service yet",
                  {{"drive", drive.hex()}, {"reason", ended.error().message}});
        note(drive, [&](RebuildProgress& p) { p.waiting_for = ended.error().message; });
      }
    }
  }
  std::set<model::DriveId> left;
  for (const auto& [partition, drive] : store_.rebuilding()) left.insert(drive);
  retire_finished(left);
}

}  // namespace cairn::background
