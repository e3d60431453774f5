// The blob calls of a drive: names to files, space, failure, and which blobs a mutation's rows name
// are here.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "drive/core.h"

namespace cairn::drive {

io::Task<Result<std::unique_ptr<BlobWriter>>> create_blob(std::shared_ptr<Core> core,
                                                          BlobName name);
io::Task<Result<std::unique_ptr<ShardReader>>> open_blob(std::shared_ptr<Core> core, BlobName name);
io::Task<Result<void>> discard_blob(std::shared_ptr<Core> core, BlobName name);
io::Task<Result<void>> quarantine(std::shared_ptr<Core> core, BlobName name, bool is_inline);

// What a failed write of a shard means: a full disk is the writer's trouble, anything else ends the
// drive.
Error write_error(Core& core, Error error);

// Looks again how much space there is, once a second at most.
io::Task<void> refresh_space(std::shared_ptr<Core> core);

// Pins the blobs that rows name and sets rows.absent: those that are not on this drive, complete.
// What cannot be looked at counts as absent: the drive then is no holder.
io::Task<void> find_absent(std::shared_ptr<Core> core, BlobPins* pins, PreparedRows* rows);
// After the message is answered: lets go of the pins. `committed`: the index names them now.
void release_blobs(Core& core, BlobPins& pins, const std::vector<BlobName>& names, bool committed);

}  // namespace cairn::drive
