// Recovery of the embedded control store: what a majority of directories may have acknowledged.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control/directory.h"
#include "control/embedded.h"
#include "control/state.h"
#include "io/file.h"

namespace cairn::control {

struct Recovered {
  std::uint64_t epoch = 0;
  State state{};
  // By position. A directory is there if it holds `state` in `epoch`, on disk; else the reason is.
  std::vector<std::shared_ptr<Directory>> directories{};
  std::vector<std::string> reasons{};
  // Directories with an operation that was given up. What is still under way may land at any time:
  // nobody else may write there before it is over.
  std::vector<std::shared_ptr<Directory>> hung{};
};

struct RecoveryInput {
  std::vector<std::string> paths{};    // as for open_embedded
  std::vector<std::string> reasons{};  // why those with an empty path are not to be used
  bool may_create = true;              // all empty: a new store
  std::uint64_t revision_min = 0;      // what is known to have been acknowledged
  Loss loss = Loss::none;
};

inline std::size_t majority_of(std::size_t directories) {
  return directories / 2 + 1;
}
// So many have one in common with every majority.
inline std::size_t blocking_of(std::size_t directories) {
  return directories - majority_of(directories) + 1;
}

// Needs a majority and writes to one. unavailable otherwise, with what is wrong with each. `out` is
// filled as far as it came, also on errors; it outlives the task.
io::Task<Result<void>> recover(io::FileSystem& files, RecoveryInput input, Recovered* out);

}  // namespace cairn::control
