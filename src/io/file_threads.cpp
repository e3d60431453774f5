// Files by a pool of threads: works everywhere.
#include "io/file_posix.h"

namespace cairn::io {
namespace {

class ThreadFile final : public File {
 public:
  ThreadFile(BlockingPool& pool, OpenFile file) : pool_(pool), file_(std::move(file)) {}

  Task<Result<std::size_t>> read_at(std::uint64_t offset, MutableBytes into) override {
    const std::size_t have = read_cached(*file_.plain, offset, into);
    if (have == into.size()) co_return have;
    CAIRN_CO_ASSIGN(
        const std::size_t more,
        co_await pool_.run([file = file_.plain, offset = offset + have, rest = into.subspan(have)] {
          return read_blocking(*file, offset, rest);
        }));
    co_return have + more;
  }
  Task<Result<void>> write_at(std::uint64_t offset, std::vector<Bytes> data) override {
    return write(offset, std::move(data), Durable::no);
  }
  Task<Result<void>> write_synced(std::uint64_t offset, std::vector<Bytes> data) override {
    return write(offset, std::move(data), Durable::yes);
  }
  Result<void> write_synced_blocking(std::uint64_t offset, std::vector<Bytes> data) override {
    return write_blocking(file_, offset, std::move(data), Durable::yes);
  }
  Task<Result<void>> sync_data() override {
    co_return co_await pool_.run([file = file_.plain] { return sync_blocking(*file); });
  }
  Task<Result<void>> discard(std::uint64_t offset, std::uint64_t length) override {
    co_return co_await pool_.run(
        [file = file_.plain, offset, length] { return discard_blocking(*file, offset, length); });
  }
  Task<Result<FileInfo>> info() override { co_return info_of(*file_.plain); }

 private:
  Task<Result<void>> write(std::uint64_t offset, std::vector<Bytes> data, Durable durable) {
    co_return co_await pool_.run([file = file_, offset, data = std::move(data), durable]() mutable {
      return write_blocking(file, offset, std::move(data), durable);
    });
  }

  BlockingPool& pool_;
  OpenFile file_;
};

class ThreadFileSystem final : public PoolFileSystem {
 public:
  using PoolFileSystem::PoolFileSystem;
  std::string_view name() const override { return "threads"; }

  Task<Result<std::unique_ptr<File>>> open(std::string path, Open mode) override {
    auto opened =
        co_await pool_.run([path = std::move(path), mode] { return open_blocking(path, mode); });
    CAIRN_CO_TRY(opened);
    co_return std::make_unique<ThreadFile>(pool_, std::move(*opened));
  }
};

}  // namespace

std::unique_ptr<FileSystem> make_thread_file_system(BlockingPool& pool) {
  return std::make_unique<ThreadFileSystem>(pool);
}

}  // namespace cairn::io
