// The committer: the one place where a drive's index changes. It takes everything that waits,
// checks each message against the state it will be applied to, makes one batch of them, syncs once
// and answers. So every check of a fence, a base or a head holds at the moment of the sync
// (protocol.md 3.4), and many commits share one sync.
//
// Rules
//
//  R1  A unit is changed by at most one message of a batch; later ones wait for the next. Order is
//  kept per unit.
//
//  R2  settle (6.1) and forget (6.3) need no sync of their own, since what is lost of them is found
//  again: they wait a little for a batch that needs one and go with it. One that another message of
//  its unit is behind goes ahead of the batch. Without company they are written unsynced; a sync
//  follows within a second.
//
//  R3  Any other answer goes out after the batch is synced, also a refusal: it may rest on a
//  promise of the same batch.
//
//  R4  A failed write or sync ends the drive. Nothing is retried.
//
//  R5  A blob is unlinked, and a place in the shard log given back, only when, after a sync that
//  covers the loss of its last name, nothing names or pins it (2.6).
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "drive/change.h"
#include "drive/core.h"

namespace cairn::drive {

// A batch in the making.
struct Round {
  Core& core;
  Batch& batch;
  Reader& reader;
  DataChanges& data;
  UnitChanges& units;
  std::vector<model::PartitionId> partitions{};  // whose accepted state is stored in this batch
  std::vector<BlobName> candidates{};            // to look at for unlinking
  std::map<std::string, bool>
      repairs{};  // repair entries that this batch changes: there afterwards?
  bool needs_sync = false;
  // Over records, shared by the works of the round; made when it is first used. To be dropped when
  // something was written meanwhile.
  std::unique_ptr<Cursor> records{};
};

// A message on its way through the committer.
class Work {
 public:
  virtual ~Work() = default;
  virtual std::string_view unit() const {
    return {};
  }  // the unit it reads or changes, if it is one
  // It needs no sync of its own, since losing it does no harm: a settle, or a head forgotten.
  virtual bool may_wait() const { return false; }
  // It gets a batch of its own: it rests on what the index says of data, which other messages of a
  // batch may change unseen, or writes steps of its own.
  virtual bool alone() const { return false; }
  // Rows whose shards go to the shard log before apply(), or null.
  virtual PreparedRows* rows() { return nullptr; }
  // Checks, and adds to the batch. An Error is this message's own; what it added is taken back.
  virtual Result<void> apply(Round& round) = 0;
  // Called before finish(nullptr): what was done is in this batch, or in an earlier one.
  virtual void synced(Ack ack) { static_cast<void>(ack); }
  // Called once: after the batch is synced (nothing), or with why there is no answer.
  virtual void finish(const Error* error) = 0;
};

class Committer {
 public:
  Committer(Core& core, bool own_thread);
  ~Committer();
  void start();
  // Takes in what is queued and ends; nothing may be submitted meanwhile. `abandon`: what is queued
  // is not done.
  void stop(bool abandon);
  // Thread-safe.
  void submit(std::unique_ptr<Work> work);
  void submit(std::vector<std::unique_ptr<Work>> works);

  // For works that must write a step of their own before they go on. Called from apply().
  Result<void> write(Batch& batch, bool sync);
  // Places of the shard log that nothing names once all that was written is synced (R5), whatever
  // becomes of the batch in the making. On the committer's thread.
  void free_after_sync(const std::vector<LogPlace>& places);

 private:
  using Works = std::deque<std::unique_ptr<Work>>;
  struct Wake {
    bool thread = false, post = false, post_late = false;
  };
  void enqueue(std::unique_ptr<Work> work, Wake& wake);  // REQUIRES: the lock, not stopping
  void wake_up(const Wake& wake);
  void run();            // own thread
  void drain();          // everything queued
  bool wait_for_work();  // own thread; false: it is time to end
  void gather();         // own thread
  void settle_round(Works& works);
  void main_round(Works& works);
  Works take_round(Works& works);
  void log_shards(Works& works);
  bool apply(Work& work, Round& round);
  bool commit(Round& round, std::size_t messages);
  void after_sync(std::vector<BlobName> candidates, std::vector<LogPlace> freed);
  void unlink_unnamed(const std::vector<BlobName>& names);
  void end(Works& works, const Error& error);
  void finish(Works& works);
  void schedule_idle_sync();
  void idle_sync();

  Core& core_;
  const bool own_thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Works queue_;
  std::size_t urgent_ = 0;                             // of the queue: all but settles
  std::chrono::steady_clock::time_point settle_by_{};  // if there are settles in the queue
  bool stopping_ = false;
  bool posted_ = false;       // a drain is, at once
  bool posted_late_ = false;  // a drain is, for settles
  bool idle_ = false;         // the thread waits for the first work, whatever it is
  std::size_t wanted_ = 1;    // so many urgent works wake the thread
  std::thread thread_;
  // The committer's own.
  std::size_t batch_size_ = 0;                       // messages of the last synced batch
  std::chrono::steady_clock::duration log_time_{};   // of the last write to the shard log, if any
  std::chrono::steady_clock::duration sync_time_{};  // of the last synced write
  bool unsynced_ = false;
  bool idle_sync_posted_ = false;
  std::chrono::steady_clock::time_point sync_by_{};
  std::vector<BlobName> held_back_;         // candidates whose batch is not synced yet
  std::vector<LogPlace> held_back_places_;  // likewise
};

// Tells the mirror what a written batch changed.
void publish(PendingMirror& mirror, std::vector<PendingsChange>& changes);

// Removes the files of blobs, each begun with BlobRegistry::begin_remove.
void spawn_removal(std::shared_ptr<Core> core, std::vector<BlobName> names);

// Gives back what of the shard log could not be given back when it was released.
void spawn_give_back(std::shared_ptr<Core> core);
// Gives places of the shard log back.
void spawn_release(std::shared_ptr<Core> core, std::vector<LogPlace> places);

}  // namespace cairn::drive
