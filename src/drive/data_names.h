// What rows name beside the index: inline shards, tables of parts, blob files; and which of it this
// drive lacks. Keeps L5 of layout.h within a batch. Used by the committer's thread only, but for
// MissingMarks::any().
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "drive/index.h"
#include "drive/layout.h"

namespace cairn::drive {

// A row of a mutation with what the drive must know of it.
struct PreparedRow {
  RowInfo info{};
  const Row* row = nullptr;
  std::vector<BlobName> blobs{};  // that it names, as far as the message says
  // Its inline shard came along and goes to the shard log: the bytes until they are there, and
  // where that is from then on.
  io::Slices to_log{};
  std::optional<LoggedShard> logged{};
};

struct PreparedRows {
  std::vector<PreparedRow> rows{};       // newest first
  std::set<BlobName> absent{};           // blobs that are not on this drive, complete
  std::vector<LogPlace> places() const;  // where the shard log has what came along
};
// Decodes records and part tables; invalid_argument. `rows` outlives the result.
Result<PreparedRows> prepare_rows(const std::vector<Row>& rows, std::uint8_t shard);

// How many missing marks there are, so that the usual case (none) costs nothing.
class MissingMarks {
 public:
  bool any() const { return count_.load(std::memory_order_relaxed) > 0; }
  void set(std::int64_t count) { count_.store(count); }
  void add(std::int64_t delta) { count_.fetch_add(delta); }
  std::int64_t count() const { return count_.load(); }

 private:
  std::atomic<std::int64_t> count_{0};
};

// Which marks a data id has: the shards of it that are named here and not here.
Result<std::vector<MissingShard>> missing_of(Reader& reader, const MissingMarks& marks,
                                             const model::ValueId& data_id);
// As above for everything a row names.
Result<std::vector<MissingShard>> missing_of_row(Reader& reader, const MissingMarks& marks,
                                                 const RowInfo& row);

// The data side of one batch.
class DataChanges {
 public:
  DataChanges(Batch& batch, Reader& reader, MissingMarks& marks)
      : batch_(batch), reader_(reader), marks_(marks) {}

  // A unit names what `row` names, from now on. `known`: it named the same data before. Inline
  // shards that came along are stored; what is not there is marked and added to `missing`.
  Result<void> name(std::uint64_t unit, std::uint8_t shard, const PreparedRow& row, bool known,
                    const std::set<BlobName>& absent, const std::vector<InlineShard>& shards,
                    std::vector<MissingShard>& missing);
  // A unit no longer names what `row` names.
  Result<void> drop(std::uint64_t unit, const RowInfo& row);

  // A shard that is named and not here. One that was marked before keeps its mark.
  enum class Lack : std::uint8_t { lost, never_here };
  Result<void> mark(const BlobName& name, Lack lack = Lack::lost);
  Result<void> unmark(const BlobName& name);

  // Blobs that lost a name: candidates for unlinking once the batch is synced.
  std::vector<BlobName>& unnamed() { return unnamed_; }
  // Places in the shard log that lost their name, likewise.
  std::vector<LogPlace>& freed() { return freed_; }
  // The drive keeps the inline shard of a data id no longer. False: it had none.
  Result<bool> drop_inline(const model::ValueId& data_id);
  // To be called when the batch is written.
  void written() { marks_.add(std::exchange(delta_, 0)); }

  // What is remembered of the batch, to go back to when a message fails half-way.
  struct Memory {
    std::set<BlobName> marked, unmarked, named;  // in this batch
    std::set<std::string, std::less<>> dropped_refs;
    std::vector<BlobName> unnamed;
    std::vector<LogPlace> freed;
    std::int64_t delta = 0;
  };
  Memory remember() const {
    return {marked_, unmarked_, named_, dropped_refs_, unnamed_, freed_, delta_};
  }
  void restore(Memory m) {
    marked_ = std::move(m.marked);
    unmarked_ = std::move(m.unmarked);
    named_ = std::move(m.named);
    dropped_refs_ = std::move(m.dropped_refs);
    unnamed_ = std::move(m.unnamed);
    freed_ = std::move(m.freed);
    delta_ = m.delta;
  }

 private:
  Result<bool> is_marked(const BlobName& name);
  // True: the shard log had it; it is named no longer.
  Result<bool> drop_logged(const model::ValueId& data_id);
  Result<void> drop_blob(std::uint64_t unit, const model::ValueId& data_id);
  Result<void> name_inline(const PreparedRow& row, std::uint8_t shard, bool known,
                           const std::vector<InlineShard>& shards,
                           std::vector<MissingShard>& missing);
  Result<void> name_blob(std::uint64_t unit, const BlobName& blob, bool absent,
                         std::vector<MissingShard>& missing);

  Batch& batch_;
  Reader& reader_;
  MissingMarks& marks_;
  std::set<BlobName> marked_, unmarked_, named_;
  std::set<std::string, std::less<>> dropped_refs_;  // the reader still shows them
  std::int64_t delta_ = 0;
  std::vector<BlobName> unnamed_;
  std::vector<LogPlace> freed_;
};

}  // namespace cairn::drive
