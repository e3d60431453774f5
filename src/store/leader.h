// The leader's commit (protocol.md 3): one mutation of one unit, decided under the lock of its key.
//
// Threads: any; a commit runs on the executor of its caller. A commit that was sent is followed to
// its end also when the caller has lost interest: tasks are not cancelled, and what comes after the
// reply runs on its own.
#pragma once

#include "store/chores.h"
#include "store/core.h"
#include "store/decide.h"
#include "store/load.h"
#include "store/resolve.h"
#include "store/sender.h"

namespace cairn::store {

class Leader {
 public:
  Leader(Core& core, Loader& loader, Sender& sender, Resolver& resolver, Chores& chores)
      : core_(core), loader_(loader), sender_(sender), resolver_(resolver), chores_(chores) {}

  io::Task<Result<Committed>> commit(Commit commit);

  // Resolves the unit under its lock if its state is unknown, and answers with it; no newer term at
  // that moment (3.3). For readers that could not agree, and for repair. The lock is held as long
  // as the result is: nothing changes.
  struct Decided {
    Partition::Pass pass{};
    Partition::Lock lock{};
    View view{};
    std::shared_ptr<const Settled> settled{};
  };
  io::Task<Result<Decided>> decided(model::UnitKey unit);
  // Decides from all members, whatever is known already: ends a doubt, tells members that were not
  // told what is settled.
  io::Task<Result<void>> decide(model::UnitKey unit);
  // 6.3: lets all members forget an empty unit, if none of the N has anything but its head.
  io::Task<Result<void>> forget(model::UnitKey unit);

 private:
  io::Task<Result<Committed>> commit_locked(View view, Commit commit);
  io::Task<Result<std::shared_ptr<const Settled>>> current(View view, model::UnitKey unit);
  io::Task<Result<void>> check_guards(View view, const Commit& commit);
  io::Task<Result<Committed>> write(View view, std::shared_ptr<const Settled> settled,
                                    Commit commit, Effect effect, model::Stamp stamp);
  io::Task<Result<std::shared_ptr<const Settled>>> shape(View view,
                                                         std::shared_ptr<const Settled> settled,
                                                         const Effect& effect,
                                                         drive::Mutation& mutation);
  io::Task<void> remove_guarded(View view, std::vector<Guard> guards);
  Result<Committed> failed(const View& view, const model::UnitKey& unit, const Outcome& outcome);

  Core& core_;
  Loader& loader_;
  Sender& sender_;
  Resolver& resolver_;
  Chores& chores_;
};

}  // namespace cairn::store
