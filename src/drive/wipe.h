// Wiping what a drive has of partitions that it left and joined again (protocol.md 8.3).
#pragma once

#include <vector>

#include "drive/core.h"

namespace cairn::drive {

// First the new `since` (accepted in the table, rebuilding) is stored with a note that the wipe is
// under way, so that a crash half-way leaves a member that counts for nothing; then the units go;
// then the note. Blocking; the committer's thread, or before it starts.
Result<void> wipe_partitions(Core& core, const std::vector<model::PartitionId>& partitions);

}  // namespace cairn::drive
