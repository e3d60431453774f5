// The bytes of the embedded control store's files: docs/format/control.md. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "control/state.h"

namespace cairn::control::format {

inline constexpr std::size_t kMaxCommitBytes = 4u << 20;  // keys and values of one commit

// The highest epoch that a directory has heard of.
std::string encode_promise(std::uint64_t epoch);
Result<std::uint64_t> decode_promise(std::string_view bytes);  // corrupt

// A whole state, and the epoch it was written in. Its log is the one of the same epoch and
// revision.
struct Snapshot {
  std::uint64_t epoch = 0;
  State state{};
};
std::string encode_snapshot(std::uint64_t epoch, const State& state);
Result<Snapshot> decode_snapshot(std::string_view bytes);  // corrupt

// The log that continues a snapshot: a header, then one record for each commit.
struct Record {
  std::uint64_t revision = 0;
  std::vector<Change> changes{};
};
std::string log_name(std::uint64_t epoch, std::uint64_t revision);
bool is_log_name(std::string_view name);
std::string encode_log_header(std::uint64_t epoch, std::uint64_t revision);
// Appends a record to `out`. `durable`: the revision up to which this log is known to be synced.
void append_record(std::string& out, std::uint64_t epoch, std::uint64_t revision,
                   std::uint64_t durable, const std::vector<Change>& changes);
// Bytes of keys and values, as kMaxCommitBytes counts them.
std::size_t record_bytes(const std::vector<Change>& changes);
// The records of a log, up to its end or to where an unsynced tail was torn off by a crash.
// corrupt: records that had been synced are damaged or missing.
Result<std::vector<Record>> decode_log(std::string_view bytes, std::uint64_t epoch,
                                       std::uint64_t revision);

}  // namespace cairn::control::format
