// Looking at, making and opening the directory of a drive.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/log.h"
#include "drive/format_file.h"
#include "drive/local_drive_impl.h"

namespace cairn::drive {
namespace {

constexpr std::string_view kFormatName = "format.json";
constexpr std::string_view kLockName = "lock";
// Made before format.json is, so that an interrupted creation is begun again and not taken for
// foreign files.
constexpr std::array<std::string_view, 4> kDirectories = {"meta", "blobs", "tmp", "quarantine"};
// What may lie in a directory that counts as empty.
constexpr std::array<std::string_view, 5> kHarmless = {"lost+found", kLockName, "format.json.new",
                                                       ".keep", ".gitkeep"};

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

std::string at(const std::string& path, std::string_view name) {
  return path + "/" + std::string(name);
}

std::string two_hex(unsigned v) {
  static constexpr char digits[] = "0123456789abcdef";
  return {digits[v >> 4], digits[v & 15]};
}

bool is_read_only_error(const Error& error) {
  return error.code == Code::read_only;
}

// Whether files can be made here: a full disk can be read, a read-only one can not be used.
io::Task<Result<void>> try_write(io::FileSystem& files, std::string path) {
  const std::string probe_file = at(path, ".cairn-probe");
  static_cast<void>(co_await files.remove(probe_file));
  auto file = co_await files.open(probe_file, io::FileSystem::Open::create_new);
  if (!file) {
    if (file.code() == Code::no_space) co_return Result<void>{};
    co_return Error{std::move(file.error())};
  }
  file->reset();
  static_cast<void>(co_await files.remove(probe_file));
  co_return Result<void>{};
}

Probe found(Probe::State state, std::string reason) {
  Probe probe;
  probe.state = state;
  probe.reason = std::move(reason);
  return probe;
}

// An empty drive, or one whose creation was interrupted: nothing in it but what creation makes.
io::Task<Probe> probe_unformatted(io::FileSystem& files, std::string path,
                                  std::vector<io::DirectoryEntry> entries) {
  for (const auto& entry : entries) {
    const bool ours = entry.is_directory && contains(kDirectories, entry.name);
    if (contains(kHarmless, entry.name) || entry.name == ".cairn-probe") continue;
    if (!ours)
      co_return found(
          Probe::State::foreign_files,
          path + " holds \"" + entry.name + "\" and is no drive of Cairn; name an empty directory");
    if (entry.name == "blobs") continue;
    auto inside = co_await files.list(at(path, entry.name));
    if (!inside) co_return found(Probe::State::unreadable, inside.error().message);
    if (!inside->empty())
      co_return found(Probe::State::foreign_files,
                      path + " holds " + entry.name +
                          "/ of a drive but no format.json: restore that file, or empty "
                          "the directory to use it as a new drive");
  }
  auto writable = co_await try_write(files, path);
  if (!writable && is_read_only_error(writable.error()))
    co_return found(Probe::State::read_only, path + " is on a read-only file system");
  if (!writable)
    co_return found(Probe::State::unreadable,
                    path + " cannot be written: " + writable.error().message);
  co_return found(Probe::State::empty, "it is empty");
}

class DirectoryLock {
 public:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  ~DirectoryLock() { ::close(fd_); }

 private:
  int fd_;
};

// Held for the life of the drive; ends with the process, however that ends.
Result<std::shared_ptr<void>> lock_directory(const std::string& path) {
  const std::string name = at(path, kLockName);
  const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    const Code code = errno == EROFS ? Code::read_only : Code::io_error;
    return Error{code, name + " cannot be opened: " + std::generic_category().message(errno)};
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    ::close(fd);
    if (why == EWOULDBLOCK)
      return Error{Code::already_exists, path + " is in use by another process of Cairn"};
    return Error{Code::io_error,
                 name + " cannot be locked: " + std::generic_category().message(why)};
  }
  return std::shared_ptr<void>(std::make_shared<DirectoryLock>(fd));
}

io::Task<Result<Format>> read_format(io::FileSystem& files, std::string path) {
  auto text = co_await files.read_file(at(path, kFormatName));
  if (!text)
    co_return Error{text.code(), path + ": format.json cannot be read: " + text.error().message};
  auto format = decode_format(*text);
  if (!format) co_return Error{format.code(), path + ": " + format.error().message};
  co_return format;
}

}  // namespace

io::Task<Result<Probe>> probe(io::FileSystem& files, std::string path) {
  auto entries = co_await files.list(path);
  if (!entries) {
    if (entries.code() == Code::not_found)
      co_return found(Probe::State::missing, path + " does not exist");
    co_return found(Probe::State::unreadable, path + " cannot be read: " + entries.error().message);
  }
  const bool has_format = std::ranges::any_of(
      *entries, [](const auto& entry) { return entry.name == kFormatName && !entry.is_directory; });
  if (!has_format) co_return co_await probe_unformatted(files, path, std::move(*entries));
  auto format = co_await read_format(files, path);
  if (!format) co_return found(Probe::State::unreadable, format.error().message);
  auto writable = co_await try_write(files, path);
  if (!writable && is_read_only_error(writable.error())) {
    Probe out = found(Probe::State::read_only, path + " is on a read-only file system");
    out.format = std::move(*format);
    co_return out;
  }
  if (!writable)
    co_return found(Probe::State::unreadable,
                    path + " cannot be written: " + writable.error().message);
  Probe out = found(Probe::State::formatted, {});
  out.format = std::move(*format);
  co_return out;
}

