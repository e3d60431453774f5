// The cluster map, brought back from the drives (protocol.md 8.5). A control store that was put
// back from a backup may know an older map than the one that drives promised under; serving under
// it would serve the past.
#pragma once

#include <memory>
#include <vector>

#include "base/error.h"
#include "control/control.h"
#include "drive/drive.h"
#include "io/task.h"
#include "placement/placement.h"

namespace cairn::cluster {

using Drives = std::vector<std::shared_ptr<drive::Drive>>;

// The newest map epoch that one of the drives promised under; zero: none ever promised.
io::Task<Result<model::MapEpoch>> newest_promised(Drives drives);

// Puts together the newest map that drives promised under from their copies and stores it, in one
// transaction with a term above all that drives promised (7.1). unavailable: of the members of some
// partition too few promised under it to know that nobody serves under an older one. corrupt:
// copies of one epoch contradict each other. REQUIRES: the stored map is older; nobody leads.
io::Task<Result<placement::Map>> import_map(control::Store& control, Drives drives,
                                            placement::Map stored);

}  // namespace cairn::cluster
