// The sweep: removes blob files that nothing names, left by crashes between the data and its
// commit, and what writers left in tmp/. In the background; files that a writer or a commit of this
// process concerns are not touched.
#pragma once

#include <memory>

#include "drive/core.h"

namespace cairn::drive {

io::Task<void> sweep(std::shared_ptr<Core> core);
void spawn_sweep(std::shared_ptr<Core> core);

// Gives back what nothing names of the shard log. Once, at a mount.
void spawn_reclaim(std::shared_ptr<Core> core);

}  // namespace cairn::drive
