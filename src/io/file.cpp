#include "io/file.h"

#include <algorithm>

namespace cairn::io {
namespace {

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Task<Result<void>> write_new(FileSystem& fs, std::string path, std::string content) {
  CAIRN_CO_ASSIGN(auto file, co_await fs.open(path, FileSystem::Open::create_new));
  std::vector<Bytes> pieces;
  pieces.push_back(as_bytes(content));
  co_return co_await file->write_synced(0, std::move(pieces));
}

}  // namespace

Task<Result<void>> File::write_synced(std::uint64_t offset, std::vector<Bytes> data) {
  CAIRN_CO_TRY(co_await write_at(offset, std::move(data)));
  co_return co_await sync_data();
}

Task<Result<std::uint64_t>> File::size() {
  CAIRN_CO_ASSIGN(const FileInfo about, co_await info());
  co_return about.bytes;
}

Task<Result<void>> FileSystem::replace_file(std::string path, std::string content) {
  const std::string temporary = path + ".new";
  auto removed = co_await remove(temporary);  // left by a crash
  if (!removed && removed.code() != Code::not_found) co_return removed;
  CAIRN_CO_TRY(co_await write_new(*this, temporary, std::move(content)));
  CAIRN_CO_TRY(co_await rename(temporary, path));
  co_return co_await sync_directory(parent_of(path));
}

Task<Result<std::string>> FileSystem::read_file(std::string path) {
  CAIRN_CO_ASSIGN(auto file, co_await open(path, Open::read));
  CAIRN_CO_ASSIGN(const std::uint64_t size, co_await file->size());
  // One byte more than it should have, so that the end is seen; /proc and the like have size 0 but
  // content.
  std::string content(std::max<std::uint64_t>(size + 1, 4096), '\0');
  std::size_t have = 0;
  for (;;) {
    const auto into = std::as_writable_bytes(std::span(content)).subspan(have);
    CAIRN_CO_ASSIGN(const std::size_t n, co_await file->read_at(have, into));
    have += n;
    if (n < into.size()) break;
    content.resize(content.size() * 2);
  }
  content.resize(have);
  co_return content;
}

}  // namespace cairn::io
