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
#include "drive/codec.h"
#include "drive/index.h"
#include "drive/layout.h"
#include "drive/lent_values.h"
#include "drive/write_ahead_log.h"

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

// Of these whole values are kept that were read lately.
bool is_lent(Family family, std::string_view key) {
  return family == Family::inline_data && key.size() == LentValues::kKeyBytes;
}

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
    note(family, key);
  }
  void remove(Family family, std::string_view key) override {
    check(batch_.Delete(families_[at(family)], slice(key)));
    note(family, key);
  }
  void remove_once(Family family, std::string_view key) override {
    check(batch_.SingleDelete(families_[at(family)], slice(key)));
  }
  bool empty() const override { return batch_.Count() == 0; }
  std::size_t bytes() const override { return batch_.GetDataSize(); }
  void clear() override {
    batch_.Clear();
    lent_keys_.clear();
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
  // What readers were lent of what it changes, if anything, is to be taken back.
  void take_back(const LentValues& lent) const {
    constexpr std::size_t kKey = LentValues::kKeyBytes;
    const std::string_view keys = lent_keys_;
    for (std::size_t i = 0; i < keys.size(); i += kKey) lent.changed(keys.substr(i, kKey));
  }

 private:
  void note(Family family, std::string_view key) {
    if (is_lent(family, key)) lent_keys_ += key;
  }
  static void check(const rdb::Status& status) { CAIRN_ASSERT(status.ok()); }  // memory only
  const std::array<rdb::ColumnFamilyHandle*, kFamilies>& families_;
  rdb::WriteBatch batch_;
  std::string lent_keys_;  // one behind the other
  bool saved_ = false;
};

// The open database; slices that were lent keep it alive.
struct Rocks {
  rdb::DB* db = nullptr;
  std::vector<rdb::ColumnFamilyHandle*> handles;
  std::array<rdb::ColumnFamilyHandle*, kFamilies> families{};
  LentValues lent;
  std::array<std::atomic<std::int64_t>, kFamilies> tidied_ms{};     // steady clock
  std::array<std::atomic<std::uint64_t>, kFamilies> passed_over{};  // removed entries, since then
  void tidy(Family family, std::uint64_t passed, const std::string& first, const std::string& last);
  explicit Rocks(std::shared_ptr<rdb::Cache> cache) : lent(std::move(cache)) {}
  Rocks(const Rocks&) = delete;
  Rocks& operator=(const Rocks&) = delete;
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
    // All families, as in flush(). A write meets what is wrong, too.
    db->Flush(options, handles).PermitUncheckedError();
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
    if (may_be_unread(value)) return Error{Code::unavailable, {}};
    if (value.IsPinned()) into.assign(value.data(), value.size());
    return true;
  }
  Result<std::optional<io::Slice>> get_slice(Family family, std::string_view key) override {
    struct Pinned {
      std::shared_ptr<Rocks> rocks;
      rdb::PinnableSlice value;
    };
    const bool lends = is_lent(family, key) && options_.snapshot == nullptr;
    const std::uint64_t version = lends ? rocks_->lent.version(key) : 0;
    if (lends) {
      if (auto found = rocks_->lent.find(key)) return found;
    }
    auto pinned = std::make_shared<Pinned>(rocks_);
    const auto status =
        rocks_->db->Get(options_, rocks_->families[at(family)], slice(key), &pinned->value);
    if (status.IsNotFound()) return std::optional<io::Slice>{};
    if (!status.ok()) return error_of(status);
    if (may_be_unread(pinned->value)) return Error{Code::unavailable, {}};
    const io::Bytes bytes = as_bytes(view(pinned->value));
    if (lends) {
      if (auto kept = rocks_->lent.keep(key, bytes, version)) return kept;
    }
    return std::optional<io::Slice>(io::Slice{std::move(pinned), bytes});
  }
  std::unique_ptr<Cursor> cursor(Family family, Walk walk, std::string_view end) override {
    auto options = options_;
    options.prefix_same_as_start = walk == Walk::unit;
    options.total_order_seek = walk == Walk::all;
    return std::make_unique<RocksCursor>(rocks_, family, options, end);
  }

 private:
  // Of a file that is not open RocksDB says, without reading, that the key may be there: OK and no
  // bytes (KeyMayExist is made of that), which is no answer.
  bool may_be_unread(const rdb::Slice& value) const {
    return options_.read_tier == rdb::kBlockCacheTier && value.empty();
  }
  std::shared_ptr<Rocks> rocks_;
  rdb::ReadOptions options_;
};

