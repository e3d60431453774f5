// What the parts of one open drive share: its index, files, promises, mirror of pendings, blob
// registry, space and metrics. Lives as long as any call or background task of the drive does.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "drive/blob_registry.h"
#include "drive/data_names.h"
#include "drive/drive.h"
#include "drive/index.h"
#include "drive/mirror.h"
#include "drive/open_blobs.h"
#include "drive/partitions.h"
#include "drive/pending_journal.h"
#include "drive/shard_log.h"
#include "io/file.h"
#include "io/reactor.h"
#include "io/sync.h"

namespace cairn::drive {

class Committer;

// Free space, as last seen less what was written since. Below the reserve the drive takes no more
// data.
class SpaceGauge {
 public:
  void set_reserve(std::uint64_t configured, std::uint64_t total);
  void seen(const io::SpaceInfo& info);
  void wrote(std::uint64_t bytes) { available_.fetch_sub(static_cast<std::int64_t>(bytes)); }
  bool full() const { return available_.load() < static_cast<std::int64_t>(reserve_.load()); }
  std::uint64_t reserve() const { return reserve_.load(); }
  std::uint64_t total() const { return total_.load(); }
  std::uint64_t available() const {
    const auto v = available_.load();
    return v > 0 ? static_cast<std::uint64_t>(v) : 0;
  }
  // True for one caller a second, who should look again.
  bool is_stale(io::Instant now);

 private:
  std::atomic<std::uint64_t> total_{0}, reserve_{0};
  std::atomic<std::int64_t> available_{INT64_MAX};
  std::atomic<std::int64_t> look_again_ns_{INT64_MIN};
};

struct DriveMetrics {
  DriveMetrics(metrics::Registry& registry, const std::string& drive);
  metrics::Counter& syncs;
  metrics::Counter& messages;
  metrics::Counter& bytes;
  metrics::Counter& blob_bytes_written;
  metrics::Counter& blob_bytes_read;
  metrics::Counter& snapshot_reads;
  metrics::Counter& swept;
  metrics::Histogram& batch;
  metrics::Histogram& sync_seconds;
  metrics::Gauge& queue;
  metrics::Gauge& failed;
  metrics::Gauge& full;
  metrics::Gauge& available;
  metrics::Gauge& pending_units;
  metrics::Gauge& repair_entries;
};

// What a drive is made of. `executor`: where its background tasks run; outlives the drive.
struct CoreParts {
  model::DriveId id{};
  std::string path{};
  std::unique_ptr<Index> index{};
  io::FileSystem& files;
  io::BlockingPool& pool;
  metrics::Registry& metrics;
  io::Executor& executor;
  bool own_thread = true;  // the committer has a thread; else it is work posted on `executor`
  std::uint64_t generation =
      0;                    // names temporary files, so that none of an earlier mount is in the way
  std::uint64_t mount = 0;  // random: tells this mount from all others, also from those of copies
  std::uint64_t reserve_bytes = 0;
  std::size_t open_files = 64;  // of shards, that are kept open
  // Inline shards from this size on are written to the shard log: the index would write them twice.
  std::size_t logged_from = kOpenedShardBytes;
  ShardLog::Limits log{};  // but for its open files
  std::function<model::PartitionId(std::string_view lock_key)> partition_of{};
  std::shared_ptr<void> lock{};  // of the directory: let go after everything else
};

class Core : public std::enable_shared_from_this<Core> {
 public:
  explicit Core(CoreParts parts);
  ~Core();
  // Reads promises, pendings and counts from the index, and finishes a wipe that was cut short.
  // Blocking.
  Result<void> load();

  // The drive leaves service (a failed write or sync). Logged once; every later call fails.
  void fail(std::string_view why);
  // Closed as asked: every later call fails, and that is nobody's fault.
  void shut();
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  Error failure() const;

  std::string blob_directory(const BlobName& name) const;
  std::string blob_path(const BlobName& name) const;
  std::string temporary_path(const BlobName& name);

  const std::shared_ptr<void> lock;  // first, so that it goes last
  const model::DriveId id;
  const std::string path;
  const std::uint64_t generation;
  const std::uint64_t mount;
  const std::unique_ptr<Index> index;
  io::FileSystem& files;
  io::BlockingPool& pool;
  io::Executor& executor;
  const std::function<model::PartitionId(std::string_view)> partition_of;

  PendingMirror mirror;
  PendingJournal journal;  // the committer's
  PartitionTable partitions;
  MissingMarks marks;
  BlobRegistry blobs;
  OpenBlobs open_blobs;
  const std::shared_ptr<ShardLog> log;
  const std::size_t logged_from;
  SpaceGauge space;
  DriveMetrics metrics;
  std::atomic<std::int64_t> repair_entries{0};
  std::uint64_t batch_at_open = 0;             // the last synced batch that was found; constant
  std::atomic<std::uint64_t> synced_batch{0};  // the newest one
  io::Gate background;
  std::atomic<bool> stopping{false};
  std::unique_ptr<Committer> committer;

 private:
  Result<void> load_partitions(Reader& reader);
  Result<void> load_batch_number(Reader& reader);
  Result<void> load_pending_units(Reader& reader);
  std::atomic<bool> failed_{false};
  mutable std::mutex why_mutex_;
  std::string why_;
  std::atomic<std::uint64_t> temporaries_{0};
};

}  // namespace cairn::drive
