// The leader's judgement of a unit in doubt (protocol.md 5): pure.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "drive/drive.h"
#include "model/ids.h"

namespace cairn::store {

struct Quorums {
  unsigned n = 0, k = 0, w = 0, r = 0;
};

// A member of A (5.1): it promised this term, and its answer comes after everything sent to it
// earlier.
struct Witness {
  unsigned slot = 0;
  bool rebuilding = false;
  const drive::UnitState* state = nullptr;
};

struct Verdict {
  enum class Kind : std::uint8_t {
    empty,       // no candidate left
    settled,     // (a) known settled
    quorum,      // (b) that very stamp is the newest on W
    restamp,     // (c) to be sent whole under a new stamp
    undecided,   // (e)
    incomplete,  // (e), but members that hold the rows lack shards that may be made anew: then
                 // judge again
  };
  Kind kind = Kind::empty;
  model::Stamp stamp{};    // of the candidate
  model::ValueId value{};  // of a pending one
  std::size_t source = 0;  // index of a witness with its exact rows
};

// REQUIRES: at least R of the witnesses are not rebuilding; slots are distinct.
Verdict judge(Quorums quorums, std::span<const Witness> witnesses);

// The exact rows of a unit as of `stamp`, which the state holds settled or pending; none when its
// base is not there. Newest first; parts tables as they are in the state.
std::optional<std::vector<drive::Row>> rows_as_of(const drive::UnitState& state,
                                                  model::Stamp stamp);

// The newest mutation that the drive holds.
std::optional<model::Stamp> head_of(const drive::UnitState& state);

}  // namespace cairn::store
