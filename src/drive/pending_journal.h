// Pending mutations as the index keeps them: a journal of what each batch added and took away
// (docs/format/drive.md). Its keys only grow, so writing it costs little however many units there
// are, and a mutation that is settled with the others of its batch is taken away with their row,
// not by a row of its own.
//
//  J1  The pendings of a drive are what replaying all rows in order gives.
//  J2  One row per batch at most. A row goes when nothing that it added is pending and all older
//  ones are gone: so what a row takes away is never left without it.
//  J3  The oldest row holds up at most kMostRows newer ones: what is still pending of it is added
//  again by the newest.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "drive/index.h"
#include "drive/layout.h"
#include "drive/mirror.h"

namespace cairn::drive {

// What a batch does to the pendings of a unit, in order.
struct PendingEvent {
  std::string unit;
  Stamp stamp{};
  std::string added;  // encode_pending; empty: it is taken away
};

// Rows of Family::pending. Key: number (8).
std::string journal_key(std::uint64_t number);
std::string encode_journal_row(const std::vector<PendingEvent>& events);
// Calls `visit` for each event; views are valid during the call. corrupt.
struct JournalEvent {
  std::string_view unit;
  Stamp stamp{};
  bool adds = false;
  std::string_view pending;
};
Result<void> decode_journal_row(std::string_view value,
                                const std::function<Result<void>(const JournalEvent&)>& visit);

// By unit, each newest first.
using PendingUnits = std::map<std::string, Pendings, std::less<>>;
// Pendings as a reader sees them: of all units, or of one. `first`: no row before it is there, as
// PendingJournal::first() said before the reader was made; what was removed before it costs
// nothing.
Result<PendingUnits> load_pendings(Reader& reader, std::uint64_t first = 0);
Result<Pendings> load_pendings(Reader& reader, std::uint64_t first, std::string_view unit);

// The committer's side: writes rows and knows which of them are needed. Used by one thread, but for
// first().
class PendingJournal {
 public:
  static constexpr std::size_t kMostRows = 64;

  // What the index holds. REQUIRES: called before append().
  Result<PendingUnits> load(Reader& reader);
  // Puts what `events` say into `batch`, and takes rows away that are not needed. `mirror`: of all
  // pendings as they were before. REQUIRES: the batch is written next, and ends the drive if it is
  // not.
  void append(Batch& batch, std::vector<PendingEvent> events, const PendingMirror& mirror);
  std::size_t rows() const { return rows_.size(); }
  // The number of the oldest row that the index may hold. Thread-safe.
  std::uint64_t first() const { return first_.load(); }

 private:
  struct Row {
    std::uint64_t number = 0;
    std::size_t live = 0;  // pendings that this row added last
  };
  void add_again(std::vector<PendingEvent>& events, const PendingMirror& mirror);
  void release(std::uint64_t number);
  std::deque<Row> rows_;  // oldest first
  std::uint64_t next_ = 1;
  std::atomic<std::uint64_t> first_{0};
  std::unordered_map<std::string, std::uint64_t> where_;  // unit ‖ stamp -> number of its row
};

}  // namespace cairn::drive
