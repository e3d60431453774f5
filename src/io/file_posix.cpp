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

// What is copied from the page cache on a reactor before others get their turn.
constexpr std::size_t kCachedPiece = std::size_t{2} << 20;
// Less than this is cheaper to copy, when a sync that follows sends it to the disk in one go.
constexpr std::size_t kLeastDirect = std::size_t{256} << 10;

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

Result<SpaceInfo> space_blocking(const std::string& path) {
  struct statvfs info;
  const int rc = retry([&] { return ::statvfs(path.c_str(), &info); });
  if (rc != 0) return errno_error(errno, "statvfs", path);
  return SpaceInfo{static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize,
                   static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize};
}

// Removes `n` written bytes (and empty pieces) from the front.
void consume(std::vector<Bytes>& data, std::size_t n) {
  std::size_t done = 0;
  while (done < data.size() && n >= data[done].size()) n -= data[done++].size();
  data.erase(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(done));
  if (!data.empty()) data.front() = data.front().subspan(n);
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
    // A stream of its own: no other thread reads from it.
    const dirent* const entry = ::readdir(directory);  // NOLINT(concurrency-mt-unsafe)
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

// The file once more, past the page cache; null where that is not offered. `fd`: it is open
// already.
DescriptorRef open_direct(const std::string& path, int fd) {
  struct statx info{};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 &&
      (info.stx_mask & STATX_DIOALIGN) != 0) {
    const auto fits = [](std::uint32_t align) {
      return align != 0 && kDirectAlignment % align == 0;
    };
    if (!fits(info.stx_dio_mem_align) || !fits(info.stx_dio_offset_align)) return nullptr;
  }
  const int direct = retry([&] { return ::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC); });
  return direct < 0 ? nullptr : std::make_shared<Descriptor>(direct, path);
}

Result<OpenFile> open_blocking(const std::string& path, FileSystem::Open mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case FileSystem::Open::read:
      flags |= O_RDONLY;
      break;
    case FileSystem::Open::create_new:
    case FileSystem::Open::create_streamed:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
    case FileSystem::Open::read_write:
      flags |= O_RDWR;
      break;
  }
  const int fd = retry([&] { return ::open(path.c_str(), flags, 0600); });
  if (fd < 0) return errno_error(errno, "open", path);
  OpenFile file{std::make_shared<Descriptor>(fd, path), nullptr};
  if (mode == FileSystem::Open::create_streamed) file.direct = open_direct(path, fd);
  return file;
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

WriteSteps::WriteSteps(OpenFile file, std::uint64_t offset, std::vector<Bytes> data,
                       Durable durable)
    : file_(std::move(file)), offset_(offset), data_(std::move(data)), durable_(durable) {
  consume(data_, 0);
  plan();
}

void WriteSteps::plan() {
  pieces_.clear();
  direct_ = !data_.empty() && file_.direct != nullptr && plan_direct();
  if (!direct_) plan_plain();
}

// The aligned bytes at the front, if they are enough to be worth waiting for the disk.
bool WriteSteps::plan_direct() {
  if (offset_ % kDirectAlignment != 0) return false;
  std::size_t bytes = 0;
  for (const Bytes& piece : data_) {
    if (pieces_.size() == IOV_MAX ||
        reinterpret_cast<std::uintptr_t>(piece.data()) % kDirectAlignment != 0)
      break;
    const std::size_t whole = piece.size() / kDirectAlignment * kDirectAlignment;
    if (whole > 0) pieces_.push_back({const_cast<std::byte*>(piece.data()), whole});
    bytes += whole;
    if (whole < piece.size()) break;
  }
  if (bytes >= (durable_ == Durable::yes ? kDirectAlignment : kLeastDirect)) return true;
  pieces_.clear();
  return false;
}

void WriteSteps::plan_plain() {
  for (const Bytes& piece : data_) {
    if (pieces_.size() == IOV_MAX) break;
    pieces_.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
  }
}

bool WriteSteps::taken(std::int64_t result) {
  if (direct_ && (result == -EINVAL || result == -EOPNOTSUPP)) {
    file_.direct.reset();
    plan();
    return true;
  }
  if (result == -EINTR || result == -EAGAIN) return true;
  if (result <= 0) return false;
  offset_ += static_cast<std::uint64_t>(result);
  consume(data_, static_cast<std::size_t>(result));
  plan();
  return true;
}

int WriteSteps::flags() const {
  return durable_ == Durable::yes ? RWF_DSYNC : 0;
}

Result<void> write_blocking(OpenFile file, std::uint64_t offset, std::vector<Bytes> data,
                            Durable durable) {
  WriteSteps steps(file, offset, std::move(data), durable);
  while (!steps.done()) {
    const ssize_t n =
        ::pwritev2(steps.fd(), steps.pieces().data(), static_cast<int>(steps.pieces().size()),
                   static_cast<off_t>(steps.offset()), steps.flags());
    const int error = n < 0 ? errno : EIO;
    if (!steps.taken(n < 0 ? -error : n)) return errno_error(error, "write", file.plain->path());
  }
  return {};
}

Result<void> sync_blocking(const Descriptor& file) {
  if (::fdatasync(file.fd()) != 0) return errno_error(errno, "sync", file.path());
  return {};
}

std::size_t read_cached(const Descriptor& file, std::uint64_t offset, MutableBytes into) {
  const iovec piece{into.data(), std::min(into.size(), kCachedPiece)};
  // Any error is left for the read that follows to meet again.
  const ssize_t n = ::preadv2(file.fd(), &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

Result<void> discard_blocking(const Descriptor& file, std::uint64_t offset, std::uint64_t length) {
  const int rc = retry([&] {
    return ::fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(offset), static_cast<off_t>(length));
  });
  if (rc != 0 && errno != EOPNOTSUPP) return errno_error(errno, "cut", file.path());
  return {};
}

Result<FileInfo> info_of(const Descriptor& file) {
  struct stat info;
  if (::fstat(file.fd(), &info) != 0) return errno_error(errno, "stat", file.path());
  return FileInfo{static_cast<std::uint64_t>(info.st_size), info.st_nlink > 0};
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
