// Bringing members up to the settled state (protocol.md 6.2), and looking at everything a unit has.
//
// Threads: any. Shards are rebuilt before the unit's lock is taken, so that a large one does not
// stop its writers; what is missing then is little.
#pragma once

#include <optional>
#include <vector>

#include "store/leader.h"
#include "store/load.h"
#include "store/local_store.h"
#include "store/resolve.h"

namespace cairn::store {

class Repairer {
 public:
  Repairer(Core& core, Loader& loader, Resolver& resolver, Leader& leader, Chores& chores)
      : core_(core), loader_(loader), resolver_(resolver), leader_(leader), chores_(chores) {}

  // True: whole, read back, on all N members, or on `only` if it is named. False: some member is
  // away, or could not be brought up now.
  io::Task<Result<bool>> repair(model::UnitKey unit, std::optional<model::DriveId> only);
  io::Task<Result<LocalStore::Verified>> verify(model::UnitKey unit);

 private:
  io::Task<Result<void>> prepare(const model::UnitKey& unit, std::optional<model::DriveId> only);
  io::Task<Result<bool>> bring_up(View view, const model::UnitKey& unit, unsigned slot,
                                  model::Stamp head, std::vector<drive::Row> rows);
  io::Task<Result<drive::MutateReply>> install(View view, unsigned slot,
                                               drive::InstallRequest request);
  io::Task<Result<std::shared_ptr<const Settled>>> clear_leftovers(
      View view, const model::UnitKey& unit, std::shared_ptr<const Settled> settled);
  io::Task<void> settle_all(View view, const model::UnitKey& unit, model::Stamp head);
  io::Task<void> strike_off(const model::UnitKey& unit);
  struct Look {
    bool sound = true;      // every shard of every member is there and right
    bool doubtful = false;  // shards contradict each other, and nobody knows which is wrong
  };
  io::Task<Look> check_all(View view, const model::UnitKey& unit,
                           const std::vector<NamedData>& data, LocalStore::Verified& out);
  io::Task<Look> check_together(const model::UnitKey& unit, const NamedData& one,
                                LocalStore::Verified& out);

  Core& core_;
  Loader& loader_;
  Resolver& resolver_;
  Leader& leader_;
  Chores& chores_;
};

}  // namespace cairn::store
