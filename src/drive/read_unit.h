// Reading one unit, and ranges of units, from a drive's index. Blocking unless the reader says
// otherwise; one consistent reader and the pendings that belong to it are given.
#pragma once

#include <memory>
#include <string>

#include "drive/drive.h"
#include "drive/pending_journal.h"
#include "drive/unit.h"

namespace cairn::drive {

// What is stored of an inline shard: its bytes, verified, or where the shard log has them.
struct StoredShard {
  io::Slice bytes{};
  model::ValueId data_id{};
  std::optional<LoggedShard> logged{};
};
// not_found, corrupt.
Result<StoredShard> find_inline_shard(Reader& reader, const model::ValueId& data_id);

// Fills head, rows and what the request asks for; not what depends on the partition.
Result<ReadReply> read_unit(Reader& reader, const ReadRequest& request, UnitView::Known known);

// Over a snapshot; `pendings`: all that it holds (load_pendings).
Result<ScanReply> scan_units(Reader& reader, const ScanRequest& request,
                             const PendingUnits& pendings);

}  // namespace cairn::drive
