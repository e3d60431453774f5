#include "drive/core.h"

#include "base/log.h"
#include "drive/blob_format.h"
#include "drive/committer.h"
#include "drive/unit.h"
#include "drive/wipe.h"

namespace cairn::drive {
namespace {

constexpr std::uint64_t kMostReserve = 1ull << 30;

Result<std::int64_t> count_keys(Reader& reader, Family family) {
  std::int64_t count = 0;
  auto cursor = reader.cursor(family, Walk::all);
  for (cursor->seek({}); cursor->valid(); cursor->next()) ++count;
  CAIRN_TRY(cursor->status());
  return count;
}

}  // namespace

void SpaceGauge::set_reserve(std::uint64_t configured, std::uint64_t total) {
  reserve_ = configured != 0 ? configured : std::min(total / 100, kMostReserve);
}

void SpaceGauge::seen(const io::SpaceInfo& info) {
  total_ = info.total_bytes;
  available_ = static_cast<std::int64_t>(std::min<std::uint64_t>(info.available_bytes, INT64_MAX));
}

bool SpaceGauge::is_stale(io::Instant now) {
  const std::int64_t now_ns = now.time_since_epoch().count();
  auto due = look_again_ns_.load();
  return now_ns >= due && look_again_ns_.compare_exchange_strong(due, now_ns + 1'000'000'000);
}

DriveMetrics::DriveMetrics(metrics::Registry& r, const std::string& drive)
    : syncs(r.counter("cairn_drive_syncs_total", "Syncs of the drive's log.", {{"drive", drive}})),
      messages(r.counter("cairn_drive_messages_total", "Messages the committer took in.",
                         {{"drive", drive}})),
      bytes(r.counter("cairn_drive_index_bytes_total", "Bytes written to the drive's index.",
                      {{"drive", drive}})),
      blob_bytes_written(r.counter("cairn_drive_blob_written_bytes_total",
                                   "Bytes of shards written to blob files.", {{"drive", drive}})),
      blob_bytes_read(r.counter("cairn_drive_blob_read_bytes_total",
                                "Bytes of shards read from blob files.", {{"drive", drive}})),
      snapshot_reads(r.counter("cairn_drive_snapshot_reads_total",
                               "Reads of units that were changing, done over a snapshot.",
                               {{"drive", drive}})),
      swept(r.counter("cairn_drive_swept_blobs_total",
                      "Blob files removed because nothing named them.", {{"drive", drive}})),
      batch(r.histogram("cairn_drive_commit_batch", "Messages per synced batch.",
                        {1, 2, 4, 8, 16, 32, 64, 128, 256, 512}, {{"drive", drive}})),
      sync_seconds(r.histogram("cairn_drive_sync_seconds", "Time of a synced write of the index.",
                               metrics::latency_bounds(), {{"drive", drive}})),
      queue(r.gauge("cairn_drive_commit_queue", "Messages waiting for the committer.",
                    {{"drive", drive}})),
      failed(r.gauge("cairn_drive_failed", "1 when the drive left service.", {{"drive", drive}})),
      full(r.gauge("cairn_drive_full", "1 when the drive takes no more data.", {{"drive", drive}})),
      available(
          r.gauge("cairn_drive_available_bytes", "Free space of the drive.", {{"drive", drive}})),
      pending_units(r.gauge("cairn_drive_pending_units", "Units with pending mutations.",
                            {{"drive", drive}})),
      repair_entries(r.gauge("cairn_drive_repair_entries", "Entries of the repair queue.",
                             {{"drive", drive}})) {}

Core::Core(CoreParts parts)
    : lock(std::move(parts.lock)),
      id(parts.id),
      path(std::move(parts.path)),
      generation(parts.generation),
      mount(parts.mount),
      index(std::move(parts.index)),
      files(parts.files),
      pool(parts.pool),
      executor(parts.executor),
      partition_of(std::move(parts.partition_of)),
      open_blobs({.files = parts.open_files}),
      log(std::make_shared<ShardLog>(
          files, path + "/log",
          ShardLog::Limits{.segment_bytes = parts.log.segment_bytes,
                           .give_back_bytes = parts.log.give_back_bytes,
                           .open_files = std::max<std::size_t>(parts.open_files / 4, 2)})),
      logged_from(parts.logged_from),
      metrics(parts.metrics, id.hex()),
      committer(std::make_unique<Committer>(*this, parts.own_thread)) {
  space.set_reserve(parts.reserve_bytes, 0);
}

Core::~Core() = default;

Result<void> Core::load() {
  auto reader = index->snapshot();
  CAIRN_TRY(load_batch_number(*reader));
  CAIRN_TRY(load_partitions(*reader));
  CAIRN_TRY(load_pending_units(*reader));
  CAIRN_ASSIGN(const std::int64_t missing, count_keys(*reader, Family::missing));
  marks.set(missing);
  CAIRN_ASSIGN(repair_entries, count_keys(*reader, Family::repair));
  metrics.repair_entries.set(static_cast<double>(repair_entries.load()));
  reader.reset();
  if (const auto partitions_left = partitions.wiping(); !partitions_left.empty())
    CAIRN_TRY(wipe_partitions(*this, partitions_left));
  return {};
}

Result<void> Core::load_partitions(Reader& reader) {
  auto cursor = reader.cursor(Family::state, Walk::all);
  for (cursor->seek("p"); cursor->valid() && cursor->key().starts_with('p'); cursor->next()) {
    CAIRN_ASSIGN(const StoredPartition stored, decode_partition(cursor->key(), cursor->value()));
    partitions.load(stored);
  }
  return cursor->status();
}

Result<void> Core::load_batch_number(Reader& reader) {
  std::string value;
  CAIRN_ASSIGN(const bool there, reader.get(Family::state, kBatchKey, value));
  if (!there) return {};
  CAIRN_ASSIGN(batch_at_open, decode_batch_number(value));
  synced_batch = batch_at_open;
  return {};
}

Result<void> Core::load_pending_units(Reader& reader) {
  CAIRN_ASSIGN(const PendingUnits units, journal.load(reader));
  for (const auto& [unit, pendings] : units)
    mirror.publish(unit, std::make_shared<const Pendings>(pendings));
  metrics.pending_units.set(static_cast<double>(mirror.units()));
  return {};
}

void Core::fail(std::string_view why) {
  {
    std::lock_guard guard(why_mutex_);
    if (failed_.load()) return;
    why_ = why;
    failed_.store(true, std::memory_order_release);
  }
  metrics.failed.set(1);
  log::error("a drive leaves service", {{"path", path}, {"drive", id.hex()}, {"reason", why}});
}

void Core::shut() {
  std::lock_guard guard(why_mutex_);
  failed_.store(true, std::memory_order_release);
}

Error Core::failure() const {
  std::lock_guard guard(why_mutex_);
  return Error{Code::drive_failed,
               why_.empty() ? "the drive is closed" : "the drive left service: " + why_};
}

std::string Core::blob_directory(const BlobName& name) const {
  return path + "/blobs/" + name.data_id.hex().substr(30);
}

std::string Core::blob_path(const BlobName& name) const {
  return blob_directory(name) + "/" + blob_file_name(name);
}

std::string Core::temporary_path(const BlobName& name) {
  return path + "/tmp/" + blob_file_name(name) + "." + std::to_string(generation) + "-" +
         std::to_string(temporaries_.fetch_add(1));
}

}  // namespace cairn::drive
