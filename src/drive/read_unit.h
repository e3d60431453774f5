// Reading one unit, and ranges of units, from a drive's index. Blocking unless the reader says
// otherwise; one consistent reader and the pendings that belong to it are given.
#pragma once

#include <memory>
#include <string>

#include "drive/drive.h"
#include "drive/pending_journal.h"
#include "drive/unit.h"

namespace cairn::drive {

// Fills head, rows and what the request asks for; not what depends on the partition.
Result<ReadReply> read_unit(Reader& reader, const ReadRequest& request,
                            std::shared_ptr<const Pendings> pendings);

// Over a snapshot; `pendings`: all that it holds (load_pendings).
Result<ScanReply> scan_units(Reader& reader, const ScanRequest& request,
                             const PendingUnits& pendings);

// A stored inline shard, verified: not_found, corrupt.
Result<io::Slice> read_inline_shard(Reader& reader, const model::ValueId& data_id);

}  // namespace cairn::drive
