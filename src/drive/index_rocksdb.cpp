// The index over RocksDB. What is set below and why: docs/format/drive.md, "Index".
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/experimental.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/perf_context.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>
#include <rocksdb/write_batch.h>

#include "base/assert.h"
#include "base/log.h"
#include "drive/index.h"
#include "drive/layout.h"
#include "drive/wal_check.h"

namespace cairn::drive {
namespace {

namespace rdb = rocksdb;

constexpr const char* kFamilyNames[kFamilies] = {"records", "pending", "inline", "parts", "refs",
                                                 "missing", "state",   "repair", "logged"};

std::size_t at(Family family) {
  return static_cast<std::size_t>(family);
}
rdb::Slice slice(std::string_view s) {
  return {s.data(), s.size()};
}
std::string_view view(const rdb::Slice& s) {
  return {s.data(), s.size()};
}

Error error_of(const rdb::Status& status) {
  const std::string text = "index: " + status.ToString();
  if (status.IsNoSpace()) return Error{Code::no_space, text};
  if (status.IsCorruption()) return Error{Code::corrupt, text};
  if (status.IsIncomplete()) return Error{Code::unavailable, {}};
  return Error{Code::io_error, text};
}

// The unit key of records and pendings, so that filters know which units there are.
class UnitPrefix final : public rdb::SliceTransform {
 public:
  const char* Name() const override { return "cairn.UnitPrefix"; }
  rdb::Slice Transform(const rdb::Slice& key) const override {
    return {key.data(), unit_key_length(view(key))};
  }
  bool InDomain(const rdb::Slice& key) const override { return unit_key_length(view(key)) != 0; }
};

class RocksBatch final : public Batch {
 public:
  explicit RocksBatch(const std::array<rdb::ColumnFamilyHandle*, kFamilies>& families)
      : families_(families) {}
  void put(Family family, std::string_view key,
           std::initializer_list<std::string_view> value) override {
    const rdb::Slice k = slice(key);
    std::array<rdb::Slice, 4> pieces;
    CAIRN_ASSERT(value.size() <= pieces.size());
    std::size_t n = 0;
    for (const auto& piece : value) pieces[n++] = slice(piece);
    check(batch_.Put(families_[at(family)], rdb::SliceParts(&k, 1),
                     rdb::SliceParts(pieces.data(), static_cast<int>(n))));
  }
  void remove(Family family, std::string_view key) override {
    check(batch_.Delete(families_[at(family)], slice(key)));
  }
  void remove_once(Family family, std::string_view key) override {
    check(batch_.SingleDelete(families_[at(family)], slice(key)));
  }
  bool empty() const override { return batch_.Count() == 0; }
  std::size_t bytes() const override { return batch_.GetDataSize(); }
  void clear() override {
    batch_.Clear();
    saved_ = false;
  }
  void save() override {
    if (saved_) check(batch_.PopSavePoint());
    batch_.SetSavePoint();
    saved_ = true;
  }
  void rollback() override {
    CAIRN_ASSERT(saved_);
    check(batch_.RollbackToSavePoint());
    saved_ = false;
  }
  rdb::WriteBatch& native() { return batch_; }

