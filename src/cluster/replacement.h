// Drives that are made, or opened again, in the place of one that is missing.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "drive/local_drive.h"
#include "io/task.h"

namespace cairn::cluster {

// A drive that must wipe a partition has to know which units are its.
drive::LocalDriveOptions with_partitions(drive::LocalDriveOptions options);

// A new drive in an empty or missing directory.
io::Task<Result<std::shared_ptr<drive::Drive>>> make_drive(drive::World world,
                                                           drive::LocalDriveOptions options,
                                                           drive::Format format, bool missing);

// A mount that only found out that the drive is an old copy never was.
io::Task<Result<void>> take_back_mount(drive::World world, drive::Format found, std::string path);

}  // namespace cairn::cluster
