// The members of every partition as this process sees them: which drive holds which slot, whether
// it answers, and what this leader's messages to it carry.
//
// Threads: Members hands out immutable views of one partition; a view stays valid while it is held,
// also when the map changes meanwhile (drives then refuse what was sent under it). Device and Link
// are shared by all views and are thread-safe. Nothing here waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "drive/drive.h"
#include "io/executor.h"
#include "model/ids.h"
#include "model/profile.h"
#include "model/unit_key.h"
#include "placement/placement.h"
#include "store/acks.h"

namespace cairn::store {

enum class Health : std::uint8_t {
  healthy,
  suspect,  // missed deadlines: written to, but not waited for beyond the quorum; read last
  failed,   // missing, or out of service for good
};

// One drive of this process, under one identity. A drive that comes back gets a new Device.
class Device {
 public:
  // `acks`: of the drive's earlier Device, if it had one.
  Device(model::DriveId id, std::string path, std::shared_ptr<drive::Drive> drive,
         std::string reason, std::shared_ptr<AckRecord> acks = std::make_shared<AckRecord>())
      : id_(id),
        path_(std::move(path)),
        drive_(std::move(drive)),
        reason_(std::move(reason)),
        acks_(std::move(acks)) {}

  model::DriveId id() const { return id_; }
  const std::string& path() const { return path_; }
  const std::string& reason() const { return reason_; }  // why it is missing
  // Null when the drive is missing. Constant; may be out of service (health() tells).
  drive::Drive* drive() const { return drive_.get(); }
  const std::shared_ptr<drive::Drive>& shared() const { return drive_; }

  Health health() const {
    if (!drive_ || drive_->failed()) return Health::failed;
    return missed_.load(std::memory_order_relaxed) >= kMissesUntilSuspect ? Health::suspect
                                                                          : Health::healthy;
  }
  bool usable() const { return health() != Health::failed; }
  const std::shared_ptr<AckRecord>& acks() const { return acks_; }
  void acked(drive::Ack ack) const { acks_->note(ack); }

