// One run from one seed, and what came of it.
#pragma once

#include "sim/world.h"

namespace cairn::sim {

struct Report {
  std::optional<std::string> failure{};
  std::uint64_t steps = 0;     // events of the executor
  std::uint64_t answered = 0;  // operations of clients that were answered
  io::Duration recovery{};     // from when nothing is under way any more until all is whole
  io::Duration longest{};      // operation of a client
  unsigned copies_refused = 0;
  std::uint64_t hash = 0;  // of all histories and steps: the same for the same seed
};

Report simulate(const Setup& setup);

}  // namespace cairn::sim
