// A drive: one directory on one file system, the unit that fails. It keeps the state of units
// (protocol.md 2) in an ordered index, shards of large data in blob files, and applies mutations
// through one committer that syncs many commits at once.
//
// Drive is what store sees; LocalDrive (drive/local_drive.h) implements it here, a remote drive
// will over the wire, and the simulation wraps one to lose, delay and repeat messages. So requests
// and replies are values that can be sent, and every refusal is a value too. An Error from a call
// means "no answer": the outcome is unknown, never "no".
//
// Delivery: a transport may deliver a call twice, but never after it answered the call; what
// arrives later must have come on a connection that a newer one cuts off (5.1, 6.3).
//
// Threads: calls from any executor; the awaiting coroutine resumes on its own. Durability: stated
// per call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "drive/unit_page.h"
#include "io/bytes.h"
#include "io/task.h"
#include "model/ids.h"
#include "model/record.h"
#include "model/unit_key.h"

namespace cairn::drive {

using model::Stamp;

// One version of a unit as it stands in a drive's index. The row key is (order, stamp).
struct Row {
  Stamp order{};         // stamp of the version's creation
  Stamp stamp{};         // stamp of its last change
  std::string record{};  // model::encode_record
  std::string
      parts{};  // model::encode_parts of a multipart object; only in mutations, or where asked for
  auto operator<=>(const Row&) const = default;
};

// What a mutation does to a unit (protocol.md 1). Immutable once sent; shared by the messages to
// all members.
struct Mutation {
  model::UnitKey unit;
  Stamp stamp{};
  std::optional<Stamp>
      base{};  // settled stamp it was decided on; none: blind over an empty or undecided unit
  model::ValueId value{};
  bool whole = false;            // `puts` are all rows of the unit after it
  bool brings_data = false;      // need = k (protocol.md 1)
  std::vector<Row> puts{};       // each replaces the version of the same order, if there is one
  std::vector<Stamp> removes{};  // orders of versions that go; empty when whole
};

// What every leader's message carries and the committer checks (3.4).
struct Fence {
  model::DriveId drive{};
  model::PartitionId partition{};
  model::MapEpoch map_epoch{};
  model::Term term{};
  std::uint64_t connection = 0;  // within the term; newer cuts off older
};

// What a drive acknowledges is in this batch of its committer or in an earlier one, and synced
// (7.4). Batches are counted over the whole life of the drive; the number is in the batch itself,
// so a drive that was put back from an old copy names an old one.
struct Ack {
  std::uint64_t mount = 0;  // random, drawn at each mount; zero: none was given
  std::uint64_t batch = 0;
};

// What a drive that comes back is compared by with the acks it gave (7.4).
struct SyncedBatches {
  std::uint64_t mount = 0;
  std::uint64_t at_open = 0;  // the last batch that this mount found
  std::uint64_t now = 0;
};

enum class Refusal : std::uint8_t {
  none,
  wrong_drive,  // another drive id than addressed
  stale_map,    // the drive promised under a newer map
  stale_term,   // the drive promised a newer term
  cut_off,      // a newer connection of this term exists
  stale_stamp,  // not above the head
  no_base,      // neither whole nor is its base held: send all rows
  too_many_pending,
};

// Inline shards and blobs that a mutation's rows name, per data id: what this drive lacks.
struct MissingShard {
  model::ValueId data_id{};
  std::uint8_t shard = 0;
  // The drive never had it since it is named here: so it was never a holder of what brings it. Else
  // it may have had it and lost it.
  bool never_here = false;
};

// The shard of one data id; as a blob, a file of this drive.
struct BlobName {
  model::ValueId data_id{};
  std::uint8_t shard = 0;
  auto operator<=>(const BlobName&) const = default;
};

// Shards are checked in blocks of so many bytes; the last may be shorter.
inline constexpr std::size_t kShardBlockBytes = 64 * 1024;
// The checksum of a block (docs/format/blob.md).
std::uint64_t block_sum(const BlobName& name, std::uint64_t block, io::Bytes bytes);

// Inline shards of this size and more are not sent along with a record: whoever wants them opens
// them, and reads what is needed.
inline constexpr std::size_t kOpenedShardBytes = 16 * 1024;

struct InlineShard {
  model::ValueId data_id{};
  // This drive's shard. All pieces but the last are whole blocks.
  io::Slices pieces{};
  std::vector<std::uint64_t> sums{};  // of its blocks, where the sender has them; else empty
};

struct MutateRequest {
  Fence fence;
  std::uint8_t shard = 0;  // the slot of this drive in the partition = its shard index
  std::shared_ptr<const Mutation> mutation;
  std::vector<InlineShard> inline_shards{};
};

struct MutateReply {
  Refusal refusal = Refusal::none;
  model::Term promised{};  // with stale_term, stale_map
  model::MapEpoch map_epoch{};
  std::optional<Stamp> head{};  // with stale_stamp, no_base
  std::vector<MissingShard>
      missing{};  // empty and no refusal: a holder. else incomplete: rows without these shards
  Ack ack{};
  bool held() const { return refusal == Refusal::none && missing.empty(); }
};

// A mutation is settled (6.1).
struct SettleRequest {
  Fence fence;
  model::UnitKey unit;
  Stamp stamp{};
  // It empties the unit, and every member holds it (docs/decisions/0007-forget-with-settle.md): a
  // drive on which nothing newer came keeps nothing of the unit.
  bool forget = false;
};

// Repair: install the settled state beneath newer pendings (6.2).
struct InstallRequest {
  Fence fence;
  std::uint8_t shard = 0;
  model::UnitKey unit;
  Stamp head{};             // settled head
  std::vector<Row> rows{};  // all rows of the settled state, with parts tables
  std::vector<InlineShard> inline_shards{};
};

struct PendingMutation {
  Mutation mutation;                    // rows without parts tables unless asked
  std::vector<MissingShard> missing{};  // not empty: this drive is incomplete for it
};

// The exact state of a unit on one drive (2.2).
struct UnitState {
  std::optional<Stamp> settled_head{};      // none: knows nothing settled
  std::vector<Row> rows{};                  // settled rows, newest first
  std::vector<PendingMutation> pendings{};  // newest first
  std::vector<MissingShard> missing{};      // shards of settled rows that this drive lacks
};

// Per partition, what a drive promised (2.1).
struct PartitionState {
  model::PartitionId partition{};
  model::Term promised{};
  std::uint64_t leader = 0;  // process that holds the promise (random, nonzero)
  model::MapEpoch since{};   // map epoch at which the drive joined
  std::string map_entry{};   // opaque copy of the map entry promised under
  model::MapEpoch map_epoch{};
  bool rebuilding = false;
};

struct PromiseRequest {
  model::DriveId drive{};
  model::Term term{};
  std::uint64_t leader = 0;
  std::uint64_t connection = 0;
  model::MapEpoch map_epoch{};
  struct Entry {
    model::PartitionId partition{};
    model::MapEpoch
        since{};  // differs from the drive's: it wipes the partition and starts rebuilding (8.3)
    std::string map_entry{};
  };
  std::vector<Entry> entries{};
};

struct PromiseReply {
  Refusal refusal =
      Refusal::none;  // wrong_drive, stale_map, stale_term, cut_off: nothing was promised
  std::vector<PartitionState> states{};  // after the promise; with a refusal, as they are
  Ack ack{};
};

enum class Select : std::uint8_t {
  none,     // head only
  latest,   // the newest row
  version,  // the row named by `version`
  all,      // every row
};

struct ReadRequest {
  model::DriveId drive{};
  model::PartitionId partition{};
  model::MapEpoch map_epoch{};
  model::UnitKey unit;
  Select select = Select::latest;
  model::VersionId version{};
  bool want_parts = false;   // parts table of the selected row
  bool want_inline = false;  // inline shard of the selected row, verified, if it is a small one
};

// The state as of the drive's head, pendings included. Two drives with the same head have the same
// rows (4.1).
struct ReadReply {
  Refusal refusal = Refusal::none;  // wrong_drive, stale_map
  model::MapEpoch map_epoch{};
  bool rebuilding = false;  // must not count for R
  model::Term promised{};
  std::optional<Stamp> head{};      // none: the drive knows nothing of the unit
  bool settled = false;             // the head is known settled
  bool exact = true;                // false: rows are not the exact state as of head (never counts)
  std::vector<Row> rows{};          // as selected, newest first
  std::uint64_t row_count = 0;      // of all rows as of head
  std::optional<Row> null_row{};    // the "null" version, if there is one (whatever is selected)
  bool latest_is_selected = false;  // the selected row is the newest
  // Of rows[0] when asked and its data is inline: bytes, or why not. None as well where it is not
  // sent along (kOpenedShardBytes).
  std::optional<Result<io::Slice>> inline_shard{};
};

struct ScanRequest {
  model::DriveId drive{};
  std::string begin{};  // unit keys in [begin, end); an empty end: to the last
  std::string end{};
  std::size_t max_units = 1000;
  bool all_rows = false;  // every row of a unit, else the newest only
  std::size_t max_rows =
      4000;  // a unit is never cut: the page ends after the unit that passes the limit
  std::size_t max_bytes = 4u << 20;  // likewise
  model::MapEpoch map_epoch{};       // the reader's (4.2); zero: not checked

