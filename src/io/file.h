// Files: the only way Cairn touches a file system outside RocksDB. Implementations: io_uring, a thread pool (both
// real), and test layers that record syncs, lose unsynced writes (a power cut), or fail.
//
// All calls may be awaited on any executor and resume there. Paths are absolute. A failed sync is final: the caller
// ends the drive, nothing here retries it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/bytes.h"
#include "io/reactor.h"
#include "io/task.h"

namespace cairn::io {

struct FileInfo {
  std::uint64_t bytes = 0;
  // False: the file was removed, or another took its name, and it lives only as long as it is open. (One that was
  // renamed may say either.)
  bool named = true;
};

class File {
 public:
  virtual ~File() = default;  // closes
  // Reads up to into.size() bytes at `offset`; fewer only at the end of the file.
  virtual Task<Result<std::size_t>> read_at(std::uint64_t offset, MutableBytes into) = 0;
  // Writes all of `data` at `offset`. Not durable until sync_data(). `data` stays alive until the task ends.
  virtual Task<Result<void>> write_at(std::uint64_t offset, std::vector<Bytes> data) = 0;
  // Writes all of `data` at `offset`, on stable storage when it returns; in one operation where the
  // system has one. Says nothing of what was written before.
  virtual Task<Result<void>> write_synced(std::uint64_t offset, std::vector<Bytes> data);
  // As above, on the calling thread, which may block.
  virtual Result<void> write_synced_blocking(std::uint64_t offset, std::vector<Bytes> data) = 0;
  // After it returns, everything written is on stable storage (fdatasync).
  virtual Task<Result<void>> sync_data() = 0;
  // Gives the space of these bytes back where the file system can: they read as zeros from now on, but after a crash
  // perhaps as before. REQUIRES: offset and length are multiples of kDirectAlignment.
  virtual Task<Result<void>> discard(std::uint64_t offset, std::uint64_t length) = 0;
  // Never waits for the disk: an open file's inode is in memory.
  virtual Task<Result<FileInfo>> info() = 0;
  Task<Result<std::uint64_t>> size();
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
};

struct SpaceInfo {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;  // to an unprivileged writer
};

// What the memory, offset and length of a piece must be multiples of to be written without a copy.
inline constexpr std::size_t kDirectAlignment = 4096;

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual std::string_view name() const = 0;  // "io_uring", "threads", ...

  // read and read_write: an existing file (not_found). create_new: for both, and it must not exist (already_exists).
  // create_streamed: as create_new, for a file that is written front to back in large pieces and that nobody is waiting
  // to read: pieces of kDirectAlignment in memory, offset and length may go to the disk without a copy in the page
  // cache. Which ones do changes nothing of what write_at and sync_data promise.
  enum class Open { read, create_new, read_write, create_streamed };
  virtual Task<Result<std::unique_ptr<File>>> open(std::string path, Open mode) = 0;
  virtual Task<Result<void>> remove(std::string path) = 0;  // a file or an empty directory; not_found if absent
  virtual Task<Result<void>> rename(std::string from, std::string to) = 0;
  virtual Task<Result<void>> make_directory(std::string path) = 0;  // fine if it exists
  // Makes the names in a directory durable (created, renamed, removed entries).
  virtual Task<Result<void>> sync_directory(std::string path) = 0;
  virtual Task<Result<std::vector<DirectoryEntry>>> list(std::string path) = 0;
  virtual Task<Result<SpaceInfo>> space(std::string path) = 0;

  // Writes a small file so that after a crash either the old or the new content is there: temp, sync, rename, sync dir.
  Task<Result<void>> replace_file(std::string path, std::string content);
  Task<Result<std::string>> read_file(std::string path);
};

// io_uring where the kernel allows it (checked by a real operation), else threads. `forced`: "auto", "io_uring" (an
// error where unavailable), "threads".
Result<std::unique_ptr<FileSystem>> make_file_system(std::string_view forced, Reactors& reactors, BlockingPool& pool);

}  // namespace cairn::io
