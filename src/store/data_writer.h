// Bodies flowing in: data staged as shards on the members of a partition, before the commit that
// names it (3.1).
//
// The caller reads its socket straight into buffer(); a batch of stripes that is full is encoded
// and appended to all blobs at the same time while the next one fills. A member whose append fails
// or that stays behind leaves the set and is never counted; fewer than W left: the write fails.
// What is small enough becomes inline shards for the commit.
#pragma once

#include <memory>
#include <optional>

#include "store/data_path.h"
#include "store/store.h"

namespace cairn::store {

struct WriteContext {
  io::MemoryBudget& memory;  // outlives the writer and calls in flight
  DataOptions options{};
  std::shared_ptr<const PartitionView> view{};  // of the unit's partition
};

// Store::write (store.h). Parts of uploads always become blobs: the record that completes the
// upload names blobs only. REQUIRES: called on an executor, and the writer used and destroyed
// there. unavailable: fewer than W members answer.
Result<std::unique_ptr<DataWriter>> make_data_writer(WriteContext context,
                                                     const model::UnitKey& unit,
                                                     model::ValueId value,
                                                     std::optional<std::uint64_t> size,
                                                     bool blob_only = false);

// Removes the blobs of data that no commit will name (the commit was refused for good). A blob that
// is named stays. What cannot be reached is left to the drives' sweep.
io::Task<void> discard_data(std::shared_ptr<const PartitionView> view, model::ValueId value,
                            DataOptions options);

}  // namespace cairn::store
