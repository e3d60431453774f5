#include "control/directory.h"

#include "base/assert.h"
#include "control/format.h"

namespace cairn::control {
namespace {

constexpr std::string_view kEpochFile = "epoch";
constexpr std::string_view kSnapshotFile = "snapshot";

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

class Directory::Busy {
 public:
  explicit Busy(Directory& d) : directory_(d) { CAIRN_ASSERT(!directory_.busy_.exchange(true)); }
  ~Busy() { directory_.busy_ = false; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  Directory& directory_;
};

io::Task<Result<Loaded>> Directory::load() {
  const Busy busy(*this);
  CAIRN_CO_TRY(co_await files_.make_directory(path_));
  Loaded loaded;
  const auto promise = co_await files_.read_file(file(kEpochFile));
  if (promise) {
    CAIRN_CO_ASSIGN(loaded.promised, format::decode_promise(*promise));
  } else if (promise.code() != Code::not_found) {
    co_return Error{promise.error()};
  }
  const auto snapshot = co_await files_.read_file(file(kSnapshotFile));
  if (!snapshot) {
    if (snapshot.code() != Code::not_found) co_return Error{snapshot.error()};
    co_return loaded;
  }
  CAIRN_CO_ASSIGN(auto decoded, format::decode_snapshot(*snapshot));
  if (decoded.epoch > loaded.promised)
    co_return Error{Code::corrupt, "control store: the epoch file is older than the snapshot"};
  loaded.epoch = decoded.epoch;
  loaded.state = std::move(decoded.state);
  co_return co_await load_log(std::move(loaded));
}

io::Task<Result<Loaded>> Directory::load_log(Loaded loaded) {
  const auto name = format::log_name(loaded.epoch, loaded.state.revision);
  const auto bytes = co_await files_.read_file(file(name));
  if (!bytes) {
    // The log's name was durable before the snapshot was.
    if (bytes.code() == Code::not_found)
      co_return Error{Code::corrupt, "control store: the log of the snapshot is gone"};
    co_return Error{bytes.error()};
  }
  CAIRN_CO_ASSIGN(const auto records,
                  format::decode_log(*bytes, loaded.epoch, loaded.state.revision));
  std::vector<Event> events;
  for (const auto& record : records) {
    loaded.state.apply(record.changes, events);
    events.clear();
    CAIRN_ASSERT(loaded.state.revision == record.revision);
  }
  loaded.full = true;
  co_return loaded;
}

io::Task<Result<void>> Directory::promise(std::uint64_t epoch) {
  const Busy busy(*this);
  CAIRN_CO_TRY(co_await files_.make_directory(path_));
  CAIRN_CO_TRY(co_await files_.sync_directory(parent_of(path_)));
  co_return co_await files_.replace_file(file(kEpochFile), format::encode_promise(epoch));
}

io::Task<Result<void>> Directory::install(std::shared_ptr<const std::string> snapshot,
                                          std::uint64_t epoch, std::uint64_t revision) {
  const Busy busy(*this);
  // The new log first, under a name of its own; the snapshot switches over to it; the old log goes
  // last. Cut anywhere, the directory holds the old state or the new one.
  const auto name = format::log_name(epoch, revision);
  const auto header = format::encode_log_header(epoch, revision);
  log_.reset();
  CAIRN_CO_TRY(co_await files_.replace_file(file(name), header));
  CAIRN_CO_ASSIGN(log_, co_await files_.open(file(name), io::FileSystem::Open::read_write));
  log_bytes_ = header.size();
  CAIRN_CO_TRY(co_await files_.replace_file(file(kSnapshotFile), *snapshot));
  co_await remove_other_logs(name);
  co_return Result<void>{};
}

io::Task<void> Directory::remove_other_logs(std::string keep) {
  // What stays because of an error is only in the way of nobody, and goes the next time.
  const auto entries = co_await files_.list(path_);
  if (!entries) co_return;
  for (const auto& entry : *entries)
    if (format::is_log_name(entry.name) && entry.name != keep)
      (void)co_await files_.remove(file(entry.name));
}

io::Task<Result<void>> Directory::append(std::shared_ptr<const std::string> records) {
  const Busy busy(*this);
  CAIRN_ASSERT(log_ != nullptr);
  std::vector<io::Bytes> pieces{as_bytes(*records)};
  CAIRN_CO_TRY(co_await log_->write_at(log_bytes_, std::move(pieces)));
  auto synced = co_await log_->sync_data();
  if (!synced) {
    sync_failed_ = true;
    co_return synced;
  }
  log_bytes_ += records->size();
  // Whoever deleted the directory left us the open file: what it takes in is not there after a
  // restart.
  CAIRN_CO_ASSIGN(const io::FileInfo about, co_await log_->info());
  if (!about.named) co_return Error{Code::io_error, path_ + ": its log was removed"};
  co_return Result<void>{};
}

}  // namespace cairn::control
