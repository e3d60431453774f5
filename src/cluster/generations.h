// The mounts of each drive, remembered in the control store. A drive that names fewer than that was
// put back from an old copy: it has lost what it promised since, and must not count as the drive it
// was (it would be heard as a witness that something never happened).
#pragma once

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

// For people: why the drive in this directory is not used.
std::string stale_reason(const std::string& path);

}  // namespace cairn::cluster
