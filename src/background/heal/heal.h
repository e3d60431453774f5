// Heal: what members lack is made good. Two loops: one drains the durable repair queue, one
// rebuilds drives that joined empty (protocol.md 8.4).
//
// A rebuild walks every unit of the partitions concerned, on enough drives that nothing settled can
// be missed, repairs each on the new member with read-back, and ends a partition's rebuilding only
// when not one of its units failed. Its only state is the map's rebuilding flags: after a restart
// it starts over, and finds quickly what is already there.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <vector>

#include "background/loop.h"
#include "base/metrics.h"
#include "io/world.h"
#include "store/local_store.h"

namespace cairn::background {

struct HealOptions {
  std::size_t queue_concurrency = 4;
  std::size_t rebuild_concurrency = 8;
  io::Duration poll = std::chrono::seconds(2);  // of the repair queue and the rebuilding flags
  io::Duration backoff_min = std::chrono::seconds(5);  // after a unit could not be made whole
  io::Duration backoff_max = std::chrono::minutes(5);
  io::Duration call_deadline = std::chrono::seconds(30);  // of one page of a drive's scan
  std::size_t queue_page = 1024;                          // entries looked at together
};

// The drives in service now; app knows them.
using DrivesInService = std::function<std::vector<std::shared_ptr<drive::Drive>>()>;

struct RebuildProgress {
  model::DriveId drive{};
  std::uint64_t partitions = 0;  // when the rebuild began
  std::uint64_t partitions_left = 0;
  std::uint64_t units_done = 0;      // in this pass
  std::uint64_t units_estimate = 0;  // in this pass; 0: not known yet
  std::uint64_t units_failed = 0;    // not made whole yet; tried again
  std::uint64_t bytes = 0;           // of objects whose shard was rebuilt or found whole
  std::uint64_t passes = 0;
  std::int64_t started_ms = 0;
  std::int64_t finished_ms = 0;  // 0: goes on
  bool whole = false;            // every unit was read back from it
  std::string waiting_for{};     // why it does not go on, for people; empty: it does
};

struct HealStatus {
  std::uint64_t queue_seen = 0;  // entries of the repair queue at the last look, up to a page
  std::uint64_t repaired = 0;
  std::uint64_t postponed = 0;  // could not be made whole; tried again later
  std::uint64_t errors = 0;
  std::vector<RebuildProgress> rebuilds{};  // going on, and the last one of each drive
};

class Heal {
 public:
  // `store`, `clock` and `metrics` outlive it.
  Heal(store::LocalStore& store, DrivesInService drives, io::Clock& clock,
       metrics::Registry& metrics, HealOptions options = {});

  // Starts the loops on `executor`; stop() ends them and waits for the repairs under way.
  void start(io::Executor& executor);
  io::Task<void> stop();
  // Something changed (a drive came back): look at once, and try again what waits. Thread-safe.
  void wake();
  HealStatus status() const;  // thread-safe

 private:
  struct Backoff {
    io::Instant until{};
    io::Duration delay{};
  };
  struct Round;  // one pass over the units of the partitions that are rebuilding

  io::Task<void> queue_loop();
  io::Task<std::size_t> drain_page(std::size_t limit);
  static io::Task<void> repair_one(Heal* self, model::UnitKey unit);
  void postpone(const model::UnitKey& unit, bool done);

  io::Task<void> rebuild_loop();
  io::Task<bool> rebuild_round();
  bool begin_round(Round& round);
  static io::Task<void> count_units(Heal* self, std::shared_ptr<Round> round);
  static io::Task<void> rebuild_one(Heal* self, Round* round, model::UnitKey unit,
                                    std::uint64_t bytes, model::DriveId drive);
  io::Task<bool> retry(Round& round);
  io::Task<void> finish(Round& round, const std::set<model::DriveId>& complete);
  void note(const model::DriveId& drive, const std::function<void(RebuildProgress&)>& change);
  void retire_finished(const std::set<model::DriveId>& rebuilding);

  store::LocalStore& store_;
  DrivesInService drives_;
  io::Clock& clock_;
  HealOptions options_;
  metrics::Counter& repaired_;
  metrics::Counter& postponed_;
  metrics::Counter& errors_;
  metrics::Gauge& rebuilding_;
  Loop queue_;
  Loop rebuild_;
  std::unordered_map<model::UnitKey, Backoff> backoff_;  // of the queue loop
  std::atomic<bool> try_again_{false};
  mutable std::mutex mutex_;
  HealStatus status_;                                   // guarded by mutex_
  std::map<model::DriveId, RebuildProgress> progress_;  // guarded by mutex_
};

}  // namespace cairn::background
