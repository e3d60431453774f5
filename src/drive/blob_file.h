// One blob file being written, and one being read, through io::FileSystem. What a drive does around
// them (names, space, failure) is blob_store.h's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "drive/blob_format.h"
#include "drive/drive.h"
#include "io/file.h"

namespace cairn::drive {

// Writes a shard under a temporary name. Durable, and under its own name, when finish() returned
// without an error.
class BlobFileWriter {
 public:
  static io::Task<Result<std::unique_ptr<BlobFileWriter>>> create(io::FileSystem& files,
                                                                  BlobName name,
                                                                  std::string temporary,
                                                                  std::string final_path,
                                                                  std::string final_directory);
  io::Task<Result<void>> append(ShardBytes data);
  // Footer, data sync, rename, directory sync.
  io::Task<Result<void>> finish();
  const std::string& temporary() const { return temporary_; }
  std::uint64_t size() const { return size_; }

 private:
  BlobFileWriter(io::FileSystem& files, BlobName name) : files_(files), name_(name) {}
  void sum(io::Bytes data);
  void add_sums(const ShardBytes& data, std::uint64_t bytes);
  void add_sum(io::Bytes block);
  io::FileSystem& files_;
  BlobName name_;
  std::string temporary_, final_path_, final_directory_;
  std::unique_ptr<io::File> file_;
  std::uint64_t size_ = 0;
  std::string table_;
  std::vector<std::byte> partial_;  // the bytes of a block that came in pieces
};

// An open blob. Immutable: any number of threads may read it at the same time.
class BlobFileReader {
 public:
  // not_found; corrupt: not a finished blob of this name. Reads the table of checksums.
  static io::Task<Result<std::unique_ptr<BlobFileReader>>> open(io::FileSystem& files,
                                                                std::string path, BlobName name);
  std::uint64_t size() const { return trailer_.size; }
  // False: the file was removed or cut since. Never waits for the disk.
  io::Task<Result<bool>> still_there() const;
  io::Task<Result<io::Bytes>> read(std::uint64_t offset, std::size_t length,
                                   io::MutableBytes into) const;
  std::size_t memory() const { return sizeof(*this) + table_.size(); }

 private:
  explicit BlobFileReader(BlobName name) : name_(name) {}
  BlobName name_;
  std::unique_ptr<io::File> file_;
  BlobTrailer trailer_;
  std::string table_;
};

}  // namespace cairn::drive
