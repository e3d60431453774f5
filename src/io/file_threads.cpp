// Files by a pool of threads: works everywhere.
#include "io/file_posix.h"

namespace cairn::io {
namespace {

class ThreadFile final : public File {
 public:
  ThreadFile(BlockingPool& pool, DescriptorRef descriptor)
      : pool_(pool), file_(std::move(descriptor)) {}

  Task<Result<std::size_t>> read_at(std::uint64_t offset, MutableBytes into) override {
    co_return co_await pool_.run(
        [file = file_, offset, into] { return read_blocking(*file, offset, into); });
  }
  Task<Result<void>> write_at(std::uint64_t offset, std::vector<Bytes> data) override {
    co_return co_await pool_.run([file = file_, offset, data = std::move(data)]() mutable {
      return write_blocking(*file, offset, std::move(data));
    });
  }
  Task<Result<void>> sync_data() override {
    co_return co_await pool_.run([file = file_] { return sync_blocking(*file); });
  }
  // fstat does not touch the disk: the inode of an open file is in memory.
  Task<Result<std::uint64_t>> size() override { co_return size_blocking(*file_); }

 private:
  BlockingPool& pool_;
  DescriptorRef file_;
};

class ThreadFileSystem final : public PoolFileSystem {
 public:
  using PoolFileSystem::PoolFileSystem;
  std::string_view name() const override { return "threads"; }

  Task<Result<std::unique_ptr<File>>> open(std::string path, Open mode) override {
    auto opened =
        co_await pool_.run([path = std::move(path), mode] { return open_blocking(path, mode); });
    CAIRN_CO_TRY(opened);
    co_return make_thread_file(pool_, std::move(*opened));
  }
};

}  // namespace

std::unique_ptr<File> make_thread_file(BlockingPool& pool, DescriptorRef descriptor) {
  return std::make_unique<ThreadFile>(pool, std::move(descriptor));
}

std::unique_ptr<FileSystem> make_thread_file_system(BlockingPool& pool) {
  return std::make_unique<ThreadFileSystem>(pool);
}

}  // namespace cairn::io
