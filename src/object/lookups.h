// How often a version is looked up whose data is gone when it is to be opened.
#pragma once

#include <optional>

#include "store/store.h"

namespace cairn::object {

// Overwritten between looking up and opening, it is looked up again (protocol.md 4.3). A key that
// is written again and again loses that race now and then; the same version three times is no race.
class Lookups {
 public:
  // Its data is about to be opened. False: that was tried often enough.
  bool again(const store::Found& found) {
    same_ = found.stamp == last_ ? same_ + 1 : 1;
    last_ = found.stamp;
    return same_ <= kSame && all_++ < kAll;
  }

 private:
  static constexpr int kSame = 3, kAll = 8;
  int all_ = 0, same_ = 0;
  std::optional<store::Stamp> last_{};
};

}  // namespace cairn::object
