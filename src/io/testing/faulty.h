// A file system that fails, is slow or lies, as a test's injector says for each operation.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "io/file.h"

namespace cairn::io::testing {

enum class FileOp : std::uint8_t {
  open,
  read,
  write,
  sync,
  size,
  discard,
  remove,
  rename,
  make_directory,
  sync_directory,
  list,
  space,
};

struct Fault {
  std::optional<Error> error{};  // returned instead of the result
  // The operation is done before the error is returned: an outcome that the caller cannot know.
  // Else it is not.
  bool done_nevertheless = false;
  Duration delay{};       // before the operation
  bool flip_bit = false;  // reads: the first byte returned is wrong
};

class FaultyFileSystem final : public FileSystem {
 public:
  // Called for every operation with the path it concerns (rename: the old name); on whatever thread
  // it runs.
  using Injector = std::function<Fault(FileOp op, const std::string& path)>;
  FaultyFileSystem(FileSystem& inner, Injector injector);
  ~FaultyFileSystem() override;

  std::string_view name() const override { return "faulty"; }
  Task<Result<std::unique_ptr<File>>> open(std::string path, Open mode) override;
  Task<Result<void>> remove(std::string path) override;
  Task<Result<void>> rename(std::string from, std::string to) override;
  Task<Result<void>> make_directory(std::string path) override;
  Task<Result<void>> sync_directory(std::string path) override;
  Task<Result<std::vector<DirectoryEntry>>> list(std::string path) override;
  Task<Result<SpaceInfo>> space(std::string path) override;

 private:
  FileSystem& inner_;
  std::shared_ptr<const Injector> injector_;
};

}  // namespace cairn::io::testing
