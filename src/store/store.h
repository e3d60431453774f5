// The store: units made durable over a partition's drives. Everything of protocol.md that is not
// one drive's is here: the leader's commit, quorum reads, resolving, settling, repair, and the
// striping of data. What a unit means (buckets, versions, headers) is the object layer's.
//
// Threads: all calls from any reactor; they resume where they were called. Errors:
// `unavailable`/`timeout`/`undecided` mean an unknown outcome or no quorum (503), never absence;
// `not_found` is proven.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "drive/drive.h"
#include "io/bytes.h"
#include "io/task.h"
#include "model/ids.h"
#include "model/record.h"
#include "model/unit_key.h"

namespace cairn::store {

using model::Stamp;

// How versions of the unit behave (bucket versioning state).
enum class Versioning : std::uint8_t { unversioned, enabled, suspended };

// Checked against the current state under the unit's lock (3.3). All that are set must hold, in
// this order.
struct Precondition {
  std::optional<std::string>
      if_match{};  // ETag without quotes, or "*": the latest version exists and has it
  std::optional<std::string>
      if_none_match{};  // ETag or "*": no latest version, or another ETag. A delete marker is none
  std::optional<std::int64_t>
      if_modified_ms{};  // the latest version's last-modified, in whole seconds
  std::optional<std::uint64_t> if_size{};
  bool empty() const { return !if_match && !if_none_match && !if_modified_ms && !if_size; }
};

// The mutations, as values: the leader decides what they change (store/decide.h), wherever it is.
struct PutVersion {  // a new version; unversioned and suspended replace the null version
  Versioning versioning = Versioning::unversioned;
  model::Record record{};                           // version and order are filled in by the leader
  std::vector<model::DataPart> parts{};             // of kind parts
  std::vector<drive::InlineShard> inline_shards{};  // one per slot, of kind inline_
  bool delete_marker() const { return record.delete_marker; }
};
struct RemoveVersion {  // purge one version; removing what is not there succeeds and writes nothing
  model::VersionId version{};
};
struct UpdateVersion {  // replace the meta of a version that was not changed meanwhile, else
                        // conflict
  model::VersionId version{};
  Stamp expected{};  // the row's stamp as read
  std::string meta{};
};
struct RemoveUnit {};  // purge everything (uploads, parts)

// Another unit under the same lock key that must stand at this settled stamp, else `conflict`;
// removed in the same lock after the mutation is settled when `remove` is set (completing an
// upload).
struct Guard {
  model::UnitKey unit;
  Stamp stamp{};
  bool remove = false;
};

struct Commit {
  model::UnitKey unit;
  model::ValueId value{};  // the same when a commit is repeated: the first outcome is answered
  std::variant<PutVersion, RemoveVersion, UpdateVersion, RemoveUnit> intent;
  Precondition precondition{};
  std::vector<Guard> guards{};
};

struct Committed {
  model::VersionId version{};          // of the version written or removed
  Stamp stamp{};                       // the row's stamp (order of a new version)
  bool wrote = true;                   // false: there was nothing to do
  bool removed_delete_marker = false;  // RemoveVersion took a delete marker away
  std::int64_t modified_ms = 0;
};

struct Selector {
  bool latest = true;
  model::VersionId version{};  // when not latest
  bool want_parts = false;
  bool want_inline = false;  // fetch small inline shards in the same round, for open_data
};

struct Found {
  model::Record record{};
  Stamp order{}, stamp{};
  bool is_latest = false;
  std::vector<model::DataPart> parts{};  // when asked, of kind parts
  std::vector<std::pair<unsigned, io::Slice>>
      inline_shards{};  // (shard index, bytes), when asked: of small data
};

// Stages the data of one version or part: stripes are encoded and sent to the drives while it
// fills.
class DataWriter {
 public:
  virtual ~DataWriter() = default;  // without finish(): what was staged is discarded
  // Room for the next bytes; never empty. Valid until advance().
  virtual io::Task<Result<io::MutableBytes>> buffer() = 0;
  // The next `bytes` of the buffer are there and stay as they are: they may be encoded now, while
  // they are in the cache. advance() is told of them all the same.
  virtual void arrived(std::size_t bytes) = 0;
  // `bytes` of the buffer are filled. They stay as they are while what it returns is held; whoever
  // holds it longer than until the next call asks is_short_of_memory() first.
  virtual io::Task<Result<std::shared_ptr<const void>>> advance(std::size_t bytes) = 0;
  virtual bool is_short_of_memory() const = 0;
  // All data is staged: blobs synced on at least W drives, or held inline for the commit. Fills
  // record.data_kind, record.data and record.size of the intent, and its inline shards.
  virtual io::Task<Result<void>> finish(PutVersion& into) = 0;
};

struct ScanRequest {
  std::string begin{}, end{};  // unit keys
  std::size_t max_units = 1000;
  bool all_rows = false;
  bool include_delete_markers =
      false;  // units whose latest version is a delete marker, when not all_rows
  // Rolls keys up (drive::ScanRequest::Groups): behind a unit that is shown, the rest of its group
  // is left out as a rule, but not always. Groups::markers is not looked at here.
  std::optional<drive::ScanRequest::Groups> groups{};
};
using ScanUnit = drive::UnitPage::Unit;  // rows newest first; records stay encoded until needed
// Units are views into `pages`, wherever those are moved.
struct ScanPage {
  std::vector<ScanUnit> units{};
  std::vector<std::shared_ptr<const drive::UnitPage>> pages{};
  bool exhausted = false;  // proven: nothing follows
  std::string resume{};
};

struct DriveStatus {
  model::DriveId id{};
  std::string path{};
  std::string state{};  // "online", "rebuilding", "failed", "missing", "full"
  std::string reason{};
  std::uint64_t total_bytes = 0, available_bytes = 0;
  std::uint64_t partitions_rebuilding = 0;
  std::uint64_t repair_entries = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  // Durable on W drives when it returns; precondition_failed, not_found (a version to update),
  // conflict: nothing done.
  virtual io::Task<Result<Committed>> commit(Commit commit) = 0;
  // The version, by quorum (4.1). not_found: proven absent. A delete marker is returned as a
  // record.
  virtual io::Task<Result<Found>> find(model::UnitKey unit, Selector selector) = 0;
  // `size`: of the data if known (decides inline or blob, sizes buffers). `value`: the data id.
  // `blob_only`: never inline, whatever the size (but for no bytes at all: kind none); parts of an
  // upload are so, because the table that completing writes names blobs.
  virtual io::Task<Result<std::unique_ptr<DataWriter>>> write(model::UnitKey unit,
                                                              model::ValueId value,
                                                              std::optional<std::uint64_t> size,
                                                              bool blob_only = false) = 0;
  // Bytes [offset, offset + length) of a version found with its parts; opened before it returns (k
  // shards at hand), every block verified, rebuilt around missing and corrupt shards. REQUIRES: the
  // range lies within record.size.
  virtual io::Task<Result<std::unique_ptr<io::SliceSource>>> open_data(model::UnitKey unit,
                                                                       Found found,
                                                                       std::uint64_t offset,
                                                                       std::uint64_t length) = 0;
  // Units in order, by quorum per unit (4.4). A page may hold fewer units than asked and still not
  // be the last.
  virtual io::Task<Result<ScanPage>> scan(ScanRequest request) = 0;

  // True while enough drives answer for every partition to read (and write).
  virtual bool can_read() const = 0;
  virtual bool can_write() const = 0;
  virtual io::Task<Result<std::vector<DriveStatus>>> drives() = 0;
};

}  // namespace cairn::store
