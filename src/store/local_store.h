// The store of one process: leader of all partitions of its map.
#pragma once

#include <memory>
#include <vector>

#include "base/metrics.h"
#include "control/control.h"
#include "drive/drive.h"
#include "io/memory.h"
#include "io/reactor.h"
#include "io/world.h"
#include "placement/placement.h"
#include "store/store.h"

namespace cairn::store {

struct Options {
  std::size_t inline_max_bytes = 1024 * 1024;  // of object
  std::size_t opened_shard_bytes = drive::kOpenedShardBytes;
  std::uint32_t chunk_bytes = 64 * 1024;                  // erasure chunk of large objects
  io::Duration call_deadline = std::chrono::seconds(10);  // of one drive call
  io::Duration straggler_deadline =
      std::chrono::milliseconds(500);  // after W holders, wait this long for the rest
  std::size_t cache_units = 100'000;   // settled units kept in memory by the leader
};

struct Parts {
  control::Store& control;
  io::MemoryBudget& memory;
  io::Clock& clock;
  io::Random& random;
  metrics::Registry& metrics;
};

// A member of the cluster as this process sees it.
struct DriveSlot {
  model::DriveId id{};
  std::string path{};
  std::shared_ptr<drive::Drive> drive{};  // null: missing
  std::string reason{};                   // why it is missing
};

// Takes leadership of all partitions (7.1, 7.2): fences, then serves; resolves what pending indexes
// name in the background. unavailable, naming the drives, when the fence quorum of some partition
// is not there.
class LocalStore : public Store {
 public:
  // Background work that the services of `background` call.
  // Repairs one unit: every reachable member gets the settled state and its shards. Returns true
  // when it is whole on all N members, read back; false when some member is away.
  virtual io::Task<Result<bool>> repair(model::UnitKey unit) = 0;
  // As repair(), for one member: true when that member has the settled state and all its shards,
  // read back, whoever else is away. For rebuilding a drive while another is missing.
  virtual io::Task<Result<bool>> repair_member(model::UnitKey unit, model::DriveId member) {
    static_cast<void>(member);
    return repair(std::move(unit));
  }
  // Reads and verifies everything this unit has on all members; repairs what is damaged. Bytes read
  // are counted.
  struct Verified {
    std::uint64_t bytes = 0;
    std::uint64_t damaged_shards = 0;
    bool whole = false;
  };
  virtual io::Task<Result<Verified>> verify(model::UnitKey unit) = 0;
  // Puts a (new, empty or returned) drive into service for `slot`: replaces the member in the map
  // if the id differs. Success: the drive is in its slot, for good; where too few members answer to
  // lead the partitions anew, they are led as soon as enough do. stale_term: another process leads.
  // wrong_drive: the drive lost what it had acknowledged (7.4), and only an empty one may take its
  // place.
  virtual io::Task<Result<void>> attach(std::size_t slot, std::shared_ptr<drive::Drive> drive) = 0;
  // Lets go of a drive that left service: nothing new is asked of it, and its object goes when the
  // calls under way have ended, so that its directory can be opened again. invalid_argument while
  // it is in service.
  virtual io::Task<Result<void>> detach(std::size_t slot, std::string reason) {
    static_cast<void>(slot);
    static_cast<void>(reason);
    co_return Result<void>{};
  }
  // The newest synced batch of which the drive in this slot ever gave an ack to this process,
  // whether it is in service now or not; zero: of none (7.4).
  virtual std::uint64_t acked_batch(std::size_t slot) const {
    static_cast<void>(slot);
    return 0;
  }
  // The members beside the drive in this slot, where they are fewest: in service, and of those the
  // ones that are not rebuilding. What can be done without that drive depends on them (7.6, 8.2).
  struct Others {
    std::size_t in_service = 0, voters = 0;
  };
  virtual Others others(std::size_t slot) const {
    static_cast<void>(slot);
    return {SIZE_MAX, SIZE_MAX};
  }
  // Partitions of which a member is rebuilding, and the end of rebuilding one (8.4).
  virtual std::vector<std::pair<model::PartitionId, model::DriveId>> rebuilding() const = 0;
  virtual io::Task<Result<void>> finish_rebuild(model::PartitionId partition,
                                                model::DriveId drive) = 0;
  virtual io::Task<Result<std::vector<model::UnitKey>>> repair_queue(std::size_t limit) = 0;
  virtual const placement::Map& map() const = 0;
  // Another process took over (7.3): this one never leads again. What a quorum of drives answers
  // alike can still be read; everything else is refused with stale_term. Only a store opened anew
  // can lead.
  virtual bool deposed() const { return false; }
  virtual io::Task<void> stop() = 0;
};
io::Task<Result<std::unique_ptr<LocalStore>>> open_local_store(Parts parts, Options options,
                                                               placement::Map map,
                                                               std::vector<DriveSlot> slots);

}  // namespace cairn::store
