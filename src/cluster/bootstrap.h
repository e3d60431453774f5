// From directories to a cluster: looks at every drive, makes a new cluster of empty ones, or finds
// the one they belong to and says what is missing, foreign or swapped. One machine: membership is
// the drives named; the map lives in the control store under "map".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "control/embedded.h"
#include "drive/local_drive.h"
#include "placement/placement.h"

namespace cairn::cluster {

// One position of the cluster. Its number is that of the drive's creation, whatever the order of
// the arguments.
struct Slot {
  std::string path{};
  model::DriveId id{};                    // as the map knows it
  std::shared_ptr<drive::Drive> drive{};  // null: missing
  std::string reason{};                   // why it is missing, a sentence
  bool replacement = false;  // `drive` is new and empty: attach it after the store is open
};

struct Options {
  std::vector<std::string> paths{};
  std::optional<model::ErasureProfile> erasure{};
  drive::LocalDriveOptions drive{};  // path is filled in
  // Where drives promised under a newer map than the control store has, take it over from them
  // (8.5). Else such a cluster is not opened.
  bool import_map = false;
};

struct Cluster {
  model::ClusterId id{};
  std::vector<Slot> slots{};
  std::unique_ptr<control::Embedded> control{};
  placement::Map map{};
  bool created = false;
};

// The control store's key of the drive id (hex) in a slot, written when a replacement took it.
std::string slot_key(std::size_t slot);

// Errors (invalid_argument, unavailable, corrupt) are sentences that say which drive and what to
// do. Drives that could not be opened are missing slots as long as the control store has its
// majority; the store then decides whether its quorums are there.
io::Task<Result<Cluster>> bootstrap(drive::World world, Options options);

// Ends what the cluster's drives and control store do in the background and lets go of them.
// REQUIRES: nothing uses them.
io::Task<void> close(Cluster& cluster);

// Looks at a slot whose drive is missing or failed: returns the opened drive when its directory
// holds it again, or, when the directory is empty, a newly formatted replacement. not_found:
// nothing usable there yet.
struct Reopened {
  std::shared_ptr<drive::Drive> drive{};
  bool replacement = false;
};
io::Task<Result<Reopened>> reopen(drive::World world, drive::LocalDriveOptions options,
                                  control::Store& control, model::ClusterId cluster,
                                  model::DriveId expected, std::uint32_t slot, std::uint32_t drives,
                                  model::ErasureProfile profile);

}  // namespace cairn::cluster