io::Task<Result<void>> format_drive(io::FileSystem& files, std::string path, Format format) {
  CAIRN_CO_ASSIGN(const Probe before, co_await probe(files, path));
  if (before.state == Probe::State::formatted)
    co_return Error{Code::already_exists, path + " is a drive already"};
  if (before.state != Probe::State::empty) {
    const Code code =
        before.state == Probe::State::read_only ? Code::read_only : Code::invalid_argument;
    co_return Error{code, before.reason};
  }
  for (const auto directory : kDirectories)
    CAIRN_CO_TRY(co_await files.make_directory(at(path, directory)));
  for (unsigned i = 0; i < 256; ++i)
    CAIRN_CO_TRY(co_await files.make_directory(at(path, "blobs/" + two_hex(i))));
  CAIRN_CO_TRY(co_await files.sync_directory(at(path, "blobs")));
  CAIRN_CO_TRY(co_await files.sync_directory(path));
  // The directory's own name: its parent may belong to somebody else, and then it was there before.
  if (const auto slash = path.rfind('/'); slash != std::string::npos) {
    auto synced = co_await files.sync_directory(slash == 0 ? "/" : path.substr(0, slash));
    if (!synced)
      log::warn("the directory above a drive cannot be synced",
                {{"path", path}, {"reason", synced.error().message}});
  }
  // Last: where it is, everything else is.
  co_return co_await files.replace_file(at(path, kFormatName), encode_format(format));
}

io::Task<Result<MountedFormat>> mount_format(io::FileSystem& files, std::string path) {
  CAIRN_CO_ASSIGN(Format format, co_await read_format(files, path));
  ++format.generation;
  auto raised = co_await files.replace_file(at(path, kFormatName), encode_format(format));
  if (!raised) {
    if (is_read_only_error(raised.error()))
      co_return Error{Code::read_only, path + " is on a read-only file system"};
    co_return Error{raised.code(),
                    path + ": its generation cannot be raised: " + raised.error().message};
  }
  co_return MountedFormat{std::move(format)};
}

io::Task<Result<std::unique_ptr<Drive>>> open_local_drive(World world, LocalDriveOptions options) {
  const std::string path = options.path;
  CAIRN_CO_ASSIGN(const Probe look, co_await probe(world.files, path));
  if (look.state != Probe::State::formatted) {
    const Code code = look.state == Probe::State::read_only ? Code::read_only
                      : look.state == Probe::State::missing ? Code::not_found
                                                            : Code::corrupt;
    co_return Error{code, look.reason};
  }
  CAIRN_CO_ASSIGN(auto lock, lock_directory(path));
  CAIRN_CO_ASSIGN(const MountedFormat mounted, co_await mount_format(world.files, path));
  IndexOptions index_options;
  index_options.block_cache_bytes = options.block_cache_bytes;
  index_options.memtable_bytes = options.memtable_bytes;
  index_options.sync = options.sync;
  index_options.fresh_seed = world.random.next_u64();
  auto index = co_await world.pool.run([index_path = at(path, "meta"), index_options] {
    return open_rocksdb_index(index_path, index_options);
  });
  if (!index) {
    std::string why = path + ": " + index.error().message;
    if (mounted.format.layout_version < kLayoutVersion && index.code() == Code::corrupt)
      why += "; it was written by an older version of Cairn: start and stop that once more";
    co_return Error{index.code(), std::move(why)};
  }
  // From here on an older version would miss what the index's log has.
  if (mounted.format.layout_version < kLayoutVersion) {
    Format raised = mounted.format;
    raised.layout_version = kLayoutVersion;
    CAIRN_CO_TRY(co_await world.files.replace_file(at(path, kFormatName), encode_format(raised)));
  }
  CoreParts parts{.files = world.files,
                  .pool = world.pool,
                  .metrics = world.metrics,
                  .executor = io::Executor::current()};
  parts.id = mounted.format.drive;
  parts.path = path;
  parts.index = std::move(*index);
  parts.generation = mounted.format.generation;
  parts.mount = world.random.next_u64() | 1;
  parts.reserve_bytes = options.reserve_bytes;
  parts.open_files = options.open_files;
  parts.partition_of = options.partition_of;
  parts.lock = std::move(lock);
  auto opened = co_await LocalDrive::open(std::move(parts));
  if (!opened) co_return Error{opened.code(), path + ": " + opened.error().message};
  log::info("opened a drive", {{"path", path},
                               {"drive", mounted.format.drive.hex()},
                               {"generation", mounted.format.generation}});
  co_return std::unique_ptr<Drive>(std::move(*opened));
}

}  // namespace cairn::drive
