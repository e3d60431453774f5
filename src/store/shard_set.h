// The shards of one blob, read side: runs of some shards are asked for, and come from the shards themselves or, where
// one is missing, corrupt or slow, from k others.
//
// Threads: one executor. Lifetime: held by shared_ptr; reads that outlive their caller keep it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"
#include "erasure/erasure.h"
#include "io/bytes.h"
#include "io/task.h"
#include "store/data_path.h"
#include "store/stripe.h"

namespace cairn::store {

class ShardSet : public std::enable_shared_from_this<ShardSet> {
 public:
  // corrupt: the part's layout is not one that can be, or does not fit the number of drives.
  static Result<std::shared_ptr<ShardSet>> make(io::MemoryBudget& memory, const DataOptions& options,
                                                ShardDrives drives, const model::DataPart& part,
                                                OnDamage on_damage);

  const Stripes& stripes() const { return stripes_; }
  const model::DataPart& part() const { return part_; }

  // Never read this shard: it is the one to be rebuilt.
  void exclude(unsigned slot) { slots_[slot].health = Health::bad; }

  struct Need {
    unsigned slot = 0;
    Stripes::Range range{};  // within the shard, not empty
  };
  // The bytes of each need, in their order, verified. Errors: slow_down (memory); conflict: shards are not there any
  // more, so the version was replaced, or is damaged: look it up again; unavailable: fewer than k shards can be had.
  io::Task<Result<std::vector<io::Slice>>> fetch(std::vector<Need> needs);

  // As fetch for one shard, without a substitute: for verification. Any error is that shard's.
  io::Task<Result<io::Slice>> read_one(unsigned slot, Stripes::Range range);

  ShardSet(io::MemoryBudget& memory, const DataOptions& options, ShardDrives drives,
           const model::DataPart& part, OnDamage on_damage);

 private:
  enum class Health : std::uint8_t { unknown, good, slow, bad };
  struct Slot {
    Health health = Health::unknown;
    bool gone = false;  // the drive says that there is no such shard
    std::shared_ptr<drive::BlobReader> reader{};
  };
  struct Read;
  struct Fetch;

  bool usable(unsigned slot) const { return slots_[slot].health != Health::bad; }
  io::Task<Result<void>> start(std::shared_ptr<Fetch> fetch, std::vector<Need> reads);
  static io::Task<void> run(std::shared_ptr<ShardSet> self, std::shared_ptr<Fetch> fetch, std::size_t index);
  io::Task<Result<io::Bytes>> open_and_read(unsigned slot, Stripes::Range range, io::MutableBytes into);
  void failed(unsigned slot, const Error& error);
  std::vector<Need> first_reads(const std::vector<Need>& needs) const;
  std::vector<Need> substitutes(const Fetch& fetch, Stripes::Range range, std::size_t want) const;
  io::Task<Result<void>> gather(std::shared_ptr<Fetch> fetch);
  io::Task<Result<void>> wait(std::shared_ptr<Fetch> fetch);
  io::Task<Result<std::vector<io::Slice>>> assemble(std::shared_ptr<Fetch> fetch);
  Error too_few() const;

  io::MemoryBudget& memory_;
  DataOptions options_;
  ShardDrives drives_;
  model::DataPart part_;
  Stripes stripes_;
  OnDamage on_damage_;
  std::shared_ptr<const erasure::Code> code_;
  std::vector<Slot> slots_;
};

}  // namespace cairn::store
