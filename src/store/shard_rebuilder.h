// What the commit protocol needs of the data path: shards made anew and shards checked. Implemented
// by shard_repair.
#pragma once

#include <cstdint>
#include <optional>

#include "base/error.h"
#include "io/bytes.h"
#include "io/task.h"
#include "model/record.h"
#include "model/unit_key.h"

namespace cairn::store {

class ShardRebuilder {
 public:
  virtual ~ShardRebuilder() = default;

  // Rebuilds the blob of `part` for `slot` from any k other shards (members and sources, whoever
  // has them) and writes it to the member of that slot; synced when it returns. A blob that is
  // there and whole is left alone; a damaged one is quarantined first. unavailable: fewer than k
  // shards at hand now; corrupt: proven that fewer than k exist.
  virtual io::Task<Result<void>> rebuild_blob(model::UnitKey unit, model::DataPart part,
                                              unsigned slot) = 0;

  // The inline shard of `part` for `slot`, rebuilt from k others; it reaches the drive with an
  // install or a mutation.
  virtual io::Task<Result<io::Slice>> rebuild_inline(model::UnitKey unit, model::DataPart part,
                                                     unsigned slot) = 0;

  // Reads the whole shard that the member of `slot` has, verifying every block. An Error: the drive
  // did not answer.
  enum class Finding : std::uint8_t { whole, missing, damaged };
  struct Checked {
    Finding finding = Finding::whole;
    std::uint64_t bytes = 0;  // read
  };
  virtual io::Task<Result<Checked>> check(model::UnitKey unit, model::DataPart part, bool is_inline,
                                          unsigned slot) = 0;

  // Looks at the shard that the member of `slot` has, again and whole. If it is damaged or missing,
  // the drive is told that it lacks it, so that repair makes it anew; a damaged one is moved out of
  // the way only when k others can be read, because until then the rest of it may be needed. True:
  // it was put aside. False: it is whole.
  virtual io::Task<Result<bool>> put_aside(model::UnitKey unit, model::DataPart part,
                                           bool is_inline, unsigned slot) = 0;

  // Whether the parity that is there matches the data that is there: shards that pass their own
  // checksums and still do not belong together. `odd`: the one shard that explains it everywhere,
  // where one does. unavailable: fewer than k + 1 shards can be read: there is nothing to compare.
  struct Consistency {
    bool consistent = true;
    std::optional<unsigned> odd{};
    std::uint64_t bytes = 0;  // read
  };
  virtual io::Task<Result<Consistency>> compare(model::UnitKey unit, model::DataPart part,
                                                bool is_inline) = 0;

  // Puts the odd shard aside, whatever its checksum says, if k others can be read.
  virtual io::Task<Result<void>> condemn(model::UnitKey unit, model::DataPart part, bool is_inline,
                                         unsigned slot) = 0;
};

}  // namespace cairn::store