  // Rolls keys up: of the units whose escaped key has `delimiter` (escaped, not empty) at or behind
  // byte `from` of the unit key, those that share all up to the end of its first occurrence are a
  // group. Behind the first unit of a group that shows something by this drive's own settled state,
  // the rest of the group is left out, and the unit says so (UnitPage::Unit::passes_group).
  struct Groups {
    std::string delimiter{};
    std::size_t from = 0;
    bool markers = false;  // delete markers show something
  };
  std::optional<Groups> groups{};
};
// Where the group of a unit ends: the first key behind it; empty when the unit is in none.
std::string group_end(const ScanRequest::Groups& groups, std::string_view unit);

struct ScanReply {
  Refusal refusal = Refusal::none;
  UnitPage units{};        // units with a head but no rows are included
  bool exhausted = false;  // proven: nothing follows in the range
  std::string resume{};    // where the next page begins, when not exhausted
};

// Bytes of a shard, in order, and the sums of the blocks that they make up, where the sender has
// them: then they begin with a block and end with one, or with the shard. (What is damaged on the
// way here is so found when it is read.)
struct ShardBytes {
  std::vector<io::Bytes> pieces{};
  std::vector<std::uint64_t> sums{};
};

// Appends one shard. Bytes are checked in blocks of kShardBlockBytes when read. Not finished: the
// file goes.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // Appends; what `data` points to stays alive until the task ends. One call at a time.
  virtual io::Task<Result<void>> append(ShardBytes data) = 0;
  // Footer, data sync, name made durable. After it the shard survives a crash (until a sweep finds
  // that nothing names it).
  virtual io::Task<Result<void>> finish() = 0;
};

