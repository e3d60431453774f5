// From errno to Error, and the blocking system calls both real file systems share. Internal to io.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.h"

namespace cairn::io {

// "write /data/1/blob: No space left on device". Only ENOENT is not_found, only for the path
// itself; what the process ran out of (descriptors, memory) is slow_down and no fault of the drive.
Error errno_error(int error, std::string_view operation, std::string_view path);

// An open descriptor, closed with the last reference: an operation in flight keeps it open.
class Descriptor {
 public:
  Descriptor(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};
using DescriptorRef = std::shared_ptr<const Descriptor>;

// Blocking; on any thread.
Result<DescriptorRef> open_blocking(const std::string& path, FileSystem::Open mode);
Result<std::size_t> read_blocking(const Descriptor& file, std::uint64_t offset, MutableBytes into);
Result<void> write_blocking(const Descriptor& file, std::uint64_t offset, std::vector<Bytes> data);
Result<void> sync_blocking(const Descriptor& file);
Result<std::uint64_t> size_blocking(const Descriptor& file);

// Removes `n` written bytes (and empty pieces) from the front.
void consume(std::vector<Bytes>& data, std::size_t n);

// Everything but open() and the file's own operations, by the pool. What both real file systems
// share.
class PoolFileSystem : public FileSystem {
 public:
  explicit PoolFileSystem(BlockingPool& pool) : pool_(pool) {}
  Task<Result<void>> remove(std::string path) override;
  Task<Result<void>> rename(std::string from, std::string to) override;
  Task<Result<void>> make_directory(std::string path) override;
  Task<Result<void>> sync_directory(std::string path) override;
  Task<Result<std::vector<DirectoryEntry>>> list(std::string path) override;
  Task<Result<SpaceInfo>> space(std::string path) override;

 protected:
  BlockingPool& pool_;
};

std::unique_ptr<FileSystem> make_thread_file_system(BlockingPool& pool);
// `unavailable` where the kernel or a container forbids it.
Result<std::unique_ptr<FileSystem>> make_uring_file_system(Reactors& reactors, BlockingPool& pool);
// Operations of a file by the pool; also what the io_uring file does on a foreign executor.
std::unique_ptr<File> make_thread_file(BlockingPool& pool, DescriptorRef descriptor);

}  // namespace cairn::io
