#include "io/file_posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <system_error>

namespace cairn::io {
namespace {

Code code_of(int error) {
  switch (error) {
    case ENOENT:
      return Code::not_found;
    case EEXIST:
      return Code::already_exists;
    case ENOSPC:
    case EDQUOT:
      return Code::no_space;
    case EROFS:
      return Code::read_only;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
      return Code::slow_down;
    default:
      return Code::io_error;
  }
}

// Calls again when a signal interrupted.
template <class F>
auto retry(F call) -> decltype(call()) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

Result<void> remove_blocking(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return {};
  int error = errno;
  if (error == EISDIR) {
    if (::rmdir(path.c_str()) == 0) return {};
    error = errno;
  }
  return errno_error(error, "remove", path);
}

Result<void> make_directory_blocking(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  const int error = errno;
  struct stat info;
  if (error == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
  return errno_error(error, "make directory", path);
}

Result<void> sync_directory_blocking(const std::string& path) {
  const int fd = retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return errno_error(errno, "open directory", path);
  const Descriptor directory(fd, path);
  // An interrupted fsync is a failed one: what it had done is unknown, and a second one may report
  // success wrongly.
  if (::fsync(fd) != 0) return errno_error(errno, "sync directory", path);
  return {};
}

Result<std::vector<DirectoryEntry>> list_blocking(const std::string& path) {
  DIR* const directory = ::opendir(path.c_str());
  if (directory == nullptr) return errno_error(errno, "list", path);
  std::vector<DirectoryEntry> entries;
  int error = 0;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(directory);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool is_directory = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN) {
      struct stat info;
      if (::fstatat(::dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      is_directory = S_ISDIR(info.st_mode);
    }
    entries.push_back({std::string(name), is_directory});
  }
  ::closedir(directory);
  if (error != 0) return errno_error(error, "list", path);
  return entries;
}

Result<SpaceInfo> space_blocking(const std::string& path) {
  struct statvfs info;
  const int rc = retry([&] { return ::statvfs(path.c_str(), &info); });
  if (rc != 0) return errno_error(errno, "statvfs", path);
  return SpaceInfo{static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize,
                   static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize};
}

}  // namespace

Error errno_error(int error, std::string_view operation, std::string_view path) {
  std::string message(operation);
  message += ' ';
  message += path;
  message += ": ";
  message += std::generic_category().message(error);
  return {code_of(error), std::move(message)};
}

Descriptor::~Descriptor() {
  ::close(fd_);
}

Result<DescriptorRef> open_blocking(const std::string& path, FileSystem::Open mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case FileSystem::Open::read:
      flags |= O_RDONLY;
      break;
    case FileSystem::Open::create_new:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
    case FileSystem::Open::read_write:
      flags |= O_RDWR;
      break;
  }
  const int fd = retry([&] { return ::open(path.c_str(), flags, 0600); });
  if (fd < 0) return errno_error(errno, "open", path);
  return DescriptorRef(std::make_shared<Descriptor>(fd, path));
}

Result<std::size_t> read_blocking(const Descriptor& file, std::uint64_t offset, MutableBytes into) {
  std::size_t have = 0;
  while (have < into.size()) {
    const auto at = static_cast<off_t>(offset + have);
    const ssize_t n =
        retry([&] { return ::pread(file.fd(), into.data() + have, into.size() - have, at); });
    if (n < 0) return errno_error(errno, "read", file.path());
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  return have;
}

void consume(std::vector<Bytes>& data, std::size_t n) {
  std::size_t done = 0;
  while (done < data.size() && n >= data[done].size()) n -= data[done++].size();
  data.erase(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(done));
  if (!data.empty()) data.front() = data.front().subspan(n);
}

Result<void> write_blocking(const Descriptor& file, std::uint64_t offset, std::vector<Bytes> data) {
  std::vector<iovec> pieces;
  for (consume(data, 0); !data.empty();) {
    pieces.clear();
    for (const Bytes& piece : data) {
      if (pieces.size() == IOV_MAX) break;
      pieces.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
    }
    const ssize_t n = retry([&] {
      return ::pwritev(file.fd(), pieces.data(), static_cast<int>(pieces.size()),
                       static_cast<off_t>(offset));
    });
    if (n < 0) return errno_error(errno, "write", file.path());
    if (n == 0) return errno_error(EIO, "write", file.path());
    offset += static_cast<std::uint64_t>(n);
    consume(data, static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> sync_blocking(const Descriptor& file) {
  if (::fdatasync(file.fd()) != 0) return errno_error(errno, "sync", file.path());
  return {};
}

Result<std::uint64_t> size_blocking(const Descriptor& file) {
  struct stat info;
  if (::fstat(file.fd(), &info) != 0) return errno_error(errno, "stat", file.path());
  return static_cast<std::uint64_t>(info.st_size);
}

Task<Result<void>> PoolFileSystem::remove(std::string path) {
  co_return co_await pool_.run([path = std::move(path)] { return remove_blocking(path); });
}

Task<Result<void>> PoolFileSystem::rename(std::string from, std::string to) {
  co_return co_await pool_.run([from = std::move(from), to = std::move(to)]() -> Result<void> {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return errno_error(errno, "rename to " + to + " from", from);
  });
}

Task<Result<void>> PoolFileSystem::make_directory(std::string path) {
  co_return co_await pool_.run([path = std::move(path)] { return make_directory_blocking(path); });
}

Task<Result<void>> PoolFileSystem::sync_directory(std::string path) {
  co_return co_await pool_.run([path = std::move(path)] { return sync_directory_blocking(path); });
}

Task<Result<std::vector<DirectoryEntry>>> PoolFileSystem::list(std::string path) {
  co_return co_await pool_.run([path = std::move(path)] { return list_blocking(path); });
}

Task<Result<SpaceInfo>> PoolFileSystem::space(std::string path) {
  co_return co_await pool_.run([path = std::move(path)] { return space_blocking(path); });
}

}  // namespace cairn::io
