#include "drive/testing/sim_drive.h"

namespace cairn::drive::testing {

io::Task<Result<std::unique_ptr<LocalDrive>>> open_sim_drive(SimDriveParts parts) {
  CAIRN_CO_ASSIGN(const MountedFormat mounted, co_await mount_format(parts.files, parts.path));
  CoreParts core{.files = parts.files,
                 .pool = parts.pool,
                 .metrics = parts.metrics,
                 .executor = parts.executor};
  core.id = mounted.format.drive;
  core.path = parts.path;
  core.index = parts.index.open();
  core.own_thread = false;
  core.generation = mounted.format.generation;
  core.reserve_bytes = parts.reserve_bytes;
  core.partition_of = parts.partition_of;
  co_return co_await LocalDrive::open(std::move(core));
}

}  // namespace cairn::drive::testing