// An open shard: its bytes stay readable also when the name goes (7.5).
class ShardReader {
 public:
  virtual ~ShardReader() = default;
  virtual std::uint64_t size() const = 0;  // bytes of the shard
  // Exactly `length` bytes at `offset`, every block they touch verified; corrupt if one fails.
  // `into` must have room for whole blocks: offset and length may be anything, the slice returned
  // points into `into`.
  virtual io::Task<Result<io::Bytes>> read(std::uint64_t offset, std::size_t length,
                                           io::MutableBytes into) = 0;
};
// Room that read() needs for a range.
constexpr std::size_t shard_read_room(std::uint64_t offset, std::size_t length) {
  const std::uint64_t begin = offset / kShardBlockBytes * kShardBlockBytes;
  const std::uint64_t end =
      (offset + length + kShardBlockBytes - 1) / kShardBlockBytes * kShardBlockBytes;
  return static_cast<std::size_t>(end - begin);
}

// What a read of [offset, offset + length) of a shard of `size` bytes is refused for.
Result<void> check_shard_read(std::uint64_t size, std::uint64_t offset, std::size_t length,
                              io::MutableBytes into);
// A shard that is in memory, verified.
std::unique_ptr<ShardReader> open_in_memory(io::Slice shard);

// An entry of the durable repair queue: a unit of which some member lacks something.
struct RepairEntry {
  model::UnitKey unit;
};

class Drive {
 public:
  virtual ~Drive() = default;
  virtual model::DriveId id() const = 0;
  // Out of service: every call fails with drive_failed. Never returns to service under this object.
  virtual bool failed() const = 0;
  // Finishes what is queued, ends work in the background and lets go of the directory; every later
  // call fails. A drive that is destroyed without it answers what is queued with an error.
  virtual io::Task<void> close() { co_return; }
  // Takes the drive out of service, as an I/O error would: its directory is gone or another's.
  // Thread-safe.
  virtual void retire(std::string reason) { static_cast<void>(reason); }

  // What a drive that comes back is compared by, before anything else is sent to it. From memory.
  virtual io::Task<Result<SyncedBatches>> synced() = 0;

