// The leader's answer to "what is the current state of this unit" (protocol.md 5). REQUIRES of
// everything here: the unit's lock is held and the partition was entered.
#pragma once

#include <memory>
#include <vector>

#include "store/chores.h"
#include "store/core.h"
#include "store/judge.h"
#include "store/load.h"
#include "store/sender.h"

namespace cairn::store {

// What the members of A (5.1) have of a unit.
struct Survey {
  struct Seen {
    unsigned slot = 0;
    bool rebuilding = false;
    drive::UnitState state{};
  };
  std::vector<Seen> seen{};  // by slot
  bool all_asked = true;     // false: a member that may yet answer did not in time
  const drive::UnitState* of(unsigned slot) const;
};

class Resolver {
 public:
  Resolver(Core& core, Loader& loader, Sender& sender, Chores& chores)
      : core_(core), loader_(loader), sender_(sender), chores_(chores) {}

  // `cur`: what the leader remembers, or else decides now and remembers. undecided, unavailable:
  // nothing is known, and nobody may be told anything.
  io::Task<Result<std::shared_ptr<const Settled>>> current(View view, model::UnitKey unit);
  // Decides from all members at hand, whatever the leader remembers.
  io::Task<Result<std::shared_ptr<const Settled>>> decide_anew(View view, model::UnitKey unit);

  // Asks all members. `thorough`: waits for every member that may answer, else for those healthy, a
  // little. unavailable: fewer than R members of A count.
  io::Task<Result<Survey>> survey(View view, model::UnitKey unit, bool want_parts, bool thorough);

  // Sends a value whole under a new stamp (5.3c, 5.5); the new `cur`.
  io::Task<Result<std::shared_ptr<const Settled>>> restamp(View view, drive::Mutation value);

 private:
  using Inspected = Result<drive::UnitState>;
  io::Task<Result<std::shared_ptr<const Settled>>> agreed(View view, model::UnitKey unit);
  io::Task<Result<drive::ReadReply>> ask_for_head(View view, unsigned slot, model::UnitKey unit);
  io::Task<Inspected> inspect(View view, unsigned slot, model::UnitKey unit, bool want_parts);
  io::Task<bool> clean_link(View view, unsigned slot, model::UnitKey unit);
  io::Task<Result<std::shared_ptr<const Settled>>> end_leftovers(
      View view, model::UnitKey unit, unsigned slot, std::shared_ptr<const Settled> settled);
  io::Task<Result<std::shared_ptr<const Settled>>> complete(View view, model::UnitKey unit,
                                                            unsigned slot, model::Stamp stamp);
  io::Task<bool> make_shards(View view, model::UnitKey unit, const Survey& survey,
                             model::ValueId value);
  void tell(View view, const model::UnitKey& unit, const Survey& survey, const Settled& settled);

  Core& core_;
  Loader& loader_;
  Sender& sender_;
  Chores& chores_;
};

}  // namespace cairn::store
