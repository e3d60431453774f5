// Inline shards, read: small ones are values of the index, others lie in the shard log. What memory
// holds is answered on the caller's thread; what may need the disk is awaited.
#pragma once

#include <memory>

#include "drive/core.h"
#include "drive/drive.h"

namespace cairn::drive {

// Drive::open_inline and Drive::read_inline.
io::Task<Result<std::unique_ptr<ShardReader>>> open_inline_shard(std::shared_ptr<Core> core,
                                                                 model::ValueId data_id);
io::Task<Result<io::Slice>> read_inline_shard(std::shared_ptr<Core> core, model::ValueId data_id);
// The bytes the shard log has of a data id, whatever they are; none: it has none.
io::Task<Result<std::optional<io::Slice>>> read_logged_as_it_is(std::shared_ptr<Core> core,
                                                                model::ValueId data_id);

}  // namespace cairn::drive
