// A walk over all units that some drives know, in order, each unit once: also units of which only a
// head is left, and units that only one of the drives knows. What the walk proves is said per
// drive: complete() names those that were read to their proven end.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "drive/drive.h"
#include "io/executor.h"

namespace cairn::background {

class UnitWalk {
 public:
  struct Item {
    model::UnitKey unit;
    std::uint64_t bytes = 0;  // of all its versions
  };

  UnitWalk(std::vector<std::shared_ptr<drive::Drive>> drives, io::Duration call_deadline,
           std::size_t page_units = 500);

  // The next unit, or nothing at the end of all drives that still answer.
  io::Task<std::optional<Item>> next();
  // Drives read to the end without a failure. Valid once next() returned nothing.
  std::set<model::DriveId> complete() const;

 private:
  struct Stream {
    std::shared_ptr<drive::Drive> drive;
    std::deque<Item> page{};
    std::string resume{};
    bool exhausted = false;
    bool failed = false;
  };
  io::Task<void> refill(Stream& stream);

  std::vector<Stream> streams_;
  io::Duration call_deadline_;
  std::size_t page_units_;
};

}  // namespace cairn::background
