// Shards made anew from k others, and shards checked: what repair, resolving and scrub need of the
// data path.
//
// Memory is bounded (a few MiB a rebuild, from the budget), every drive call has a deadline. A
// shard counts as rebuilt only once it has been read back.
#pragma once

#include <memory>

#include "store/data_path.h"
#include "store/data_reader.h"
#include "store/shard_rebuilder.h"

namespace cairn::store {

class ShardSet;

class ShardRepair : public ShardRebuilder {
 public:
  // Told of damage found in the shards that a rebuild reads. May be empty.
  using OnUnitDamage =
      std::function<void(const model::UnitKey& unit, unsigned slot, const model::DataPart& part,
                         bool is_inline, const Error& error)>;

  // REQUIRES: `memory` and `members` outlive this object; and this object the tasks it returned.
  ShardRepair(io::MemoryBudget& memory, const Members& members, DataOptions options,
              OnUnitDamage on_damage = {})
      : memory_(memory), members_(members), options_(options), on_damage_(std::move(on_damage)) {}

  io::Task<Result<void>> rebuild_blob(model::UnitKey unit, model::DataPart part,
                                      unsigned slot) override;
  io::Task<Result<io::Slice>> rebuild_inline(model::UnitKey unit, model::DataPart part,
                                             unsigned slot) override;
  io::Task<Result<Checked>> check(model::UnitKey unit, model::DataPart part, bool is_inline,
                                  unsigned slot) override;

  io::Task<Result<bool>> put_aside(model::UnitKey unit, model::DataPart part, bool is_inline,
                                   unsigned slot) override;

  io::Task<Result<Consistency>> compare(model::UnitKey unit, model::DataPart part,
                                        bool is_inline) override;
  io::Task<Result<void>> condemn(model::UnitKey unit, model::DataPart part, bool is_inline,
                                 unsigned slot) override;

 private:
  io::Task<Result<Checked>> check_blob(std::shared_ptr<Device> device, model::DataPart part,
                                       unsigned slot);
  io::Task<Result<Checked>> check_inline(std::shared_ptr<Device> device, model::DataPart part);
  io::Task<Result<void>> quarantine(std::shared_ptr<Device> device, drive::BlobName name,
                                    bool is_inline);
  io::Task<Result<void>> copy(std::shared_ptr<ShardSet> set, std::shared_ptr<Device> device,
                              unsigned slot);
  io::Task<Result<void>> replaceable(model::UnitKey unit, model::DataPart part, bool is_inline,
                                     unsigned slot);
  std::size_t step(const model::DataPart& part) const;
  OnDamage damage_of(const model::UnitKey& unit) const;
  ReadContext context(const model::UnitKey& unit, std::shared_ptr<const PartitionView> view) const;
  ReadContext context_beside(const model::UnitKey& unit, std::shared_ptr<const PartitionView> view,
                             unsigned slot) const;

  io::MemoryBudget& memory_;
  const Members& members_;
  DataOptions options_;
  OnUnitDamage on_damage_;
};

}  // namespace cairn::store
