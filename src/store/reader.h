// Quorum reads (protocol.md 4.1 - 4.3).
//
// Threads: any; a read runs on the executor of its caller.
#pragma once

#include "store/chores.h"
#include "store/core.h"
#include "store/leader.h"
#include "store/load.h"

namespace cairn::store {

class Reader {
 public:
  Reader(Core& core, Loader& loader, Leader& leader, Chores& chores)
      : core_(core), loader_(loader), leader_(leader), chores_(chores) {}

  io::Task<Result<Found>> find(model::UnitKey unit, Selector selector);

 private:
  // Null optional: this way gives no answer, try the next.
  using Attempt = Result<std::optional<Found>>;
  io::Task<Attempt> from_memory(View view, const model::UnitKey& unit, const Selector& selector);
  io::Task<Attempt> from_quorum(View view, const model::UnitKey& unit, const Selector& selector);
  io::Task<Attempt> from_leader(const model::UnitKey& unit, const Selector& selector);
  io::Task<Attempt> finish(View view, const model::UnitKey& unit, const Selector& selector,
                           const drive::Row& row, model::Record record, bool is_latest,
                           std::vector<std::pair<unsigned, io::Slice>> shards);
  io::Task<Result<bool>> gather(View view, const model::UnitKey& unit, Found& found);
  io::Task<Attempt> one_way(unsigned attempt, const model::UnitKey& unit, const Selector& selector);

  Core& core_;
  Loader& loader_;
  Leader& leader_;
  Chores& chores_;
};

}  // namespace cairn::store
