// What the leader does after it answered: telling members what is settled (6.1), noting who lacks
// what in the durable repair queue (3.5), resolving what was given up (3.6), forgetting empty units
// (6.3), looking after slow drives.
//
// Queues are bounded; what falls out of them, or is lost in a crash, is found again from what
// drives keep: the index of pendings (2.4), heads of empty units, the repair queue.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "io/sync.h"
#include "store/core.h"

namespace cairn::store {

class Chores {
 public:
  explicit Chores(Core& core) : core_(core) {}

  // The mutation is settled. `whole_on`: slots that hold it and all their shards. Members that lack
  // something go into the repair queue of two drives before anyone is told to settle: until then
  // the pendings that W drives keep are the durable evidence, so the client need not wait for the
  // note. Two, so that the note outlives one drive's absence; what is lost with a drive is found
  // when that drive is rebuilt, which looks at every unit.
  void settled(View view, model::UnitKey unit, model::Stamp stamp, std::uint32_t whole_on,
               Leaves leaves);
  // Drives are told at once of what was settled until now.
  void tell_now();
  // Something of this unit is damaged or missing somewhere (found by a reader).
  void damaged(model::UnitKey unit);
  // A read found this shard damaged or missing: it is looked at whole, the drive is told that it
  // lacks it, and then the unit is noted. The same shard again within a minute is not looked at.
  void look_into(model::UnitKey unit, model::DataPart part, bool is_inline, unsigned slot);
  // The unit's state is unknown: resolve it soon.
  void doubt(model::UnitKey unit);
  // An empty unit whose head all members should forget, in a while.
  void emptied(model::UnitKey unit);

  // Drives came back: everything that is pending is looked at, soon.
  void look_again();

  // The background loops. `decide` resolves a unit under its lock; `forget` is Leader's.
  using Work = std::function<io::Task<Result<void>>(model::UnitKey)>;
  void start(Work decide, Work forget);
  // Ends the loops; returns at once, they end soon (Core::chores counts them).
  void stop();

 private:
  struct Task {
    model::UnitKey unit;
    unsigned attempts = 0;
  };
  struct Queue {
    std::mutex mutex{};
    std::deque<Task> tasks{};
    std::set<model::UnitKey> names{};
    bool push(Task task, std::size_t limit);
    std::vector<Task> take(std::size_t most);
    std::size_t size();
  };
  io::Task<void> note_then_tell(View view, model::UnitKey unit, model::Stamp stamp,
                                std::uint32_t whole_on, Leaves leaves);
  void tell(View view, model::UnitKey unit, model::Stamp stamp, Leaves leaves);
  io::Task<void> tell_all();
  io::Task<bool> note(View view, model::UnitKey unit, std::uint32_t preferred);
  io::Task<void> note_damage(model::UnitKey unit);
  io::Task<void> inspect_shard(model::UnitKey unit, model::DataPart part, bool is_inline,
                               unsigned slot);
  io::Task<void> work_loop(Queue* queue, Work work, std::size_t at_once, unsigned attempts,
                           io::Mailbox<bool> wake);
  io::Task<void> pending_loop();
  io::Task<void> leftovers_loop();
  io::Task<void> probe_loop();
  io::Task<void> look_for_pendings(std::set<model::UnitKey>& seen_before, bool all);
  io::Task<void> look_for_empty(std::shared_ptr<Device> device);
  io::Task<bool> rest(io::Mailbox<bool> wake, io::Duration pause);

  // What drives are to be told is settled, gathered for a moment: one message to each.
  struct Told {
    View view;
    model::UnitKey unit;
    model::Stamp stamp{};
    bool forget = false;
  };
  std::mutex told_mutex_{};
  std::vector<Told> told_{};

  Core& core_;
  Queue doubts_{}, empties_{};
  std::atomic<bool> look_again_{true};
  std::atomic<bool> empties_missed_{false};  // since the last look for them began
  std::mutex damaged_mutex_{};
  std::map<std::pair<model::ValueId, unsigned>, io::Instant> looked_into_{};  // same mutex
  std::set<model::UnitKey> damaged_{};                                        // being noted
  io::Mailbox<bool> doubt_wake_{}, empty_wake_{}, pending_wake_{}, leftovers_wake_{}, probe_wake_{};
};

}  // namespace cairn::store
