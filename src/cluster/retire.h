// A drive that an operator gives up (protocol.md 7.6, 8.2): the drives that are left cannot lead
// without it, and an empty directory is to take its place. Never done without an operator's word:
// what only the lost drive acknowledged is gone then.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "base/error.h"
#include "drive/drive.h"
#include "io/task.h"
#include "model/profile.h"

namespace cairn::cluster {

using Drives = std::vector<std::shared_ptr<drive::Drive>>;

// What drives know of the members of their partitions, from what they promised under the newest map
// that one of them promised under.
struct Known {
  std::set<model::DriveId> members{};
  // In every partition at least so many of the drives that were asked are members and not
  // rebuilding.
  std::size_t voters = 0;
};
io::Task<Result<Known>> known_members(Drives drives);

// The drive never promised anything: it was made as a replacement and never became a member, so it
// is worth no more than an empty directory.
io::Task<Result<bool>> is_blank(std::shared_ptr<drive::Drive> drive);

// Members, not rebuilding, that have to be there for one more to be given up: they know what was
// settled (R), have its shards (k), and lead with the replacement (F - 1).
std::size_t needed_without(model::ErasureProfile profile);

// A sentence for a start that failed for want of drives: which are missing and how one is given up.
// Empty: it would not help.
io::Task<std::string> retirement_hint(Drives drives, model::ErasureProfile profile);

}  // namespace cairn::cluster
