// One directory of the embedded control store.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "control/state.h"
#include "io/file.h"

namespace cairn::control {

// What a directory held when it was opened.
struct Loaded {
  std::uint64_t promised = 0;  // 0: nothing was ever promised here, the directory is new
  bool full = false;           // it has a snapshot and a log: it counts for the majority
  std::uint64_t epoch = 0;     // of its snapshot
  State state{};               // of snapshot and log
};

// Calls come one after the other; after an error the directory is not used again. Held by
// shared_ptr: an operation that was given up keeps it alive until the disk answers.
class Directory {
 public:
  Directory(io::FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  // Reads everything; makes the directory if it is not there. corrupt: what was synced is damaged.
  io::Task<Result<Loaded>> load();
  // Durable when it returns, as the others are.
  io::Task<Result<void>> promise(std::uint64_t epoch);
  // Starts anew from a snapshot: afterwards the directory is full and its log is empty.
  io::Task<Result<void>> install(std::shared_ptr<const std::string> snapshot, std::uint64_t epoch,
                                 std::uint64_t revision);
  // REQUIRES: installed.
  io::Task<Result<void>> append(std::shared_ptr<const std::string> records);

  const std::string& path() const { return path_; }
  std::uint64_t log_bytes() const { return log_bytes_; }
  // An operation has not come back. Thread-safe.
  bool busy() const { return busy_; }
  // A sync of the log failed: nothing on this disk is believed until it is opened anew.
  // Thread-safe.
  bool sync_failed() const { return sync_failed_; }

 private:
  class Busy;
  io::Task<Result<Loaded>> load_log(Loaded loaded);
  io::Task<void> remove_other_logs(std::string keep);
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

  io::FileSystem& files_;
  const std::string path_;
  std::unique_ptr<io::File> log_{};
  std::uint64_t log_bytes_ = 0;
  std::atomic<bool> busy_{false};
  std::atomic<bool> sync_failed_{false};
};

}  // namespace cairn::control