 private:
  static void check(const rdb::Status& status) { CAIRN_ASSERT(status.ok()); }  // memory only
  const std::array<rdb::ColumnFamilyHandle*, kFamilies>& families_;
  rdb::WriteBatch batch_;
  bool saved_ = false;
};

// The open database; slices that were lent keep it alive.
struct Rocks {
  rdb::DB* db = nullptr;
  std::vector<rdb::ColumnFamilyHandle*> handles;
  std::array<rdb::ColumnFamilyHandle*, kFamilies> families{};
  std::array<std::atomic<std::int64_t>, kFamilies> tidied_ms{};     // steady clock
  std::array<std::atomic<std::uint64_t>, kFamilies> passed_over{};  // removed entries, since then
  void tidy(Family family, std::uint64_t passed, const std::string& first, const std::string& last);
  ~Rocks() {
    if (db == nullptr) return;
    rdb::CancelAllBackgroundWork(db, true);
    for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
    db->Close();
    delete db;
  }
};

// A walk went over `passed` entries that are removed. When walks have together gone over about as
// many as it costs to be rid of them, the entries go to files and out of them. Asks for it, does
// not wait.
void Rocks::tidy(Family family, std::uint64_t passed, const std::string& first,
                 const std::string& last) {
  using namespace std::chrono;
  constexpr std::uint64_t kEnough = 100'000;
  constexpr std::int64_t kEveryMs = 2000;
  constexpr std::uint64_t kRemovedInMemory = 2000;
  const std::uint64_t sum = passed_over[at(family)].fetch_add(passed) + passed;
  if (sum < kEnough) return;
  const std::int64_t now =
      duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
  std::int64_t before = tidied_ms[at(family)].load();
  if (now - before < kEveryMs || !tidied_ms[at(family)].compare_exchange_strong(before, now))
    return;
  passed_over[at(family)].store(0);
  auto* const handle = families[at(family)];
  std::uint64_t removed = 0;
  if (db->GetIntProperty(handle, rdb::DB::Properties::kNumDeletesActiveMemTable, &removed) &&
      removed > kRemovedInMemory) {
    rdb::FlushOptions options;
    options.wait = false;
    options.allow_write_stall = true;
    db->Flush(options, handle).PermitUncheckedError();  // a write meets what is wrong, too
  }
  const rdb::Slice begin = slice(first), end = slice(last);
  rdb::experimental::SuggestCompactRange(db, handle, &begin, last.empty() ? nullptr : &end)
      .PermitUncheckedError();
}

class RocksCursor final : public Cursor {
 public:
  // Options refer to `end`, so it lives here.
  RocksCursor(std::shared_ptr<Rocks> rocks, Family family, rdb::ReadOptions options,
              std::string_view end)
      : rocks_(std::move(rocks)), family_(family), end_(end), end_slice_(end_) {
    if (!end_.empty()) options.iterate_upper_bound = &end_slice_;
    if (options.total_order_seek) {
      level_ = rdb::GetPerfLevel();
      rdb::SetPerfLevel(std::max(level_, rdb::PerfLevel::kEnableCount));
      removed_before_ = rdb::get_perf_context()->internal_delete_skipped_count;
    }
    counts_ = options.total_order_seek;
    it_.reset(rocks_->db->NewIterator(options, rocks_->families[at(family)]));
  }
  // On the thread that made it, as the counts are that thread's.
  ~RocksCursor() override {
    if (!counts_) return;
    auto& removed = rdb::get_perf_context()->internal_delete_skipped_count;
    const std::uint64_t skipped = removed - removed_before_;
    removed = removed_before_;  // a cursor around this one counts its own
    rdb::SetPerfLevel(level_);
    constexpr std::uint64_t kSome = 100;
    if (skipped < kSome) return;
    const std::string last = it_->Valid() ? it_->key().ToString() : end_;
    it_.reset();
    rocks_->tidy(family_, skipped, first_, last);
  }
  void seek(std::string_view key) override {
    if (counts_ && !sought_) first_ = key;
    sought_ = true;
    it_->Seek(slice(key));
  }
  void next() override { it_->Next(); }
  bool valid() const override { return it_->Valid(); }
  std::string_view key() const override { return view(it_->key()); }
  std::string_view value() const override { return view(it_->value()); }
  Result<void> status() const override {
    if (!it_->status().ok()) return error_of(it_->status());
    return {};
  }

