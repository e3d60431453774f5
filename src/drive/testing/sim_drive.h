// A drive of the simulation: the real LocalDrive over an index and a file system in memory that
// outlive it, all of its work on one executor. The same seed gives the same run.
#pragma once

#include <memory>
#include <string>

#include "drive/local_drive_impl.h"
#include "drive/testing/memory_index.h"

namespace cairn::drive::testing {

struct SimDriveParts {
  IndexDisk& index;
  io::FileSystem&
      files;  // usually io::testing::PowerCutFileSystem; may be shared by drives of different paths
  io::Executor& executor;
  io::BlockingPool& pool;  // io::make_inline_pool()
  metrics::Registry& metrics;
  std::string path{};  // absolute; formatted with format_drive() before
  std::function<model::PartitionId(std::string_view lock_key)> partition_of{};
  std::uint64_t reserve_bytes = 1;
};

// Mounts it: raises the generation, loads, sweeps in the background. REQUIRES: awaited on
// `executor`. A crash: destroy the drive, then index.crash() and files.power_cut(), then open
// again.
io::Task<Result<std::unique_ptr<LocalDrive>>> open_sim_drive(SimDriveParts parts);

}  // namespace cairn::drive::testing
