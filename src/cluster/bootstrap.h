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
  // Lost for good, an operator says, and an empty directory stands in its place (7.6). Heeded where
  // it is a member and not there; once it was given up, it is named in vain.
  std::optional<model::DriveId> retire{};
};

struct Cluster {
  model::ClusterId id{};
  std::vector<Slot> slots{};
  std::unique_ptr<control::Embedded> control{};
  placement::Map map{};
  bool created = false;
  // The slot of the drive that an operator gave up: its replacement is to be put in the map before
  // anyone leads (store::retire_drive).
  std::optional<std::size_t> retired{};
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

// A slot whose drive is missing or failed.
struct Vacancy {
  model::ClusterId cluster{};
  model::DriveId expected{};
  model::DriveId made{};  // a replacement that this process formatted here, if it did
  std::uint32_t slot = 0, drives = 0;
  model::ErasureProfile profile{};
  // What becomes of an empty directory.
  enum class Empty {
    taken,   // the drives that are left can lead: it is the replacement
    left,    // they cannot: that takes an operator's word
    wanted,  // an operator gave the drive up: a directory that holds it is refused
  } empty = Empty::taken;
};

// Returns the opened drive when the directory holds it again, or, when the directory is empty, a
// newly formatted replacement. not_found: nothing usable there yet. unavailable: an empty directory
// was left. conflict: the drive is there, though an operator gave it up.
struct Reopened {
  std::shared_ptr<drive::Drive> drive{};
  bool replacement = false;
};
io::Task<Result<Reopened>> reopen(drive::World world, drive::LocalDriveOptions options,
                                  control::Store& control, Vacancy vacancy);

}  // namespace cairn::cluster