// The default family holds what the index keeps for itself: the number of the newest batch, and
// what the checksums of its log are seeded with.
constexpr std::string_view kAppliedKey = "applied", kSeedKey = "wal seed";

std::string encode_number(std::uint64_t number) {
  Writer w(8);
  w.u64(number);
  return w.take();
}

// One of the two, as files have it: with everything that was written before it, and no more.
Result<std::optional<std::uint64_t>> number_in_files(Rocks& rocks, std::string_view key) {
  rdb::ReadOptions options;
  options.read_tier = rdb::kPersistedTier;
  std::string value;
  const auto status = rocks.db->Get(options, rocks.handles.front(), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::uint64_t>{};
  if (!status.ok()) return error_of(status);
  Decoder in(value);
  const std::uint64_t number = in.u64();
  if (!in.ok()) return Error{Code::corrupt, "index: '" + std::string(key) + "' is damaged"};
  return std::optional(number);
}
Result<std::uint64_t> applied_in_files(Rocks& rocks) {
  CAIRN_ASSIGN(const auto number, number_in_files(rocks, kAppliedKey));
  return number.value_or(0);
}

// All families, always: files hold a prefix of the batches (write_ahead_log.h, L3). Without
// waiting, false is "not now": RocksDB has enough to do.
Result<bool> flush(Rocks& rocks, bool wait) {
  rdb::FlushOptions options;
  options.wait = wait;
  options.allow_write_stall = true;
  const auto status = rocks.db->Flush(options, rocks.handles);
  if (!wait && status.IsTryAgain()) return false;
  if (!status.ok()) return error_of(status);
  return true;
}

// What the log is seeded with; of a new index, `fresh`, which is in files when it returns.
Result<std::uint64_t> seed_of(Rocks& rocks, std::uint64_t applied, std::uint64_t fresh) {
  CAIRN_ASSIGN(const auto seed, number_in_files(rocks, kSeedKey));
  if (seed) return *seed;
  if (applied != 0) return Error{Code::corrupt, "index: it does not know the seed of its log"};
  const std::string value = encode_number(fresh);
  rdb::WriteOptions options;
  options.disableWAL = true;
  const auto status = rocks.db->Put(options, rocks.handles.front(), slice(kSeedKey), slice(value));
  if (!status.ok()) return error_of(status);
  CAIRN_TRY(flush(rocks, true));
  return fresh;
}

Result<void> apply(Rocks& rocks, rdb::WriteBatch& batch) {
  rdb::WriteOptions options;
  options.disableWAL = true;  // the log is Cairn's own
  const auto status = rocks.db->Write(options, &batch);
  if (!status.ok()) return error_of(status);
  return {};
}

class RocksIndex final : public Index {
 public:
  RocksIndex(std::shared_ptr<Rocks> rocks, std::unique_ptr<WriteAheadLog> log,
             std::uint64_t log_bytes)
      : rocks_(std::move(rocks)), log_(std::move(log)), log_bytes_(log_bytes) {}
  std::unique_ptr<Batch> batch() override { return std::make_unique<RocksBatch>(rocks_->families); }
  Result<void> write(Batch& batch, bool sync) override {
    auto& native = static_cast<RocksBatch&>(batch).native();
    const std::string number = encode_number(log_->last() + 1);
    const auto added = native.Put(rocks_->handles.front(), slice(kAppliedKey), slice(number));
    CAIRN_ASSERT(added.ok());
    CAIRN_TRY(log_->append(native.Data(), sync));
    CAIRN_TRY(apply(*rocks_, native));
    static_cast<RocksBatch&>(batch).take_back(rocks_->lent);
    return trim_log();
  }
  Result<void> sync() override { return log_->sync(); }
  Result<void> close() override {
    CAIRN_TRY(log_->sync());
    CAIRN_TRY(flush(*rocks_, true));
    CAIRN_ASSIGN(const std::uint64_t applied, applied_in_files(*rocks_));
    if (applied != log_->last())
      return Error{Code::internal, "index: its files lack batches after a flush"};
    return log_->remove();
  }
  std::unique_ptr<Reader> latest(Reads reads) override {
    return std::make_unique<RocksReader>(rocks_, reads, false);
  }
  std::unique_ptr<Reader> snapshot() override {
    return std::make_unique<RocksReader>(rocks_, Reads::blocking, true);
  }

 private:
  // As a rule memtables are full and written out before the log is.
  Result<void> trim_log() {
    const std::uint64_t in_use = log_->bytes_in_use();
    if (in_use <= log_bytes_ || in_use == trimmed_at_) return {};
    CAIRN_ASSIGN(const std::uint64_t applied, applied_in_files(*rocks_));
    log_->release(applied);
    if (log_->bytes_in_use() > 2 * log_bytes_) {
      CAIRN_TRY(flush(*rocks_, true));
      CAIRN_ASSIGN(const std::uint64_t now, applied_in_files(*rocks_));
      log_->release(now);
    } else if (log_->bytes_in_use() > log_bytes_ && applied >= asked_through_) {
      CAIRN_ASSIGN(const bool asked, flush(*rocks_, false));
      if (!asked) return {};
      asked_through_ = log_->last();
    }
    trimmed_at_ = log_->bytes_in_use();
    return {};
  }

  std::shared_ptr<Rocks> rocks_;
  std::unique_ptr<WriteAheadLog> log_;
  const std::uint64_t log_bytes_;  // from here on the index is asked to write out what it holds
  std::uint64_t trimmed_at_ = 0;
  std::uint64_t asked_through_ = 0;  // a flush up to there was asked for
};

rdb::DBOptions database_options(const IndexOptions& o) {
  rdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.atomic_flush = true;                 // files hold a prefix of the batches
  options.avoid_flush_during_shutdown = true;  // close() does that, and only after a whole life
  // RocksDB's way out of errors may flush a part of the families (facebook/rocksdb#11148).
  options.max_bgerror_resume_count = 0;
  // Of drives of layout version 1: a log with damage before its end, or that vanished, is refused.
  options.wal_recovery_mode = rdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;
  options.db_write_buffer_size = o.memtable_bytes;
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
  // Filters and indexes in pieces: whole ones of a large file are megabytes, which do not stay in a
  // shard of the cache and are then read for every look.
  table.index_type = rdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.metadata_block_size = 16 * 1024;
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
  rdb::LRUCacheOptions cache_options;
  cache_options.capacity = o.block_cache_bytes;
  cache_options.high_pri_pool_ratio = 0.5;
  const auto cache = rdb::NewLRUCache(cache_options);
  auto rocks = std::make_shared<Rocks>(cache);
  const auto status = open_database(database_options(o), path, o, cache, *rocks);
  if (status.IsIOError() && status.ToString().find("lock") != std::string::npos)
    return Error{Code::already_exists, "another process has the index open: " + status.ToString()};
  if (!status.ok()) return error_of(status);
  for (std::size_t i = 0; i < kFamilies; ++i) rocks->families[i] = rocks->handles[i + 1];
  CAIRN_ASSIGN(const std::uint64_t applied, applied_in_files(*rocks));
  CAIRN_ASSIGN(const std::uint64_t seed, seed_of(*rocks, applied, o.fresh_seed));
  CAIRN_ASSIGN(auto log, WriteAheadLog::open(path + "/wal", seed, applied, {.sync = o.sync},
                                             [&](std::uint64_t, std::string_view batch) {
                                               rdb::WriteBatch native{std::string(batch)};
                                               return apply(*rocks, native);
                                             }));
  return std::unique_ptr<Index>(
      std::make_unique<RocksIndex>(std::move(rocks), std::move(log), o.memtable_bytes));
}

}  // namespace cairn::drive
