// LocalStore, put together. What each part does stands in its header; here are only their
// lifetimes, the map, and the calls that change it.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "store/chores.h"
#include "store/core.h"
#include "store/data_path.h"
#include "store/fencing.h"
#include "store/leader.h"
#include "store/load.h"
#include "store/local_store.h"
#include "store/reader.h"
#include "store/repair.h"
#include "store/resolve.h"
#include "store/scan.h"
#include "store/sender.h"
#include "store/shard_repair.h"

namespace cairn::store {

class LocalStoreImpl final : public LocalStore {
 public:
  LocalStoreImpl(Parts parts, Options options, placement::Map map, std::vector<DriveSlot> slots);
  // REQUIRES: stop() has returned.
  ~LocalStoreImpl() override;

  // Takes the term and fences; then everything serves.
  io::Task<Result<void>> open();

  io::Task<Result<Committed>> commit(Commit commit) override;
  io::Task<Result<Found>> find(model::UnitKey unit, Selector selector) override;
  io::Task<Result<std::unique_ptr<DataWriter>>> write(model::UnitKey unit, model::ValueId value,
                                                      std::optional<std::uint64_t> size,
                                                      bool blob_only) override;
  io::Task<Result<std::unique_ptr<io::SliceSource>>> open_data(model::UnitKey unit, Found found,
                                                               std::uint64_t offset,
                                                               std::uint64_t length) override;
  io::Task<Result<ScanPage>> scan(ScanRequest request) override;
  bool can_read() const override;
  bool can_write() const override;
  bool deposed() const override { return core_.deposed.load(); }
  io::Task<Result<std::vector<DriveStatus>>> drives() override;

  io::Task<Result<bool>> repair(model::UnitKey unit) override;
  io::Task<Result<bool>> repair_member(model::UnitKey unit, model::DriveId member) override;
  io::Task<Result<Verified>> verify(model::UnitKey unit) override;
  io::Task<Result<void>> attach(std::size_t slot, std::shared_ptr<drive::Drive> drive) override;
  io::Task<Result<void>> detach(std::size_t slot, std::string reason) override;
  std::uint64_t acked_batch(std::size_t slot) const override;
  Others others(std::size_t slot) const override;
  std::vector<std::pair<model::PartitionId, model::DriveId>> rebuilding() const override;
  io::Task<Result<void>> finish_rebuild(model::PartitionId partition,
                                        model::DriveId drive) override;
  io::Task<Result<std::vector<model::UnitKey>>> repair_queue(std::size_t limit) override;
  const placement::Map& map() const override;
  io::Task<void> stop() override;

 private:
  io::Task<Result<std::uint64_t>> check_lead();
  Error depose(model::Term newer);
  io::Task<Result<void>> lead(model::Term floor, std::optional<MapChange> change,
                              std::optional<model::Term> taken);
  io::Task<void> lead_loop();
  void keep_sources(std::vector<std::shared_ptr<PartitionView>>& views) const;
  io::Task<Result<std::shared_ptr<Device>>> admit(std::shared_ptr<Device> before,
                                                  std::shared_ptr<drive::Drive> drive);
  io::Task<Result<void>> take_back(std::size_t slot, std::shared_ptr<Device> device);
  io::Task<Result<void>> replace(std::size_t slot, std::shared_ptr<Device> device);
  io::Task<Result<void>> replace_paused(std::size_t slot, std::shared_ptr<Device> device);
  io::Task<Result<void>> lead_anew();
  io::Task<void> pause_all();
  void resume_all();
  void put_device(std::size_t slot, std::shared_ptr<Device> device);
  void set_map(placement::Map map);
  bool every_partition(unsigned PartitionView::* quorum, bool voting) const;
  DataOptions data_options() const;

  Core core_;
  Loader loader_;
  Sender sender_;
  Chores chores_;
  Resolver resolver_;
  Leader leader_;
  Reader reader_;
  Scanner scanner_;
  Repairer repairer_;
  ShardRepair shard_repair_;

  io::AsyncMutex admin_{};  // one change of members at a time (8.1)
  model::Term tried_{};     // the highest that this process may have taken; guarded by admin_
  mutable std::mutex map_mutex_{};
  std::list<placement::Map>
      maps_{};  // the last is current; references given out stay good for many changes
  std::atomic<bool> ticking_{false};
  bool stopped_ = false;
};

}  // namespace cairn::store
