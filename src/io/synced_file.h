// Files of a fixed size that are written over in place, each write durable when it returns: what a
// write-ahead log is made of. A write changes no metadata of the file system, so it costs one write
// to the disk; it goes past the page cache where the file system can.
//
// Blocking, for threads that may block (everything else uses file.h); one call at a time per file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/file.h"

namespace cairn::io {

class SyncedFile {
 public:
  // `bytes` of zeros; space and name are durable when it returns. After an error there is no file.
  static Result<std::unique_ptr<SyncedFile>> create(const std::string& path, std::uint64_t bytes);
  static Result<std::unique_ptr<SyncedFile>> open(const std::string& path);

  virtual ~SyncedFile() = default;
  virtual std::uint64_t bytes() const = 0;
  // Fewer only at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t offset, MutableBytes into) = 0;
  // Durable when it returns, unless `sync` is false. After an error, what is there is unknown.
  // REQUIRES: within the file; offset, size and address are multiples of kDirectAlignment.
  virtual Result<void> write(std::uint64_t offset, Bytes data, bool sync) = 0;
  // After a crash it may be there again.
  virtual Result<void> remove() = 0;
};

// Makes the directory unless it is there; its name is durable when it returns.
Result<void> make_directory_durably(const std::string& path);
// Names of what is in it, in no order.
Result<std::vector<DirectoryEntry>> list_directory(const std::string& path);

}  // namespace cairn::io
