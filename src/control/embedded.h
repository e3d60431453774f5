// The embedded control store: a log and snapshots on a majority of the node's drives (docs/format/control.md).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control/control.h"
#include "io/file.h"

namespace cairn::control {

// `directories`: one per drive of the cluster (drive path + "/control"); an empty string for a drive that is missing.
// Needs a majority of them: unavailable otherwise, naming what is missing. Recovers the newest state that a majority
// may have acknowledged and writes it back before it returns; directories that were behind or empty are brought up.
// REQUIRES: the caller holds the drives' locks, so that there is one process.
io::Task<Result<std::unique_ptr<Store>>> open_embedded(io::FileSystem& files, std::vector<std::string> directories);

}  // namespace cairn::control
