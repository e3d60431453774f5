// A drive over an index and files that are handed in: what open_local_drive() makes over RocksDB
// and a directory, and a simulation over an index and a file system in memory, single-threaded and
// deterministic.
#pragma once

#include <memory>

#include "drive/core.h"
#include "drive/drive.h"
#include "drive/local_drive.h"

namespace cairn::drive {

// The first step of every mount: format.json is read and its generation raised, synced (7.4).
struct MountedFormat {
  Format format{};
};
io::Task<Result<MountedFormat>> mount_format(io::FileSystem& files, std::string path);

class LocalDrive final : public Drive {
 public:
  // Loads what the index holds, finishes what a crash cut short, starts the committer and sweeps in
  // the background.
  static io::Task<Result<std::unique_ptr<LocalDrive>>> open(CoreParts parts);
  // Without close() first: what is queued is not done and answered with an error.
  ~LocalDrive() override;

  model::DriveId id() const override { return core_->id; }
  bool failed() const override { return core_->failed(); }
  void retire(std::string reason) override { core_->fail(reason); }
  io::Task<void> close() override;
  // Of the shard log, in use: for tests and measurements.
  std::uint64_t shard_log_bytes() const { return core_->log->bytes_in_use(); }

  io::Task<Result<SyncedBatches>> synced() override;
  io::Task<Result<PromiseReply>> promise(PromiseRequest request) override;
  io::Task<Result<PartitionState>> partition_state(model::PartitionId partition) override;
  std::optional<HeldPromise> held_promise(model::PartitionId partition) const override;
  io::Task<Result<Refusal>> mark_rebuilt(Fence fence) override;
  io::Task<Result<MutateReply>> mutate(MutateRequest request) override;
  io::Task<Result<MutateReply>> install(InstallRequest request) override;
  io::Task<Result<SettleReplies>> settle_all(std::vector<SettleRequest> requests) override;
  io::Task<Result<Refusal>> forget(Fence fence, model::UnitKey unit, Stamp head) override;
  io::Task<Result<ReadReply>> read(ReadRequest request) override;
  io::Task<Result<ScanReply>> scan(ScanRequest request) override;
  io::Task<Result<std::pair<Refusal, UnitState>>> inspect(Fence fence, model::UnitKey unit,
                                                          bool want_parts) override;
  io::Task<Result<std::vector<model::UnitKey>>> pending_units(std::string after,
                                                              std::size_t limit) override;
  io::Task<Result<io::Slice>> read_inline(model::ValueId data_id) override;
  io::Task<Result<std::unique_ptr<ShardReader>>> open_inline(model::ValueId data_id) override;
  io::Task<Result<std::unique_ptr<BlobWriter>>> create_blob(BlobName name) override;
  io::Task<Result<std::unique_ptr<ShardReader>>> open_blob(BlobName name) override;
  io::Task<Result<void>> discard_blob(BlobName name) override;
  io::Task<Result<void>> quarantine(BlobName name, bool is_inline) override;
  io::Task<Result<void>> repair_add(std::vector<model::UnitKey> units) override;
  io::Task<Result<std::vector<model::UnitKey>>> repair_list(std::string after,
                                                            std::size_t limit) override;
  io::Task<Result<void>> repair_remove(std::vector<model::UnitKey> units) override;
  io::Task<Result<Stats>> stats() override;

 private:
  explicit LocalDrive(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  std::shared_ptr<Core> core_;
  bool closed_ = false;
};

}  // namespace cairn::drive
