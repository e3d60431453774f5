// Moving a body into the store's writer: from a client, or from another version.
#pragma once

#include <memory>

#include "base/error.h"
#include "io/bytes.h"
#include "io/task.h"
#include "model/ids.h"
#include "model/unit_key.h"
#include "object/hashing.h"
#include "store/store.h"

namespace cairn::object {

struct BodyTarget {
  store::Store& store;
  HashStages& hashing;
  const model::UnitKey& unit;
  model::ValueId value{};
  bool blob_only = false;
  std::uint64_t max_bytes = kMaxPutBytes;
};

// A body that has come in whole and is what it claims to be, but is not durable yet. Dropped,
// nothing of it stays.
struct StagedBody {
  BodyDigest digest{};
  std::unique_ptr<store::DataWriter> writer{};  // null: no bytes
  HashStage::Presence presence{};               // until the write has ended
  // Makes the data durable; fills size, data and ETag of `into`. To be followed by the commit.
  // REQUIRES: called once.
  io::Task<Result<void>> finish(store::PutVersion& into);
};

// Reads `body` to its proven end, straight into the writer's buffers, hashing in place, and checks
// what the client claims. entity_too_large, incomplete_body, bad_digest, and what reading the body
// or staging the data says. `body` outlives the call.
io::Task<Result<StagedBody>> receive_body(BodyTarget target, io::ByteSource& body,
                                          BodyClaims claims);

// The same for `size` bytes of an open version; null when there are none. `keep`: the checksum that
// is kept.
io::Task<Result<StagedBody>> copy_body(BodyTarget target, io::SliceSource* source,
                                       std::uint64_t size, crypto::Checksum keep);

Error entity_too_large(std::uint64_t size, std::uint64_t limit);

}  // namespace cairn::object
