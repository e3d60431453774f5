// The write-ahead log of a drive's index (docs/format/wal.md): each batch is durable here before
// the index takes it into memory, and can be forgotten here once the index has it in its files.
// Segments are written over again and again, so that a sync is one write to the disk.
//
// Invariants
//
//  L1  Batches are numbered without gaps. A record holds one or more that follow each other; the
//  next record is written only after the last one is durable. So a whole record with a gap before
//  it means that something durable was lost, and that is told from the torn end that a crash
//  leaves.
//
//  L2  A batch without sync is written with the next one that needs it, so it is never there
//  without those before it.
//
//  L3  The index stores the number of the newest batch it holds with each batch, and its files hold
//  a prefix of the batches. What is applied at a mount begins right behind that number, so nothing
//  is applied twice.
//
//  L4  A segment is written over only when the index holds all its batches in files (release()).
//
// Threads: one at a time. Blocks. After an error nothing is written any more; what the last write
// left is unknown.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/synced_file.h"

namespace cairn::drive {

inline constexpr std::size_t kWalPage = io::kDirectAlignment;  // records begin and end on pages

// What lies between page boundaries.
struct WalRecord {
  std::uint64_t first = 0;  // number of its first batch
  std::uint32_t batches = 0;
  std::uint64_t pages = 0;
  std::string_view payload{};  // length (4) and bytes of each batch
};
// Nothing when `bytes` do not begin with a whole record of this log.
std::optional<WalRecord> decode_wal_record(std::string_view bytes, std::uint64_t seed);

class WriteAheadLog {
 public:
  struct Options {
    std::uint64_t segment_bytes = std::uint64_t{8} << 20;
    std::size_t unsynced_bytes = std::size_t{4} << 20;  // more is written without being asked
    bool sync = true;                                   // false: nothing survives a crash for sure
  };
  // Takes over batch `number`, which is one more than the last.
  using Apply = std::function<Result<void>(std::uint64_t number, std::string_view batch)>;

  // Makes `directory` or reads what is in it, and hands over every batch behind `applied`, in
  // order. `seed`, a secret, tells this log's records from any other bytes, also from what a client
  // stores in them. Errors: corrupt when a durable batch behind `applied` is missing (what was
  // acknowledged would be lost) or there twice; those of files; those of `apply`.
  static Result<std::unique_ptr<WriteAheadLog>> open(std::string directory, std::uint64_t seed,
                                                     std::uint64_t applied, const Options& options,
                                                     const Apply& apply);
  ~WriteAheadLog();
  WriteAheadLog(const WriteAheadLog&) = delete;
  WriteAheadLog& operator=(const WriteAheadLog&) = delete;

  // The batch gets the number last() + 1. With `sync`, it and all before are durable on return.
  Result<void> append(std::string_view batch, bool sync);
  Result<void> sync();
  std::uint64_t last() const { return last_; }

  // The index holds all batches up to `number` in files: their segments can be written over.
  void release(std::uint64_t number);
  // Of segments that cannot be written over.
  std::uint64_t bytes_in_use() const { return bytes_in_use_; }
  // Removes the segments. REQUIRES: the index holds everything in files. Nothing is appended
  // afterwards.
  Result<void> remove();

 private:
  struct Segment {
    std::string path{};
    std::unique_ptr<io::SyncedFile> file{};
    std::uint64_t last = 0;  // the newest batch in it
  };
  struct Found;
  WriteAheadLog(std::string directory, std::uint64_t seed, const Options& options);
  Result<void> load(std::uint64_t applied, const Apply& apply);
  Result<void> scan(Segment& segment, std::size_t place, std::uint64_t applied,
                    std::vector<Found>& found);
  Result<void> replay(Segment& segment, const Found& found, const Apply& apply);
  Result<void> make_durable(Segment& segment, const Found& found);
  Result<void> write_record();
  Result<void> next_segment(std::uint64_t bytes);
  void reserve(std::size_t bytes);

  const std::string directory_;
  const std::uint64_t seed_;
  const Options options_;
  std::uint64_t last_ = 0;      // number of the newest batch
  std::uint64_t written_ = 0;   // of the newest that is in a record
  std::deque<Segment> used_{};  // in the order of their batches; the last is written to
  std::vector<Segment> free_{};
  std::uint64_t bytes_in_use_ = 0;
  std::uint64_t names_ = 0;  // number of the newest segment's name
  bool writable_ = false;    // the last of used_ has room from end_ on
  std::uint64_t end_ = 0;
  std::byte* room_ = nullptr;  // the record in the making
  std::size_t room_bytes_ = 0, filled_ = 0;
  bool failed_ = false;
};

}  // namespace cairn::drive
