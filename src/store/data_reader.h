// Bodies flowing out: the bytes of a version, or of a range of it, from its shards.
//
// Everything handed out has passed its checksum. A shard that is missing, corrupt or slow is made
// up for from others without the caller noticing, and on_damage is told. A body that cannot be
// continued ends in an error, never in other bytes. Slices point into pool memory: what a slow
// client holds is its own slices and the batches read ahead.
#pragma once

#include <memory>

#include "store/data_path.h"
#include "store/store.h"

namespace cairn::store {

struct ReadContext {
  io::MemoryBudget& memory;  // outlives the source and reads in flight
  DataOptions options{};
  std::shared_ptr<const PartitionView> view{};  // of the unit's partition
  OnDamage on_damage{};
};

// Store::open_data (store.h). When it returns, the first batch is in memory; of a longer body k
// shards are open, so that what the version held stays readable to the end when it is replaced
// (4.3, 7.5). The shards of parts are opened one part ahead.
io::Task<Result<std::unique_ptr<io::SliceSource>>> open_data(ReadContext context, Found found,
                                                             std::uint64_t offset,
                                                             std::uint64_t length);

// Whether inline data is small enough that its shards are sent along with the record, and gathered
// whole. The shards of larger data are opened as those of blobs are, and read only where it takes.
bool comes_along(const model::Record& record, std::size_t opened_shard_bytes);

// Shards of inline data: those in `at_hand`, and what is missing of k (or of all) from the drives.
struct InlineShards {
  std::vector<io::Slice> shards{};  // by slot; without owner: could not be had
  unsigned have = 0;
  unsigned lost = 0;  // slots proven to have none that is whole
  bool gone = false;  // some of them because there is no such shard
  // Why the data cannot be read, when fewer than k are there.
  Error too_few(const model::DataPart& part) const;
};
// corrupt: the layout is not one that can be. Fewer than k shards is not an error here.
io::Task<Result<InlineShards>> gather_inline(ReadContext context, model::DataPart part,
                                             std::vector<std::pair<unsigned, io::Slice>> at_hand,
                                             bool all);
// Computes shards that are not there. REQUIRES: at least k are.
io::Task<Result<void>> reconstruct_inline(io::MemoryBudget& memory, const model::DataPart& part,
                                          InlineShards& shards, std::vector<unsigned> slots);

}  // namespace cairn::store
