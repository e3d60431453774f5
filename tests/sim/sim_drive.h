// One drive of the simulation: a disk that outlives processes and knows what a power cut loses, and
// the real LocalDrive over it while it is mounted. Below the drive: files and an index that fail or
// lie when told to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "drive/local_drive_impl.h"
#include "drive/testing/memory_index.h"
#include "io/testing/faulty.h"
#include "io/testing/power_cut.h"
#include "io/world.h"

namespace cairn::sim {

// Chances drawn from one seeded source.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(io::seeded_random(seed)) {}
  std::uint64_t below(std::uint64_t n) { return random_->next_u64() % n; }
  bool chance(unsigned of_1000) { return of_1000 != 0 && below(1000) < of_1000; }
  io::Random& random() { return *random_; }
  const std::shared_ptr<io::Random>& shared() const { return random_; }

 private:
  std::shared_ptr<io::Random> random_;
};

// What one drive knows of one unit, read from its index directly.
struct DriveUnit {
  struct PendingInfo {
    model::Stamp stamp{};
    model::ValueId value{};
    bool empties = false;  // the unit has no rows after it
  };
  std::optional<model::Stamp> settled_head{};
  std::vector<std::string> rows{};  // order, stamp and record of each, newest first
  std::vector<PendingInfo> pendings{};
  bool known() const { return settled_head || !pendings.empty(); }
};

// Where a simulated drive is built; all of it outlives the drive.
struct DriveParts {
  io::Executor& executor;
  io::BlockingPool& pool;
  metrics::Registry& metrics;
  Dice& dice;
  bool ignore_syncs = false;  // a planted mistake: the index says it synced and did not
};

class SimDrive {
 public:
  SimDrive(DriveParts parts, model::DriveId id, std::string path)
      : id(id), path(std::move(path)), parts_(parts) {}

  const model::DriveId id;
  const std::string path;

  // Makes the empty directory a drive.
  io::Task<Result<void>> format(model::ErasureProfile profile);
  // REQUIRES: down, not destroyed.
  io::Task<Result<void>> mount();
  bool up() const { return drive_ != nullptr && !drive_->failed(); }
  bool mounted() const { return drive_ != nullptr; }
  const std::shared_ptr<drive::LocalDrive>& drive() const { return drive_; }
  // The process that has it mounted is gone, or, with `power`, the machine: what was not synced is
  // kept or lost by chance.
  void kill(bool power);
  // What the disk holds for sure. REQUIRES: down since a power cut.
  struct Copy {
    drive::testing::IndexDisk::Tables tables{};
    std::shared_ptr<const io::testing::PowerCutFileSystem::Image> files{};
    std::uint64_t last_batch = 0;
  };
  Copy copy() const;
  // An old copy of the disk stands in its place. REQUIRES: down.
  void put_back(const Copy& copy);
  // Gone for good.
  void destroy();
  bool destroyed() const { return destroyed_; }
  bool is_old_copy() const { return is_old_copy_; }
  unsigned kills() const { return kills_; }

  // Reads of data come back wrong with this chance (of 1000).
  void lie(unsigned chance) { state_->lying = chance; }
  // File operations fail with this chance; the first that fails ends the drive until it is mounted
  // again.
  void fail_files(unsigned chance) { state_->failing = chance; }
  void fail_index(std::uint64_t after) { index_.fail_after(static_cast<std::int64_t>(after)); }
  void heal() {
    state_->lying = state_->failing = 0;
    index_.fail_after(-1);
  }

  DriveUnit look(const model::UnitKey& unit);
  // Shards that rows name and that are marked as missing here.
  std::size_t missing_marks() const;
  std::string describe_missing() const;
  std::size_t pending_keys() const;
  // Assertion 9, on the disk as it lies: every blob that is named and not marked missing is there
  // and sound, or was put aside as damaged; nothing if so. REQUIRES: not lying, no process writes
  // meanwhile.
  io::Task<std::optional<std::string>> check_names();

 private:
  friend class SimIndex;
  struct State {
    unsigned lying = 0, failing = 0;
  };
  // One process's view of the disk; dead ones change nothing any more.
  struct Mount {
    bool dead = false;
    std::unique_ptr<io::testing::FaultyFileSystem> files;
  };
  io::testing::Fault inject(const Mount& mount, io::testing::FileOp op, const std::string& file);

  DriveParts parts_;
  drive::testing::IndexDisk index_{};
  io::testing::PowerCutFileSystem files_{};
  std::shared_ptr<State> state_ = std::make_shared<State>();
  std::vector<std::shared_ptr<Mount>> mounts_{};
  std::shared_ptr<drive::LocalDrive> drive_{};
  bool destroyed_ = false, is_old_copy_ = false;
  unsigned kills_ = 0;
};

}  // namespace cairn::sim
