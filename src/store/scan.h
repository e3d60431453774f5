// Merged scans (protocol.md 4.4): units in order from the indexes of several drives, each unit by
// the rule of 4.1.
//
// Threads: any; a scan runs on the executor of its caller.
#pragma once

#include <set>
#include <vector>

#include "store/chores.h"
#include "store/core.h"
#include "store/leader.h"
#include "store/load.h"

namespace cairn::store {

class Scanner {
 public:
  Scanner(Core& core, Loader& loader, Leader& leader)
      : core_(core), loader_(loader), leader_(leader) {}

  io::Task<Result<ScanPage>> scan(ScanRequest request);

 private:
  struct Stream;
  struct Voters;
  class Merge;
  io::Task<Result<ScanPage>> attempt(const ScanRequest& request,
                                     const std::set<model::DriveId>& excluded,
                                     std::set<model::DriveId>& failed);
  Result<std::vector<Stream>> choose(const std::set<model::DriveId>& excluded) const;
  io::Task<Result<void>> fill(Merge& merge, std::set<model::DriveId>& failed);
  io::Task<Result<void>> settle_doubts(const ScanRequest& request, ScanPage& page,
                                       const std::vector<std::size_t>& doubtful);
  io::Task<Result<std::vector<drive::Row>>> decided_rows(model::UnitKey unit, bool all_rows);

  Core& core_;
  Loader& loader_;
  Leader& leader_;
};

}  // namespace cairn::store
