// An index in memory that knows what a crash loses. The storage outlives the Index object, as a
// disk does: make an IndexDisk, open() it, destroy the Index, crash(), open() it again.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "drive/index.h"
#include "io/world.h"

namespace cairn::drive::testing {

class MemoryIndex;

class IndexDisk {
 public:
  using Table = std::map<std::string, std::string, std::less<>>;
  using Tables = std::array<std::shared_ptr<const Table>, kFamilies>;

  IndexDisk();
  // REQUIRES: the Index opened before is gone, or never used again.
  std::unique_ptr<Index> open();
  // Batches since the last sync are lost from some point on, as `random` says; synced ones stay.
  void crash(io::Random& random);
  void crash_losing_all();
  // The next `n` writes or syncs work, then all fail with `code` until it is called again with n <
  // 0.
  void fail_after(std::int64_t n, Code code = Code::io_error);
  std::uint64_t syncs() const;
  std::uint64_t writes() const;
  Tables tables() const;
  // The disk as it was when `tables` were taken: an old copy put in its place. REQUIRES: as open().
  void put_back(Tables tables);

 private:
  friend class MemoryIndex;
  void crash_to(std::size_t kept);
  Result<void> step();  // counts a write or sync, and fails where a test wants it
  mutable std::mutex mutex_;
  Tables now_;
  std::vector<Tables>
      history_;  // history_[0]: synced; then after each batch since, the last being now_
  std::int64_t fail_in_ = -1;
  Code fail_code_ = Code::io_error;
  std::uint64_t syncs_ = 0, writes_ = 0;
};

}  // namespace cairn::drive::testing
