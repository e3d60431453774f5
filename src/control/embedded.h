// The embedded control store: a log and snapshots on a majority of the node's drives (docs/format/control.md).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control/control.h"
#include "io/file.h"

namespace cairn::control {

// An operator's word on the directories. `one_for_good`: one was lost and will not be back, and an empty one stands in its
// place; what only the lost one held is given up. Never assumed by a program.
enum class Loss : bool { none, one_for_good };

// A change is acknowledged when a majority of all directories (missing ones included) has synced it. A directory that
// fails or hangs is dropped and stays behind until attach(), the next open, or, where its disk was only full, until a
// later commit finds room. Without a majority commits fail with `unavailable` (or `no_space`), reads go on from memory,
// and every later commit first tries to recover what the directories hold; watchers are told what that brings.
class Embedded : public Store {
 public:
  struct DirectoryStatus {
    std::string path{};    // empty: missing
    bool in_use = false;   // takes part in commits
    std::string reason{};  // why not
  };
  struct Status {
    std::uint64_t epoch = 0;  // raised at every open
    std::uint64_t revision = 0;
    bool writable = false;
    std::vector<DirectoryStatus> directories{};
  };
  virtual Status status() const = 0;

  // Brings the directory of a replaced or returned drive up to date while the store runs: what it held before is
  // overwritten. When it returns, the directory takes part in commits. REQUIRES: index is below the number of directories.
  // `loss`: where there is no majority, the others are recovered without the one that was lost here.
  virtual io::Task<Result<void>> attach(std::size_t index, std::string path, Loss loss = Loss::none) = 0;

  // Waits for what is in flight and refuses what comes later. REQUIRES: called once, before the file system goes.
  virtual io::Task<void> stop() = 0;
};

// `directories`: one per drive of the cluster (drive path + "/control"); an empty string for a drive that is missing.
// Needs a majority of them: unavailable otherwise, naming what is missing. To make a new store, all must be there and
// empty. Recovers the newest state that a majority may have acknowledged and writes it back before it returns;
// directories that were behind or empty are brought up. `loss`: fewer than a majority need to have their state, but one more
// than a majority leaves out (of 2 directories 1, of 4 2), with the empty one a majority has to be there all the same.
// REQUIRES: the caller holds the drives' locks, so that there is one process; `files` outlives the store.
io::Task<Result<std::unique_ptr<Embedded>>> open_embedded(io::FileSystem& files, std::vector<std::string> directories,
                                                          Loss loss = Loss::none);

}  // namespace cairn::control
