// From errno to Error, and the blocking system calls both real file systems share. Internal to io.
#pragma once

#include <sys/uio.h>

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

// A file as both real file systems hold it. `direct`: the same file past the page cache
// (create_streamed), null where the file system does not offer that.
struct OpenFile {
  DescriptorRef plain{};
  DescriptorRef direct{};
};

// Blocking; on any thread.
Result<OpenFile> open_blocking(const std::string& path, FileSystem::Open mode);
Result<std::size_t> read_blocking(const Descriptor& file, std::uint64_t offset, MutableBytes into);
// Whether each step of a write is durable by itself (RWF_DSYNC).
enum class Durable : std::uint8_t { no, yes };
Result<void> write_blocking(OpenFile file, std::uint64_t offset, std::vector<Bytes> data,
                            Durable durable);
Result<void> sync_blocking(const Descriptor& file);
Result<void> remove_blocking(const std::string& path);          // a file or an empty directory
Result<void> make_directory_blocking(const std::string& path);  // fine if it is there
Result<void> sync_directory_blocking(const std::string& path);
Result<std::vector<DirectoryEntry>> list_blocking(const std::string& path);
// The file at `path`, open as `fd`, past the page cache; null where the file system does not offer
// that.
DescriptorRef open_direct(const std::string& path, int fd);
// What the page cache holds of the range, from its beginning, without waiting for the disk.
std::size_t read_cached(const Descriptor& file, std::uint64_t offset, MutableBytes into);
// Fine where the file system cannot.
Result<void> discard_blocking(const Descriptor& file, std::uint64_t offset, std::uint64_t length);
Result<FileInfo> info_of(const Descriptor& file);

// A write in progress: which of its bytes the next system call takes, and through which descriptor.
class WriteSteps {
 public:
  WriteSteps(OpenFile file, std::uint64_t offset, std::vector<Bytes> data, Durable durable);
  bool done() const { return data_.empty(); }
  // REQUIRES (both): not done(). Valid until the next taken().
  const std::vector<iovec>& pieces() const { return pieces_; }
  int fd() const { return direct_ ? file_.direct->fd() : file_.plain->fd(); }
  std::uint64_t offset() const { return offset_; }
  int flags() const;  // of pwritev2
  // What the call returned: bytes written, or a negative errno. False: it failed for good. Where
  // the file system refuses a direct write, the page cache takes it.
  bool taken(std::int64_t result);

 private:
  void plan();
  bool plan_direct();
  void plan_plain();
  OpenFile file_;
  std::uint64_t offset_;
  std::vector<Bytes> data_;
  const Durable durable_;
  std::vector<iovec> pieces_;
  bool direct_ = false;
};

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

}  // namespace cairn::io