 private:
  const std::shared_ptr<Rocks> rocks_;
  const Family family_;
  const std::string end_;
  const rdb::Slice end_slice_;
  bool counts_ = false;  // walks far: what it skips is counted
  bool sought_ = false;
  rdb::PerfLevel level_{};
  std::uint64_t removed_before_ = 0;
  std::string first_{};  // where it was set to first
  std::unique_ptr<rdb::Iterator> it_;
};

class RocksReader final : public Reader {
 public:
  RocksReader(std::shared_ptr<Rocks> rocks, Reads reads, bool snapshot) : rocks_(std::move(rocks)) {
    if (reads == Reads::cached) options_.read_tier = rdb::kBlockCacheTier;
    if (snapshot) options_.snapshot = rocks_->db->GetSnapshot();
  }
  ~RocksReader() override {
    if (options_.snapshot != nullptr) rocks_->db->ReleaseSnapshot(options_.snapshot);
  }
  Result<bool> get(Family family, std::string_view key, std::string& into) override {
    rdb::PinnableSlice value(&into);
    const auto status = rocks_->db->Get(options_, rocks_->families[at(family)], slice(key), &value);
    if (status.IsNotFound()) return false;
    if (!status.ok()) return error_of(status);
    if (value.IsPinned()) into.assign(value.data(), value.size());
    return true;
  }
  Result<std::optional<io::Slice>> get_slice(Family family, std::string_view key) override {
    struct Lent {
      std::shared_ptr<Rocks> rocks;
      rdb::PinnableSlice value;
    };
    auto lent = std::make_shared<Lent>(rocks_);
    const auto status =
        rocks_->db->Get(options_, rocks_->families[at(family)], slice(key), &lent->value);
    if (status.IsNotFound()) return std::optional<io::Slice>{};
    if (!status.ok()) return error_of(status);
    const io::Bytes bytes = as_bytes(view(lent->value));
    return std::optional<io::Slice>(io::Slice{std::move(lent), bytes});
  }
  std::unique_ptr<Cursor> cursor(Family family, Walk walk, std::string_view end) override {
    auto options = options_;
    options.prefix_same_as_start = walk == Walk::unit;
    options.total_order_seek = walk == Walk::all;
    return std::make_unique<RocksCursor>(rocks_, family, options, end);
  }

 private:
  std::shared_ptr<Rocks> rocks_;
  rdb::ReadOptions options_;
};

class RocksIndex final : public Index {
 public:
  RocksIndex(std::shared_ptr<Rocks> rocks, bool sync) : rocks_(std::move(rocks)), sync_(sync) {}
  std::unique_ptr<Batch> batch() override { return std::make_unique<RocksBatch>(rocks_->families); }
  Result<void> write(Batch& batch, bool sync) override {
    auto& native = static_cast<RocksBatch&>(batch).native();
    rdb::WriteOptions options;
    options.sync = sync && sync_;
    // So that a damaged log tells whether what is damaged had been acknowledged (wal_check.h).
    native.PutLogData(slice(synced_marker(synced_through_)));
    const auto status = rocks_->db->Write(options, &native);
    if (!status.ok()) return error_of(status);
    if (options.sync) synced_through_ = rocks_->db->GetLatestSequenceNumber();
    return {};
  }
  Result<void> sync() override {
    if (!sync_) return {};
    const auto sequence = rocks_->db->GetLatestSequenceNumber();
    const auto status = rocks_->db->SyncWAL();
    if (!status.ok()) return error_of(status);
    synced_through_ = sequence;
    return {};
  }
  std::unique_ptr<Reader> latest(Reads reads) override {
    return std::make_unique<RocksReader>(rocks_, reads, false);
  }
  std::unique_ptr<Reader> snapshot() override {
    return std::make_unique<RocksReader>(rocks_, Reads::blocking, true);
  }

