// Tells a torn end of RocksDB's log, which every power cut may leave, from damage to what had been
// acknowledged, which means that the drive lost synced state (protocol.md 7.4) and must not come
// back as if nothing had happened.
//
// How: every batch carries a marker with the sequence number up to which the log was known to be
// synced when the batch was written. If a batch behind the first damaged one says that the damaged
// one had been synced, it was acknowledged. The log's format:
// https://github.com/facebook/rocksdb/wiki/Write-Ahead-Log-File-Format
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cairn::drive {

// What goes into the log (not into the tables) with each batch.
std::string synced_marker(std::uint64_t synced_through);

struct WalCheck {
  enum class Verdict : std::uint8_t { sound, torn, damaged };
  Verdict verdict = Verdict::sound;
  std::string where{};  // file and offset of the first bad record
};

// One log file's bytes. `expected`: the sequence number that its first batch should have (0:
// unknown).
struct WalScan {
  bool sound = true;
  std::uint64_t bad_offset = 0;
  std::uint64_t next_sequence = 0;    // of the first batch that could not be read
  std::uint64_t synced_seen = 0;      // the highest marker found before the bad record
  std::uint64_t synced_behind = 0;    // and behind it
  std::uint64_t sequence_behind = 0;  // of the first batch found behind it; 0: none
};
WalScan scan_wal(std::string_view log, std::uint64_t expected = 0);

// All logs in the directory of an index that is not open.
Result<WalCheck> check_wal(const std::string& directory);

}  // namespace cairn::drive