  // A call answered in time; one answer makes a suspect drive healthy again.
  void answered() const { clear(missed_); }
  // A call passed its deadline. A slow drive is a failing drive.
  void missed() const {
    if (missed_.load(std::memory_order_relaxed) < kMissesUntilSuspect) {
      missed_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  // A change was answered within the straggler deadline, or it was not. A drive that is late again
  // and again answers in the end, so it is no suspect, but writers do not wait for it any more.
  void prompt() const { clear(late_); }
  void late() const {
    if (late_.load(std::memory_order_relaxed) < kMissesUntilSuspect) {
      late_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  bool waited_for() const {
    return health() == Health::healthy &&
           late_.load(std::memory_order_relaxed) < kMissesUntilSuspect;
  }

  // Calls under way; a drive that hangs must not gather unbounded memory. end_call() for each
  // begin_call() that was true.
  bool begin_call() const {
    if (!usable()) return false;
    const auto before = calls_.fetch_add(1, std::memory_order_relaxed);
    if (before < (health() == Health::suspect ? kCallsWhenSuspect : kCallsMax)) return true;
    calls_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void end_call() const { calls_.fetch_sub(1, std::memory_order_relaxed); }
  std::uint64_t calls() const { return calls_.load(std::memory_order_relaxed); }

  // Entries of the repair queue that name units this drive may lack: a hint that makes readers ask
  // others first.
  std::uint64_t backlog() const { return backlog_.load(std::memory_order_relaxed); }
  void set_backlog(std::uint64_t entries) const {
    backlog_.store(entries, std::memory_order_relaxed);
  }
  void add_backlog(std::uint64_t entries) const {
    backlog_.fetch_add(entries, std::memory_order_relaxed);
  }

 private:
  // Written only when it changes: all executors read this object for each call.
  static void clear(std::atomic<unsigned>& count) {
    if (count.load(std::memory_order_relaxed) != 0) count.store(0, std::memory_order_relaxed);
  }
  static constexpr unsigned kMissesUntilSuspect = 3;
  static constexpr std::uint64_t kCallsMax = 16384;
  static constexpr std::uint64_t kCallsWhenSuspect = 64;

  const model::DriveId id_;
  const std::string path_;
  const std::shared_ptr<drive::Drive> drive_;
  const std::string reason_;
  const std::shared_ptr<AckRecord> acks_;
  mutable std::atomic<unsigned> missed_{0};
  mutable std::atomic<unsigned> late_{0};
  mutable std::atomic<std::uint64_t> backlog_{0};
  alignas(64) mutable std::atomic<std::uint64_t> calls_{0};  // written with each call
};

// This leader's connection to one member of one partition within its term (2.5, 5.1).
struct Link {
  // Number carried by messages sent from now on; raised only after the drive promised it.
  std::atomic<std::uint64_t> connection{1};
  // Newest number ever asked for.
  std::atomic<std::uint64_t> next{1};
  // Newest connection on which a message got no answer: what was sent there may still arrive. 0:
  // none.
  std::atomic<std::uint64_t> lost{0};
  // The drive promised this term on `connection`; false: it was away when the partition was fenced.
  std::atomic<bool> promised{false};

  bool clean() const { return promised.load() && lost.load() < connection.load(); }
  void mark_lost(std::uint64_t at) {
    auto seen = lost.load();
    while (seen < at && !lost.compare_exchange_weak(seen, at)) {
    }
  }
};

struct Member {
  unsigned slot = 0;  // = shard index
  model::DriveId id{};
  model::MapEpoch since{};
  bool rebuilding = false;  // never counts for R
  std::shared_ptr<Device>
      device{};                  // never null; device->drive() is null when the drive is missing
  std::shared_ptr<Link> link{};  // never null
};

// One partition under one map and term. Immutable.
struct PartitionView {
  model::PartitionId id{};
  model::MapEpoch epoch{};
  model::Term term{};
  model::ErasureProfile profile{};
  unsigned n = 0, k = 0, w = 0, r = 0, f = 0;
  std::string entry{};            // placement::encode_entry, for promises
  std::vector<Member> members{};  // by slot
  // Former members that still have their shards (8.1): sources without a vote.
  struct Source {
    unsigned slot = 0;
    std::shared_ptr<Device> device{};
  };
  std::vector<Source> sources{};

  const Member& member(unsigned slot) const { return members[slot]; }
  // What a message of the leader to this member carries now.
  drive::Fence fence(unsigned slot) const {
    const Member& m = members[slot];
    return {m.id, id, epoch, term, m.link->connection.load()};
  }
};

class Members {
 public:
  Members() = default;
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  model::PartitionId partition_of(const model::UnitKey& unit) const;
  model::PartitionId partition_of(std::string_view lock_key) const;
  std::size_t partitions() const { return cells_.size(); }
  std::shared_ptr<const PartitionView> view(model::PartitionId partition) const;
  std::shared_ptr<const PartitionView> view_of(const model::UnitKey& unit) const {
    return view(partition_of(unit));
  }
  drive::Fence fence_for(model::PartitionId partition, unsigned slot) const {
    return view(partition)->fence(slot);
  }
  model::ErasureProfile profile() const;

  // The drives of this process, in the order of its slots.
  std::vector<std::shared_ptr<Device>> devices() const;

  // -- for the store's own bookkeeping
  void set_devices(std::vector<std::shared_ptr<Device>> devices);
  // Installs a map under a term; the number of partitions never changes after the first call.
  void publish(const placement::Map& map, std::vector<std::shared_ptr<const PartitionView>> views);

  // The same map and term, with something about a member changed.
  void replace(std::shared_ptr<const PartitionView> view);

 private:
  struct Cell {
    mutable std::mutex mutex;
    std::shared_ptr<const PartitionView> view;
  };
  // Partitions are computed from the number of partitions only, so this map serves every epoch.
  placement::Map hashing_{};
  std::vector<std::unique_ptr<Cell>> cells_{};
  mutable std::mutex mutex_{};
  std::vector<std::shared_ptr<Device>> devices_{};
};

}  // namespace cairn::store
