// The buckets: durable in the control store under "bucket/NAME" (docs/format/bucket.md), cached
// here and kept fresh by watch, so that no request waits for the control store.
//
// Threads: all calls from any thread. Lookups touch only what belongs to the calling thread's slot:
// no lock and no counter that two reactors fight for.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "control/control.h"
#include "io/sync.h"
#include "io/task.h"
#include "io/world.h"
#include "object/object.h"
#include "store/store.h"

namespace cairn::object {

std::string encode_bucket(const BucketInfo& info, std::string_view unknown);
struct StoredBucket {
  BucketInfo info{};
  std::string unknown{};  // fields of a newer version, kept
};
Result<StoredBucket> decode_bucket(std::string_view name, std::string_view bytes);  // corrupt

Error no_such_bucket(const std::string& name);
Error bucket_busy();  // its deletion is being decided

// Mutations in flight in one bucket. Deleting a bucket closes it and waits until nothing is inside.
class InFlight {
 public:
  class [[nodiscard]] Pass {
   public:
    Pass() = default;
    Pass(InFlight* in, unsigned slot) : in_(in), slot_(slot) {}
    Pass(Pass&& o) noexcept : in_(std::exchange(o.in_, nullptr)), slot_(o.slot_) {}
    Pass& operator=(Pass&& o) noexcept {
      if (this != &o) {
        leave();
        in_ = std::exchange(o.in_, nullptr);
        slot_ = o.slot_;
      }
      return *this;
    }
    ~Pass() { leave(); }

   private:
    void leave() {
      if (InFlight* in = std::exchange(in_, nullptr)) in->inside_[slot_].count.fetch_sub(1);
    }
    InFlight* in_ = nullptr;
    unsigned slot_ = 0;
  };

  std::optional<Pass> enter(unsigned slot);
  void set_open(bool open) { open_.store(open); }
  // Nobody is inside. Stays so only while it is closed.
  bool empty() const;

 private:
  static constexpr unsigned kSlots = 16;
  struct alignas(64) Counter {
    std::atomic<std::uint64_t> count{0};
  };
  std::array<Counter, kSlots> inside_{};
  std::atomic<bool> open_{true};
};

// What a request needs to know of its bucket.
struct BucketView {
  model::BucketId id{};
  Versioning versioning = Versioning::unversioned;
  bool versioned() const { return versioning != Versioning::unversioned; }
  // Whether the answer to a write names the version: not while versioning is suspended, as AWS.
  bool shows(const model::VersionId& written) const { return versioned() && !written.null; }
};

class Buckets {
 public:
  struct Options {
    std::size_t max_buckets = 10'000;
    io::Duration drain_deadline =
        std::chrono::seconds(30);  // of mutations in flight in a bucket to be deleted
    io::Duration watch_deadline = std::chrono::seconds(10);  // of our own change to come back
  };
  Buckets(store::Store& store, control::Store& control, io::Clock& clock, io::Random& random,
          Options options);
  ~Buckets();

  // Starts the watch and loads what is there. REQUIRES: called once, before everything else.
  io::Task<Result<void>> load();

  // no_such_bucket.
  Result<BucketView> find(const BucketName& name) const;
  Result<BucketInfo> info(const BucketName& name) const;
  // Lets a mutation into the bucket that `id` names: nothing may be committed without a pass. The
  // view is the bucket's state now. no_such_bucket when it is gone; operation_aborted while it is
  // being deleted.
  struct Entered {
    InFlight::Pass pass;
    BucketView view;
  };
  Result<Entered> enter(const BucketName& name, model::BucketId id) const;
  ListBucketsPage list(const ListBucketsRequest& request) const;

  io::Task<Result<BucketInfo>> create(BucketName name, std::string region, Tags tags);
  io::Task<Result<void>> remove(BucketName name);
  using Change = std::function<void(BucketInfo&)>;
  io::Task<Result<void>> change(BucketName name, Change change);
  // The ids of all buckets there are, from the control store itself.
  io::Task<Result<std::vector<model::BucketId>>> ids();

 private:
  struct Bucket {
    BucketInfo info{};
    std::uint64_t mod_revision = 0;
    std::shared_ptr<InFlight> in_flight{};
  };
  static constexpr std::size_t kShards = 256;
  static constexpr unsigned kSlots = 64;
  using Shard = std::unordered_map<std::string, std::shared_ptr<const Bucket>>;
  struct Snapshot {
    std::array<std::shared_ptr<const Shard>, kShards> shards{};
    std::size_t count = 0;
  };
  // A thread's own door to the snapshot: its mutex is only contended while a new snapshot is
  // published.
  struct alignas(64) Slot {
    mutable std::mutex mutex;
    std::shared_ptr<const Snapshot> snapshot;
  };
  struct Event {
    std::string key;
    std::optional<control::Entry> entry;
  };

  static unsigned my_slot();
  static const Bucket* find_in(const Snapshot& snapshot, const std::string& name);
  std::shared_ptr<const Snapshot> snapshot() const;
  void on_change(const std::string& key, const std::optional<control::Entry>& entry);
  void apply(const std::string& key, const std::optional<control::Entry>& entry);
  void publish(std::shared_ptr<const Snapshot> next);
  void bury(std::shared_ptr<InFlight> in_flight);

  io::AsyncMutex& lock_of(const std::string& name) {
    return locks_[std::hash<std::string>{}(name) % locks_.size()];
  }
  io::Task<Result<void>> wait_for(std::string name, std::uint64_t revision);
  io::Task<Result<void>> wait_gone(std::string name, model::BucketId id);
  io::Task<Result<control::Entry>> read(std::string name);
  io::Task<Result<void>> drained(std::string name, model::BucketId id);
  io::Task<Result<void>> prove_empty(model::BucketId id);
  io::Task<void> take_back(std::string name, StoredBucket bucket, std::uint64_t revision);

  store::Store& store_;
  control::Store& control_;
  io::Clock& clock_;
  io::Random& random_;
  const Options options_;
  std::array<Slot, kSlots> slots_;
  std::array<io::AsyncMutex, 64> locks_;  // changes of one bucket by this process, one at a time

  std::mutex apply_mutex_;  // guards what follows; order of changes
  std::shared_ptr<const Snapshot> current_;
  bool loaded_ = false;
  std::vector<Event> early_;                          // changes seen before the load was applied
  std::vector<std::shared_ptr<InFlight>> graveyard_;  // of removed buckets, until nobody is inside
  std::unique_ptr<control::Store::Watch> watch_;  // destroyed first: no change arrives afterwards
};

}  // namespace cairn::object
