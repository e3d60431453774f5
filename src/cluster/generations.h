// The mounts of each drive, remembered in the control store. A drive that names fewer than that was
// put back from an old copy: it has lost what it promised since, and must not count as the drive it
// was (it would be heard as a witness that something never happened).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "control/control.h"
#include "drive/local_drive.h"
#include "io/task.h"

namespace cairn::cluster {

// The control store's key of the mounts of a drive, a decimal number.
std::string generation_key(model::DriveId drive);

// Whether a drive is an old copy. `found`: its format.json as it was before it was mounted.
// corrupt: what is remembered is no number.
io::Task<Result<bool>> is_stale(control::Store& control, drive::Format found);

// Remembers that drives were mounted; `found` as above. A failure is logged and not more: what is
// remembered is then too low, which refuses nobody.
io::Task<void> remember_mounts(control::Store& control, std::vector<drive::Format> found);

// The control store's key of the newest batch that a drive acknowledged before it left service, a
// decimal number.
std::string acked_key(model::DriveId drive);

// Remembers what a drive had acknowledged when it left service, so that whoever brings it back can
// compare, also after a restart (7.4). A failure is logged and not more, as above.
io::Task<void> remember_acked(control::Store& control, model::DriveId drive, std::uint64_t batch);

// Whether a drive that was opened, and not spoken to yet, lacks a batch that it had acknowledged.
io::Task<Result<bool>> has_lost_batches(control::Store& control,
                                        std::shared_ptr<drive::Drive> drive);

// For people: why the drive in this directory is not used.
std::string stale_reason(const std::string& path);

}  // namespace cairn::cluster
