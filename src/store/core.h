// What the parts of one store share: members, the leader's memory, deadlines, metrics.
//
// Threads: any. Lifetime: outlives every call to a drive; LocalStore::stop() waits until none is
// under way.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "base/metrics.h"
#include "store/fanout.h"
#include "store/local_store.h"
#include "store/members.h"
#include "store/partition.h"
#include "store/shard_rebuilder.h"

namespace cairn::store {

using View = std::shared_ptr<const PartitionView>;

struct Metrics {
  explicit Metrics(metrics::Registry& registry);
  metrics::Counter& commits;
  metrics::Counter& quorum_failures;
  metrics::Counter& short_commits;  // acknowledged by fewer than N
  metrics::Counter& resolves;
  metrics::Counter& restamps;
  metrics::Counter& undecided;
  metrics::Counter& quorum_reads;
  metrics::Counter& leader_reads;
  metrics::Counter& repairs;
  metrics::Gauge& repair_queue;
};

struct Core {
  Core(Parts p, Options o, std::size_t partition_count);

  Parts parts;
  Options options;
  std::uint64_t leader = 0;  // this process among all that ever held a term
  Members members{};
  Deadlines deadlines{};
  Metrics metrics;
  ShardRebuilder* shards = nullptr;
  std::vector<std::unique_ptr<Partition>> partitions{};
  std::atomic<bool> stopping{false};
  // Another process took a newer term: this one leads never again (7.3). It decides and changes
  // nothing any more; what a quorum of drives answers alike can still be read.
  std::atomic<bool> deposed{false};
  // The term or the map that is used was outrun, or taking the lead did not succeed: whoever waits
  // on `lead_wake` finds out which, and leads anew or not at all.
  std::atomic<bool> lead_wanted{false};
  io::Mailbox<bool> lead_wake{};
  std::atomic<std::int64_t> chores{0};  // detached work under way

  Partition& partition(model::PartitionId id) { return *partitions[id.value]; }
  Partition& partition_of(const model::UnitKey& unit) {
    return partition(members.partition_of(unit));
  }
  // A drive refused what was sent under this view for a newer term or map.
  void outrun(const PartitionView& view);
  void want_lead();
  io::Instant deadline() const { return io::Executor::current().now() + options.call_deadline; }

  // How long a reader waits for members that usually answer at once, before it asks others as well.
  static constexpr io::Duration kHedge = std::chrono::milliseconds(100);

  // One call to a drive, accounted for. REQUIRES: device->begin_call() returned true. The result of
  // a drive that left service is an error.
  template <class T>
  static io::Task<Result<T>> call(std::shared_ptr<Device> device, io::Duration patience,
                                  io::Task<Result<T>> task) {
    io::Executor& home = io::Executor::current();
    const io::Instant begin = home.now();
    Result<T> result = co_await std::move(task);
    if (result && home.now() - begin <= patience) device->answered();
    device->end_call();
    co_return result;
  }

  // Asks a member through a fanout, if it may be asked now.
  template <class T, class MakeTask>
  bool ask(Fanout<Result<T>>& fanout, const Member& member, MakeTask make) const {
    if (!member.device->begin_call()) return false;
    fanout.start(member.slot,
                 call<T>(member.device, options.call_deadline, make(*member.device->drive())));
    return true;
  }
  // Drives that were asked and stayed silent until the deadline (a slow drive is a failing drive).
  static void note_silence(const PartitionView& view, std::uint64_t silent) {
    for (const Member& member : view.members) {
      if (silent >> member.slot & 1u) member.device->missed();
    }
  }

  // Runs `task` on its own; stop() waits for it.
  void detach(io::Task<void> task);
};

// Slots in the order in which a reader asks them: healthy before suspect, those that count for R
// before rebuilding ones, those without a repair backlog first; failed ones are left out.
std::vector<unsigned> preferred_slots(const PartitionView& view);

// As many members as the write quorum are in service.
bool may_reach_quorum(const PartitionView& view);

// What a process that leads no more answers.
Error deposed_error();

// 3.3: R members, not rebuilding, confirm that they promised no newer term. unavailable otherwise.
io::Task<Result<void>> confirm_term(Core& core, View view);

}  // namespace cairn::store
