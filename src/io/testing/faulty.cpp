#include "io/testing/faulty.h"

namespace cairn::io::testing {
namespace {

// Runs `work` under `fault`. The work is lazy: not awaited, it never happens.
template <class T>
Task<Result<T>> under(Fault fault, Task<Result<T>> work) {
  if (fault.delay > Duration::zero()) co_await sleep_for(fault.delay);
  if (fault.error && !fault.done_nevertheless) co_return std::move(*fault.error);
  auto result = co_await std::move(work);
  if (fault.error) co_return std::move(*fault.error);
  co_return result;
}

class FaultyFile final : public File {
 public:
  FaultyFile(std::unique_ptr<File> inner,
             std::shared_ptr<const FaultyFileSystem::Injector> injector, std::string path)
      : inner_(std::move(inner)), injector_(std::move(injector)), path_(std::move(path)) {}

  Task<Result<std::size_t>> read_at(std::uint64_t offset, MutableBytes into) override {
    const Fault fault = (*injector_)(FileOp::read, path_);
    const bool flip = fault.flip_bit;
    CAIRN_CO_ASSIGN(const std::size_t n, co_await under(fault, inner_->read_at(offset, into)));
    if (flip && n > 0) into[0] ^= std::byte{1};
    co_return n;
  }
  Task<Result<void>> write_at(std::uint64_t offset, std::vector<Bytes> data) override {
    return under((*injector_)(FileOp::write, path_), inner_->write_at(offset, std::move(data)));
  }
  // Nobody waits here: a delay is not taken.
  Result<void> write_synced_blocking(std::uint64_t offset, std::vector<Bytes> data) override {
    Fault fault = (*injector_)(FileOp::write, path_);
    if (fault.error && !fault.done_nevertheless) return std::move(*fault.error);
    auto written = inner_->write_synced_blocking(offset, std::move(data));
    if (fault.error) return std::move(*fault.error);
    return written;
  }
  Task<Result<void>> sync_data() override {
    return under((*injector_)(FileOp::sync, path_), inner_->sync_data());
  }
  Task<Result<void>> discard(std::uint64_t offset, std::uint64_t length) override {
    return under((*injector_)(FileOp::discard, path_), inner_->discard(offset, length));
  }
  Task<Result<FileInfo>> info() override {
    return under((*injector_)(FileOp::size, path_), inner_->info());
  }

 private:
  std::unique_ptr<File> inner_;
  std::shared_ptr<const FaultyFileSystem::Injector> injector_;
  std::string path_;
};

}  // namespace

FaultyFileSystem::FaultyFileSystem(FileSystem& inner, Injector injector)
    : inner_(inner), injector_(std::make_shared<const Injector>(std::move(injector))) {}
FaultyFileSystem::~FaultyFileSystem() = default;

Task<Result<std::unique_ptr<File>>> FaultyFileSystem::open(std::string path, Open mode) {
  const Fault fault = (*injector_)(FileOp::open, path);
  CAIRN_CO_ASSIGN(auto file, co_await under(fault, inner_.open(path, mode)));
  co_return std::make_unique<FaultyFile>(std::move(file), injector_, std::move(path));
}
Task<Result<void>> FaultyFileSystem::remove(std::string path) {
  const Fault fault = (*injector_)(FileOp::remove, path);
  return under(fault, inner_.remove(std::move(path)));
}
Task<Result<void>> FaultyFileSystem::rename(std::string from, std::string to) {
  const Fault fault = (*injector_)(FileOp::rename, from);
  return under(fault, inner_.rename(std::move(from), std::move(to)));
}
Task<Result<void>> FaultyFileSystem::make_directory(std::string path) {
  const Fault fault = (*injector_)(FileOp::make_directory, path);
  return under(fault, inner_.make_directory(std::move(path)));
}
Task<Result<void>> FaultyFileSystem::sync_directory(std::string path) {
  const Fault fault = (*injector_)(FileOp::sync_directory, path);
  return under(fault, inner_.sync_directory(std::move(path)));
}
Task<Result<std::vector<DirectoryEntry>>> FaultyFileSystem::list(std::string path) {
  const Fault fault = (*injector_)(FileOp::list, path);
  return under(fault, inner_.list(std::move(path)));
}
Task<Result<SpaceInfo>> FaultyFileSystem::space(std::string path) {
  const Fault fault = (*injector_)(FileOp::space, path);
  return under(fault, inner_.space(std::move(path)));
}

}  // namespace cairn::io::testing
