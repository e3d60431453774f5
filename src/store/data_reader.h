// Bodies flowing out: the bytes of a version, or of a range of it, from its shards.
//
// Everything handed out has passed its checksum. A shard that is missing, corrupt or slow is made up for from others
// without the caller noticing, and on_damage is told. A body that cannot be continued ends in an error, never in other
// bytes. Slices point into pool memory: what a slow client holds is its own slices and the batches read ahead.
#pragma once

#include <memory>

#include "store/data_path.h"
#include "store/store.h"

namespace cairn::store {

struct ReadContext {
  io::MemoryBudget& memory;   // outlives the source and reads in flight
  DataOptions options{};
  ShardDrives drives{};       // of the unit's partition
  OnDamage on_damage{};
};

// Store::open_data (store.h). When it returns, the first batch is in memory; of a longer body k shards are open, so that
// what the version held stays readable to the end when it is replaced (4.3, 7.5). The shards of parts are opened one
// part ahead.
io::Task<Result<std::unique_ptr<io::SliceSource>>> open_data(ReadContext context, Found found,
                                                             std::uint64_t offset, std::uint64_t length);

// All shards of inline data, or those named: what is not in `at_hand` is fetched from the drives. Slot -> bytes; an empty
// slice where it could not be had. Errors: as open_data, when fewer than k are there.
io::Task<Result<std::vector<io::Slice>>> gather_inline(ReadContext context, model::DataPart part,
                                                       std::vector<std::pair<unsigned, io::Slice>> at_hand,
                                                       bool all);

}  // namespace cairn::store
