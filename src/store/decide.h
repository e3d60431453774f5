// What a commit does to a unit: pure. Preconditions exactly as S3 has them, versions, delete
// markers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"
#include "drive/drive.h"
#include "store/store.h"

namespace cairn::store {

// What decide() looks at of the unit's settled state. Pointers are null for what is not there; they
// outlive the call.
struct Current {
  std::uint64_t row_count = 0;
  const drive::Row* latest = nullptr;
  const drive::Row* null_row = nullptr;   // the version "null"
  const drive::Row* addressed = nullptr;  // the version that RemoveVersion or UpdateVersion names
};

// A mutation as a change of rows.
struct Effect {
  Committed reply{};
  std::vector<drive::Row> puts{};       // each replaces the version of the same order
  std::vector<model::Stamp> removes{};  // orders
  bool all = false;                     // everything goes
  bool brings_data = false;             // need = k (protocol.md 1)
  std::uint64_t rows_after = 0;
  bool wrote() const { return reply.wrote; }
};

// The version that the intent addresses beside the latest, if any.
std::optional<model::VersionId> addressed_version(const Commit& commit);

// True when nothing of the current state can matter to the outcome: an unconditional put into an
// unversioned bucket. It is whole, so it may be sent over a unit of unknown state (3.2).
bool is_blind(const Commit& commit);

// The first outcome of this commit if its value is in the unit already (3.6).
Result<std::optional<Committed>> already_done(const Current& current, const Commit& commit);

// Errors: no_such_key, precondition_failed, not_found, conflict (store.h), corrupt. `now_ms` is the
// time of day; a version's last-modified never falls below that of the latest before it.
Result<Effect> decide(const Current& current, const Commit& commit, model::Stamp stamp,
                      std::int64_t now_ms);

// The rows of a unit after a change, newest first.
std::vector<drive::Row> apply(std::vector<drive::Row> rows, const std::vector<drive::Row>& puts,
                              const std::vector<model::Stamp>& removes);

}  // namespace cairn::store