  // -- leadership: synced before the reply
  virtual io::Task<Result<PromiseReply>> promise(PromiseRequest request) = 0;
  // What the drive promised, for readers' confirmation (3.3). From memory.
  virtual io::Task<Result<PartitionState>> partition_state(model::PartitionId partition) = 0;
  // The same without waiting. Nothing: the drive has to be asked, or is out of service.
  struct HeldPromise {
    model::Term term{};
    std::uint64_t leader = 0;
    bool rebuilding = false;
  };
  virtual std::optional<HeldPromise> held_promise(model::PartitionId partition) const {
    static_cast<void>(partition);
    return std::nullopt;
  }
  // Ends rebuilding for a partition (8.4). Synced. Refused unless term is current.
  virtual io::Task<Result<Refusal>> mark_rebuilt(Fence fence) = 0;

  // -- mutations: a reply without refusal has been synced
  // Repeating what the drive holds (same stamp, same value id) is no refusal: inline shards that
  // were missing are taken in, blobs are looked for again, and the reply says what is missing now.
  // install() at a settled head it has: the same.
  virtual io::Task<Result<MutateReply>> mutate(MutateRequest request) = 0;
  virtual io::Task<Result<MutateReply>> install(InstallRequest request) = 0;
  // Marks settled and drops what is below, each for itself, synced with a batch soon (6.1). The
  // replies, in the order of the requests, only say what was taken in.
  using SettleReplies = std::vector<Result<Refusal>>;
  virtual io::Task<Result<SettleReplies>> settle_all(std::vector<SettleRequest> requests) = 0;
  // One of them.
  io::Task<Result<Refusal>> settle(Fence fence, model::UnitKey unit, Stamp stamp);
  // Drops the head of an empty unit (6.3), synced with a batch soon: a head that a crash brings
  // back is found again. The drive checks that it reports exactly `head`, settled, no rows, no
  // pendings.
  virtual io::Task<Result<Refusal>> forget(Fence fence, model::UnitKey unit, Stamp head) = 0;

  // -- reads
  virtual io::Task<Result<ReadReply>> read(ReadRequest request) = 0;
  virtual io::Task<Result<ScanReply>> scan(ScanRequest request) = 0;
  // Everything, for the leader's resolve (5). `fence` must be current: the reply proves the
  // promise, and comes after everything that was sent on this connection earlier.
  virtual io::Task<Result<std::pair<Refusal, UnitState>>> inspect(Fence fence, model::UnitKey unit,
                                                                  bool want_parts) = 0;
  // Units with pendings, from the index (2.4), after `after` (empty: from the start), at most
  // `limit`.
  virtual io::Task<Result<std::vector<model::UnitKey>>> pending_units(std::string after,
                                                                      std::size_t limit) = 0;
  // The inline shard of a data id, whole and verified; not_found or corrupt.
  virtual io::Task<Result<io::Slice>> read_inline(model::ValueId data_id) = 0;
  // The same, to read some of its blocks; not_found, corrupt. As it is here, it reads all and keeps
  // it.
  virtual io::Task<Result<std::unique_ptr<ShardReader>>> open_inline(model::ValueId data_id);

  // -- blobs
  virtual io::Task<Result<std::unique_ptr<BlobWriter>>> create_blob(BlobName name) = 0;
  virtual io::Task<Result<std::unique_ptr<ShardReader>>> open_blob(
      BlobName name) = 0;  // not_found, corrupt
  // Removes a blob that nothing names (an aborted write). A blob that is named stays: no error.
  virtual io::Task<Result<void>> discard_blob(BlobName name) = 0;
  // Moves a damaged blob or inline shard out of the way, so that repair can write it anew.
  virtual io::Task<Result<void>> quarantine(BlobName name, bool is_inline) = 0;

  // -- repair queue: durable when the call returns; the same unit twice is one entry
  virtual io::Task<Result<void>> repair_add(std::vector<model::UnitKey> units) = 0;
  virtual io::Task<Result<std::vector<model::UnitKey>>> repair_list(std::string after,
                                                                    std::size_t limit) = 0;
  virtual io::Task<Result<void>> repair_remove(std::vector<model::UnitKey> units) = 0;

  struct Stats {
    std::uint64_t total_bytes = 0, available_bytes = 0;
    std::uint64_t repair_entries = 0, pending_units = 0;
    bool full = false;  // refuses what brings data; reads and deletes go on
  };
  virtual io::Task<Result<Stats>> stats() = 0;
};

}  // namespace cairn::drive
