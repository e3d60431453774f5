#include "io/synced_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/assert.h"
#include "io/file_posix.h"

namespace cairn::io {
namespace {

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  CAIRN_ASSERT(slash != std::string::npos);
  return path.substr(0, slash);
}

class PosixSyncedFile final : public SyncedFile {
 public:
  PosixSyncedFile(OpenFile file, std::uint64_t bytes) : file_(std::move(file)), bytes_(bytes) {}
  std::uint64_t bytes() const override { return bytes_; }
  Result<std::size_t> read(std::uint64_t offset, MutableBytes into) override {
    return read_blocking(*file_.plain, offset, into);
  }
  Result<void> write(std::uint64_t offset, Bytes data, bool sync) override {
    CAIRN_ASSERT(offset % kDirectAlignment == 0 && data.size() % kDirectAlignment == 0);
    CAIRN_ASSERT(offset + data.size() <= bytes_);
    return write_blocking(file_, offset, {data}, sync ? Durable::yes : Durable::no);
  }
  Result<void> remove() override { return remove_blocking(file_.plain->path()); }

 private:
  OpenFile file_;
  const std::uint64_t bytes_;
};

}  // namespace

Result<std::unique_ptr<SyncedFile>> SyncedFile::create(const std::string& path,
                                                       std::uint64_t bytes) {
  CAIRN_ASSIGN(OpenFile file, open_blocking(path, FileSystem::Open::create_streamed));
  const auto made = [&]() -> Result<void> {
    // Space first: a log that cannot grow is noticed before a write depends on it.
    const int error = ::posix_fallocate(file.plain->fd(), 0, static_cast<off_t>(bytes));
    if (error != 0) return errno_error(error, "allocate", path);
    if (::fsync(file.plain->fd()) != 0) return errno_error(errno, "sync", path);
    return sync_directory_blocking(directory_of(path));
  }();
  if (!made) {
    ::unlink(path.c_str());
    return made.error();
  }
  return std::make_unique<PosixSyncedFile>(std::move(file), bytes);
}

Result<std::unique_ptr<SyncedFile>> SyncedFile::open(const std::string& path) {
  CAIRN_ASSIGN(OpenFile file, open_blocking(path, FileSystem::Open::read_write));
  file.direct = open_direct(path, file.plain->fd());
  CAIRN_ASSIGN(const FileInfo info, info_of(*file.plain));
  return std::make_unique<PosixSyncedFile>(std::move(file), info.bytes);
}

Result<void> make_directory_durably(const std::string& path) {
  CAIRN_TRY(make_directory_blocking(path));
  return sync_directory_blocking(directory_of(path));
}

Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) {
  return list_blocking(path);
}

}  // namespace cairn::io
