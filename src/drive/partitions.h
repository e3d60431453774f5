// What a drive promised, per partition (protocol.md 2.1), and whether a message may pass (3.4, 7.3,
// 8).
//
// Two states per partition: `accepted`, which is raised the moment the committer takes a message
// in, and the durable one, which follows when the batch is synced and which is what readers and
// leaders are told. So nothing older slips in behind a promise that is being synced, and nothing is
// reported that a crash could take back. Thread-safe; only the committer changes it.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "drive/drive.h"
#include "drive/layout.h"

namespace cairn::drive {

// Members of the first map start complete; whoever joins under a later one starts empty, rebuilding
// (8.1).
inline constexpr model::MapEpoch kFirstMapEpoch{1};

class PartitionTable {
 public:
  void load(const StoredPartition& stored);

  // The durable state, as told to others; all zero where nothing was ever promised.
  PartitionState state(model::PartitionId partition) const;
  Drive::HeldPromise held(model::PartitionId partition) const;
  model::MapEpoch newest_epoch() const { return model::MapEpoch{newest_epoch_.load()}; }

  // Whether `fence` is exactly what was promised, durably and with nothing newer being synced.
  bool is_current(const Fence& fence) const;

  struct Admission {
    Refusal refusal = Refusal::none;
    PartitionState state{};  // with a refusal: as accepted
    bool raised = false;     // the promise rose: store it in the same batch
  };
  // Checks a message and takes its term and connection in (3.4). `raise`: a newer term becomes the
  // promise; else it passes and leaves the promise alone (settle: it states a fact).
  Admission admit(const Fence& fence, bool raise);

  struct Promised {
    Refusal refusal = Refusal::none;
    std::vector<model::PartitionId> changed{};
    std::vector<model::PartitionId> wipe{};  // `since` differs (8.3): what they have must go
  };
  Promised promise(const PromiseRequest& request);
  // Ends wiping or rebuilding of a partition.
  void set_wiped(model::PartitionId partition);
  void set_rebuilt(model::PartitionId partition);

  StoredPartition accepted(model::PartitionId partition) const;
  // The accepted state was synced.
  void publish(model::PartitionId partition);
  std::vector<model::PartitionId> wiping() const;

 private:
  struct Slot {
    StoredPartition durable{}, accepted{};
    std::uint64_t connection = 0;  // newest of the accepted term
  };
  struct alignas(64) Stripe {
    mutable std::mutex mutex;
    std::unordered_map<std::uint32_t, Slot> slots;
  };
  Stripe& stripe(model::PartitionId partition) const {
    return stripes_[partition.value % stripes_.size()];
  }
  Refusal check_promise(const PromiseRequest& request, const PromiseRequest::Entry& entry) const;
  void raise_epoch(model::MapEpoch epoch);
  mutable std::array<Stripe, 32> stripes_;
  std::atomic<std::uint64_t> newest_epoch_{0};
};

}  // namespace cairn::drive
