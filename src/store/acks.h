// What the acks of one drive prove (protocol.md 7.4): it synced the batches they name. A drive that
// comes back and has not all of them lost synced state; believed, it would be a witness that
// something acknowledged never happened.
//
// Threads: any; short, never waits. One record per drive identity, shared by the objects that the
// drive is spoken to through, one after the other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>

#include "drive/drive.h"

namespace cairn::store {

class AckRecord {
 public:
  // An answer that comes in late, of an earlier mount, may prove that what is mounted now is an old
  // copy: that one leaves service.
  void note(drive::Ack ack) {
    if (ack.mount == 0) return;
    std::shared_ptr<drive::Drive> copy;
    {
      std::lock_guard lock(mutex_);
      if (mount_ == 0) mount_ = ack.mount;
      newest_ = std::max(newest_, ack.batch);
      if (ack.mount != mount_ && ack.batch > at_open_) copy = current_.lock();
    }
    if (copy) copy->retire(kLost);
  }

  // The drive is to be spoken to through this object from now on. False: it lost batches that it
  // acknowledged.
  bool admit(const std::shared_ptr<drive::Drive>& drive, const drive::SyncedBatches& synced) {
    std::lock_guard lock(mutex_);
    const bool same = synced.mount == mount_;
    if ((same ? synced.now : synced.at_open) < newest_) return false;
    if (!same) at_open_ = synced.at_open;
    mount_ = synced.mount;
    current_ = drive;
    return true;
  }

  std::uint64_t newest() const {
    std::lock_guard lock(mutex_);
    return newest_;
  }

  static constexpr const char* kLost =
      "the drive is an old copy, without what it had acknowledged since; put the drive itself "
      "back, "
      "or an empty one in its place";

 private:
  mutable std::mutex mutex_{};
  std::uint64_t newest_ = 0;               // batch that was acknowledged
  std::uint64_t mount_ = 0;                // the last one known; zero: none
  std::uint64_t at_open_ = 0;              // what that mount found, unless it is the first
  std::weak_ptr<drive::Drive> current_{};  // through which it is spoken to, unless it is the first
};

}  // namespace cairn::store