 private:
  std::shared_ptr<Rocks> rocks_;
  const bool sync_;
  std::uint64_t synced_through_ = 0;  // the committer's
};

rdb::DBOptions database_options(const IndexOptions& o) {
  rdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.wal_recovery_mode = rdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;  // a log that vanished is noticed
  options.recycle_log_file_num = 0;
  options.db_write_buffer_size = o.memtable_bytes;
  // What a mount has to read again, at about 150 MB per second.
  options.max_total_wal_size = o.memtable_bytes;
  options.max_background_jobs = 2;
  options.max_open_files = 1000;
  options.bytes_per_sync = 1 << 20;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 1 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log_level = rdb::InfoLogLevel::WARN_LEVEL;
  return options;
}

// Of so many entries one after the other, so many removals: a mass deletion, not keys being
// replaced.
constexpr std::size_t kRemovalWindow = 4096, kRemovalsInWindow = 2500;

rdb::ColumnFamilyOptions family_options(Family family, const IndexOptions& o,
                                        const std::shared_ptr<rdb::Cache>& cache) {
  rdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 8 * 1024;
  table.filter_policy.reset(rdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.whole_key_filtering = true;
  table.format_version = 5;
  rdb::ColumnFamilyOptions options;
  options.table_factory.reset(rdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = o.memtable_bytes / 2;
  options.compression = rdb::kLZ4Compression;
  options.level_compaction_dynamic_level_bytes = true;
  switch (family) {
    case Family::records:
      // Files full of what was removed are compacted at once: listings walk over it.
      options.table_properties_collector_factories.push_back(
          rdb::NewCompactOnDeletionCollectorFactory(kRemovalWindow, kRemovalsInWindow));
      options.prefix_extractor = std::make_shared<UnitPrefix>();
      options.memtable_prefix_bloom_size_ratio = 0.05;
      break;
    case Family::refs:
    case Family::missing:
      options.prefix_extractor.reset(rdb::NewFixedPrefixTransform(16));
      break;
    case Family::inline_data:
      // Shards stay in files of their own: compaction moves keys, not data.
      options.enable_blob_files = true;
      options.min_blob_size = 1024;
      options.blob_file_size = 64ull << 20;
      options.enable_blob_garbage_collection = true;
      options.blob_garbage_collection_age_cutoff = 0.25;
      options.blob_garbage_collection_force_threshold = 0.5;
      options.compression = rdb::kNoCompression;
      options.blob_cache = cache;  // what was read last is answered at once, without a copy
      break;
    case Family::parts:
      options.enable_blob_files = true;
      options.min_blob_size = 4096;
      options.enable_blob_garbage_collection = true;
      break;
    case Family::pending:
    case Family::state:
    case Family::repair:
    case Family::logged:
      break;
  }
  return options;
}

rdb::Status open_database(const rdb::DBOptions& options, const std::string& path,
                          const IndexOptions& o, const std::shared_ptr<rdb::Cache>& cache,
                          Rocks& rocks) {
  std::vector<rdb::ColumnFamilyDescriptor> descriptors;
  descriptors.emplace_back(rdb::kDefaultColumnFamilyName, rdb::ColumnFamilyOptions());
  for (std::size_t i = 0; i < kFamilies; ++i)
    descriptors.emplace_back(kFamilyNames[i], family_options(static_cast<Family>(i), o, cache));
  return rdb::DB::Open(options, path, descriptors, &rocks.handles, &rocks.db);
}

}  // namespace

Result<std::unique_ptr<Index>> open_rocksdb_index(const std::string& path, const IndexOptions& o) {
  auto options = database_options(o);
  rdb::LRUCacheOptions cache_options;
  cache_options.capacity = o.block_cache_bytes;
  cache_options.high_pri_pool_ratio = 0.5;
  const auto cache = rdb::NewLRUCache(cache_options);
  auto rocks = std::make_shared<Rocks>();
  auto status = open_database(options, path, o, cache, *rocks);
  if (status.IsCorruption()) {
    // A power cut may leave the end of the log torn in any way; damage before the end is another
    // thing.
    CAIRN_ASSIGN(const WalCheck check, check_wal(path));
    if (check.verdict == WalCheck::Verdict::damaged)
      return Error{Code::corrupt, "the log of the index is damaged at " + check.where +
                                      ", in what was acknowledged: the drive must be replaced"};
    if (check.verdict == WalCheck::Verdict::torn) {
      log::warn(
          "the log of an index ends in writes that a crash cut short; they were never acknowledged",
          {{"path", path}, {"at", check.where}});
      options.wal_recovery_mode = rdb::WALRecoveryMode::kPointInTimeRecovery;
      status = open_database(options, path, o, cache, *rocks);
    }
  }
  if (status.IsIOError() && status.ToString().find("lock") != std::string::npos)
    return Error{Code::already_exists, "another process has the index open: " + status.ToString()};
  if (!status.ok()) return error_of(status);
  for (std::size_t i = 0; i < kFamilies; ++i) rocks->families[i] = rocks->handles[i + 1];
  return std::unique_ptr<Index>(std::make_unique<RocksIndex>(std::move(rocks), o.sync));
}

}  // namespace cairn::drive
