// Which blob files this process is dealing with, so that nothing removes a file that is about to be
// named, and a file that was just written need not be looked at. Thread-safe. What no commit, no
// writer and no removal concerns is not in here: the index knows it.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "drive/drive.h"

namespace cairn::drive {

class BlobRegistry {
 public:
  // False: it is being removed.
  bool begin_write(const BlobName& name);
  void end_write(const BlobName& name, bool finished);

  enum class Known : std::uint8_t { unknown, finished, removing };
  // Keeps the blob from being removed until unpin(). What is being removed is as good as gone and
  // is not pinned.
  Known pin(const BlobName& name);
  // True: a removal was put off meanwhile, ask for it again.
  bool unpin(const BlobName& name);

  // A commit named it: from now on the index knows it.
  void named(const BlobName& name);
  // A writer gave it up.
  void given_up(const BlobName& name);
  // Whether a writer or commit of this process concerns it (the sweep leaves it alone).
  bool concerns(const BlobName& name) const;

  // False: pinned or being written (a pinned one is put off: unpin() says so).
  bool begin_remove(const BlobName& name);
  void end_remove(const BlobName& name);

 private:
  struct Entry {
    std::uint32_t writers = 0;
    std::uint32_t pins = 0;
    bool finished = false;
    bool removing = false;
    bool put_off = false;
    bool idle() const { return writers == 0 && pins == 0 && !finished && !removing; }
  };
  void drop_if_idle(std::map<BlobName, Entry>::iterator it);
  mutable std::mutex mutex_;
  std::map<BlobName, Entry> entries_;
};

// Pins of a message, until it is answered.
class [[nodiscard]] BlobPins {
 public:
  explicit BlobPins(BlobRegistry& registry) : registry_(&registry) {}
  BlobPins(BlobPins&& o) noexcept : registry_(o.registry_), names_(std::exchange(o.names_, {})) {}
  BlobPins& operator=(BlobPins&&) = delete;
  ~BlobPins() { release(); }
  BlobRegistry::Known pin(const BlobName& name) {
    const auto known = registry_->pin(name);
    if (known != BlobRegistry::Known::removing) names_.push_back(name);
    return known;
  }
  // The blobs whose removal was put off.
  std::vector<BlobName> release() {
    std::vector<BlobName> again;
    for (const auto& name : std::exchange(names_, {}))
      if (registry_->unpin(name)) again.push_back(name);
    return again;
  }

 private:
  BlobRegistry* registry_;
  std::vector<BlobName> names_;
};

}  // namespace cairn::drive
