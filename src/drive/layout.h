// Keys and values of a drive's index (docs/format/drive.md). Every value starts with a format
// version byte.
//
// Invariants of what is stored, which unit.h reads and change.cpp keeps:
//  L1  The rows of a unit are its settled rows and the rows that pending mutations bring. A row
//  belongs to the pendings
//      alone if one of them lists it as `fresh`; every other row is settled.
//  L2  A unit has a head row (its key alone) unless it has exactly one settled row, whose stamp is
//  the settled head, or
//      knows nothing settled. So the head is stored, never computed from rows that happen to be
//      there (protocol.md 2.2).
//  L3  The base of a pending that is not whole is the settled head. So its effect on the settled
//  rows (`drops`, `after`)
//      is known when it is accepted and stays right until it is settled or dropped.
//  L4  All rows of one unit that name one data id are of the same version: the settled row,
//  pendings that change it, and
//      re-stamps. So a data id is unnamed when the last of them goes, which is seen without looking
//      at other rows.
//  L5  For every blob named by a unit there is a ref (blob, unit); for every shard named and not
//  here, a missing mark, which says whether it was ever here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "drive/drive.h"
#include "model/ids.h"
#include "model/record.h"

namespace cairn::drive {

// -- records: unit key ‖ [~order ‖ ~stamp]

struct RowId {
  Stamp order{};
  Stamp stamp{};
  constexpr auto operator<=>(const RowId&) const = default;
};

std::string row_key(std::string_view unit, const RowId& id);
// Length of the unit key that `key` starts with; 0 if it starts with none. Unit keys end
// themselves: the object key at its 00, what follows has a fixed length.
std::size_t unit_key_length(std::string_view key);
struct RecordKey {
  std::string_view unit;
  std::optional<RowId> row;  // none: the head row
};
std::optional<RecordKey> decode_record_key(std::string_view key);

// What a drive needs to know of a row without decoding its record.
struct RowInfo {
  RowId id{};
  bool null_version = false;
  model::Record::DataKind kind = model::Record::DataKind::none;
  model::ValueId data_id{};  // unless kind is none
  bool operator==(const RowInfo&) const = default;
};
std::string row_prefix(const RowInfo& info);  // goes before the encoded record
struct RowValue {
  RowInfo info;  // id is not in the value
  std::string_view record;
};
Result<RowValue> decode_row(std::string_view value);
Result<RowInfo> info_of(const Row& row);  // from the record; invalid_argument

// How many rows a unit has, and which is the "null" version.
struct Summary {
  std::uint64_t rows = 0;
  std::optional<RowId> null_row{};
  bool operator==(const Summary&) const = default;
};
struct HeadRow {
  Stamp head{};
  Summary summary{};
};
// The settled state of a unit, but for its rows.
struct SettledState {
  std::optional<Stamp> head{};  // none: nothing settled is known
  Summary summary{};
  bool head_row = false;          // there is a head row (L2)
  std::optional<RowInfo> lone{};  // the only row, where that is known without reading it
};
std::string encode_head(const HeadRow& head);
Result<HeadRow> decode_head(std::string_view value);

// -- pending: a journal (pending_journal.h) of these

struct PendingPut {
  RowInfo info{};
  bool fresh = true;  // not a settled row (L1)
};
struct Pending {
  Stamp stamp{};
  std::optional<Stamp> base{};
  model::ValueId value{};
  bool whole = false;
  bool brings_data = false;
  std::vector<PendingPut> puts{};  // newest first
  std::vector<RowInfo>
      drops{};  // settled rows that go; of a whole one: all that are not in puts, not listed
  std::vector<Stamp> removes{};  // as sent
  Summary after{};               // of the unit once this is settled
};
// Pendings of a unit, newest first. Immutable once published.
using Pendings = std::vector<std::shared_ptr<const Pending>>;

std::string encode_pending(const Pending& pending);  // but for its stamp
Result<Pending> decode_pending(const Stamp& stamp, std::string_view value);

// -- inline: data id -> XXH3-64 of the rest (seeded with the data id) ‖ version ‖ shard ‖ bytes

inline constexpr std::size_t kInlineHeaderBytes = 10;
std::string inline_header(const model::ValueId& data_id, std::uint8_t shard, io::Bytes bytes);
Result<io::Slice> open_inline(const model::ValueId& data_id, io::Slice value);  // corrupt

// -- logged: data id -> version ‖ shard ‖ segment ‖ offset ‖ bytes ‖ sums

// Where in the shard log something is.
struct LogPlace {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  auto operator<=>(const LogPlace&) const = default;
};
struct LoggedShard {
  std::uint8_t shard = 0;
  LogPlace place{};
  std::string sums{};  // of its blocks, as those of a blob file
  // Version 1: instead of them one of the whole, as of an inline shard.
  std::optional<std::uint64_t> whole_sum{};
  bool operator==(const LoggedShard&) const = default;
};
// Of a shard that is to be logged; the place is to come.
LoggedShard logged_shard(std::uint8_t shard, const InlineShard& from);
std::string encode_logged(const LoggedShard& shard);  // REQUIRES: not of version 1
Result<LoggedShard> decode_logged(std::string_view value);
// Whether `bytes`, from block `first` on, are the shard's. REQUIRES: they end with a block; of
// version 1 they are all of it.
bool matches(const model::ValueId& data_id, const LoggedShard& shard, std::uint64_t first,
             io::Bytes bytes);

// -- refs: data id ‖ shard ‖ XXH3-64 of the unit key;  missing: data id ‖ shard

std::uint64_t unit_hash(std::string_view unit);
std::string ref_key(const BlobName& blob, std::uint64_t unit);
struct Ref {
  BlobName blob;
  std::uint64_t unit = 0;
};
std::optional<Ref> decode_ref(std::string_view key);
inline constexpr std::string_view kNeverHere = "n";  // value of a missing mark; empty: it was lost
std::string blob_key(const BlobName& blob);
std::optional<BlobName> decode_blob_key(std::string_view key);

// -- state: 'p' ‖ partition

// Number of the newest synced batch: 'b'.
inline constexpr std::string_view kBatchKey = "b";
std::string encode_batch_number(std::uint64_t number);
Result<std::uint64_t> decode_batch_number(std::string_view value);

struct StoredPartition {
  PartitionState state{};
  bool wiping = false;  // `since` changed and what the partition had is not yet all gone (8.3)
};
std::string partition_key(model::PartitionId partition);
std::string encode_partition(const StoredPartition& partition);
Result<StoredPartition> decode_partition(std::string_view key, std::string_view value);

}  // namespace cairn::drive
