// A file system in memory that knows what a power cut would leave of it.
//
// What counts as durable is what POSIX promises and no more: a file's bytes since its last
// sync_data(), a name since the last sync_directory() of the directory it is in. Everything else
// may or may not be there after power_cut(), in any combination: writes are torn at sectors of 512
// bytes and reorder freely, names created, renamed and removed without a sync come and go one by
// one (a rename is atomic).
//
// Thread-safe. Completes at once, or, where an executor runs, after one turn of it, so that a
// simulation can interleave.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/world.h"

namespace cairn::io::testing {

struct SyncRecord {
  enum class Kind : std::uint8_t { data, directory };
  Kind kind;
  std::string path;
  auto operator<=>(const SyncRecord&) const = default;
};

class PowerCutFileSystem final : public FileSystem {
 public:
  PowerCutFileSystem();
  ~PowerCutFileSystem() override;

  std::string_view name() const override { return "power_cut"; }
  Task<Result<std::unique_ptr<File>>> open(std::string path, Open mode) override;
  Task<Result<void>> remove(std::string path) override;
  Task<Result<void>> rename(std::string from, std::string to) override;
  Task<Result<void>> make_directory(std::string path) override;
  Task<Result<void>> sync_directory(std::string path) override;
  Task<Result<std::vector<DirectoryEntry>>> list(std::string path) override;
  Task<Result<SpaceInfo>> space(std::string path) override;

  // The power goes and comes back: what was not synced is kept or lost as `random` says. Files open
  // before fail with io_error from now on. The file system is powered again.
  void power_cut(Random& random);
  // As above, losing everything that was not synced.
  void power_cut_losing_all();
  // From the `operations`th changing operation (write, sync, create, rename, remove) from now on,
  // everything fails with io_error and changes nothing, until power_cut(): so a test can cut
  // between any two steps.
  void lose_power_after(std::uint64_t operations);
  // Changing operations so far.
  std::uint64_t operations() const;
  // Every sync that succeeded, in order.
  std::vector<SyncRecord> syncs() const;
  void forget_syncs();

  // Everything that is durable now, for put_back(). REQUIRES: nothing was changed since
  // power_cut().
  struct Image;
  std::shared_ptr<const Image> image() const;
  // The medium is as it was when the image was taken: an old copy stands in its place. As after a
  // power cut, files open before fail from now on.
  void put_back(const Image& image);

  struct Disk;

 private:
  std::shared_ptr<Disk> disk_;
};

}  // namespace cairn::io::testing
