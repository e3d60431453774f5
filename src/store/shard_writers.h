// The N blobs of one data id while they are written: a queue and a coroutine for each, so that a
// slow member holds up nobody until the others have waited long enough for it.
//
// Threads: one executor. Lifetime: held by shared_ptr; calls to drives that outlive the writer keep
// it, and clean up behind themselves: without a verdict of commit(), blobs go.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/sync.h"
#include "store/data_path.h"
#include "store/stripe_encoder.h"

namespace cairn::store {

class ShardWriters : public std::enable_shared_from_this<ShardWriters> {
 public:
  ShardWriters(std::shared_ptr<const PartitionView> view, model::ValueId value,
               const DataOptions& options);

  // Creates the blobs. Does not wait.
  void start();
  // Queues a batch for all members still in. Does not wait.
  void append(std::shared_ptr<const ShardBatch> batch);
  // Waits until all members still in have written all but the last `ahead` batches; members that
  // are late leave. Fewer than W left: no_space where full drives are to blame, else unavailable.
  io::Task<Result<void>> wait(std::uint64_t ahead);
  // Ends all blobs: on W of them the data is synced and durable by name when it returns.
  io::Task<Result<void>> finish();
  // Leaves the blobs to the commit, or discards them. One of the two is called before the last use.
  void keep() { verdict(Item::Kind::keep); }
  void discard() { verdict(Item::Kind::discard); }

 private:
  struct Item {
    enum class Kind : std::uint8_t { batch, finish, keep, discard };
    Kind kind = Kind::discard;
    std::shared_ptr<const ShardBatch> batch{};
  };
  struct Slot {
    bool in = true;          // counts; once false it never counts again
    std::uint64_t done = 0;  // items that are written
    io::Instant since{};     // of the oldest item not done
    bool suspect = false;
    std::optional<Code> error{};
    io::Mailbox<Item> inbox{};
  };

  static io::Task<void> run(std::shared_ptr<ShardWriters> self, unsigned index);
  io::Task<Result<std::unique_ptr<drive::BlobWriter>>> create(unsigned index);
  void queue(Item item);
  void done(unsigned index);
  void drop(unsigned index, Code why);
  void verdict(Item::Kind kind);
  unsigned members_in() const;
  io::Task<Result<void>> wait_for(std::uint64_t target, bool ending);
  Error too_few() const;

  std::shared_ptr<const PartitionView> view_;
  model::ValueId value_;
  DataOptions options_;
  std::vector<Slot> slots_;
  std::uint64_t queued_ = 0;
  bool decided_ = false;
  io::Mailbox<bool> events_;  // a slot went on, or out
};

}  // namespace cairn::store
