// The shards of one data id, blobs or inline ones, read side: runs of some shards are asked for,
// and come from the shards themselves or, where one is missing, corrupt or slow, from k others.
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
  // `memory` outlives the set. corrupt: the part's layout is not one that can be, or not the
  // partition's.
  static Result<std::shared_ptr<ShardSet>> make(io::MemoryBudget& memory,
                                                const DataOptions& options,
                                                std::shared_ptr<const PartitionView> view,
                                                const model::DataPart& part, bool is_inline,
                                                OnDamage on_damage);

  const Stripes& stripes() const { return stripes_; }
  const model::DataPart& part() const { return part_; }
  io::MemoryBudget& memory() const { return memory_; }

  // Never read what the member of this slot has: it is the one to be rebuilt. A former member's
  // shard serves.
  void exclude(unsigned slot);

  struct Need {
    unsigned slot = 0;
    Stripes::Range range{};  // within the shard, not empty
  };
  // The bytes of each need (of distinct slots), in their order, verified. Errors: slow_down
  // (memory); conflict: shards are not there any more, so the version was replaced, or is damaged:
  // look it up again; unavailable: fewer than k shards can be had.
  io::Task<Result<std::vector<io::Slice>>> fetch(std::vector<Need> needs);

  // As fetch for one shard, without a substitute: for verification. Any error is that shard's.
  io::Task<Result<io::Slice>> read_one(unsigned slot, Stripes::Range range);

  // Proven by what the drives answered so far: fewer than k shards exist.
  bool lost() const;

  ShardSet(io::MemoryBudget& memory, const DataOptions& options,
           std::shared_ptr<const PartitionView> view, const model::DataPart& part, bool is_inline,
           OnDamage on_damage);

 private:
  enum class Health : std::uint8_t { unknown, good, slow, bad };
  struct Slot {
    std::vector<std::shared_ptr<Device>>
        devices{};         // where the shard may be: the member, then former members
    bool expected = true;  // the member should have it; false while it is rebuilding
    Health health = Health::unknown;
    bool lost = false;                 // every device answered, and none has it whole
    bool gone = false;                 // ... because there is no such shard
    std::shared_ptr<Device> device{};  // where `reader` reads
    std::shared_ptr<drive::ShardReader> reader{};
  };
  struct Read;
  struct Fetch;

  bool usable(unsigned slot) const { return slots_[slot].health != Health::bad; }
  io::Task<Result<void>> start(std::shared_ptr<Fetch> fetch, std::vector<Need> reads);
  static io::Task<void> run(std::shared_ptr<ShardSet> self, std::shared_ptr<Fetch> fetch,
                            std::size_t index);
  io::Task<Result<void>> open(unsigned slot);
  io::Task<Result<io::Bytes>> open_and_read(unsigned slot, Stripes::Range range,
                                            io::MutableBytes into);
  void failed(unsigned slot, const Error& error);
  void give_up(unsigned slot);
  std::vector<Need> first_reads(const std::vector<Need>& needs) const;
  std::vector<Need> substitutes(const Fetch& fetch, Stripes::Range range, std::size_t want) const;
  io::Task<Result<void>> gather(std::shared_ptr<Fetch> fetch);
  io::Task<Result<bool>> substitute(std::shared_ptr<Fetch> fetch, Stripes::Range hull,
                                    bool waiting);
  io::Task<void> wait(std::shared_ptr<Fetch> fetch);
  io::Task<Result<std::vector<io::Slice>>> assemble(std::shared_ptr<Fetch> fetch);
  Error too_few() const;

  io::MemoryBudget& memory_;
  DataOptions options_;
  std::shared_ptr<const PartitionView> view_;
  model::DataPart part_;
  const bool is_inline_;
  Stripes stripes_;
  OnDamage on_damage_;
  std::shared_ptr<const erasure::Code> code_;
  std::vector<Slot> slots_;
};

}  // namespace cairn::store
