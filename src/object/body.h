// Moving a body into the store's writer: from a client, or from another version.
#pragma once

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
  const model::UnitKey& unit;
  model::ValueId value{};
  bool blob_only = false;
  std::uint64_t max_bytes = kMaxPutBytes;
};

// Reads `body` to its proven end, straight into the writer's buffers, hashing in place; checks what
// the client claims, and only then makes the data durable. Fills size, data and ETag of `into`. On
// an error nothing is stored. entity_too_large, incomplete_body, bad_digest, and what reading the
// body or staging the data says. `body` and `into` outlive the call.
io::Task<Result<BodyDigest>> receive_body(BodyTarget target, io::ByteSource& body,
                                          BodyClaims claims, store::PutVersion& into);

// The same for `size` bytes of an open version; null when there are none. `keep`: the checksum that
// is kept.
io::Task<Result<BodyDigest>> copy_body(BodyTarget target, io::SliceSource* source,
                                       std::uint64_t size, crypto::Checksum keep,
                                       store::PutVersion& into);

Error entity_too_large(std::uint64_t size, std::uint64_t limit);

}  // namespace cairn::object
