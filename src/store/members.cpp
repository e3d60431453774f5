#include "store/members.h"

#include "base/assert.h"

namespace cairn::store {

model::PartitionId Members::partition_of(const model::UnitKey& unit) const {
  return hashing_.partition_of(unit);
}

model::PartitionId Members::partition_of(std::string_view lock_key) const {
  return placement::partition_of(lock_key, hashing_.partitions.size());
}

std::shared_ptr<const PartitionView> Members::view(model::PartitionId partition) const {
  CAIRN_ASSERT(partition.value < cells_.size());
  const Cell& cell = *cells_[partition.value];
  std::lock_guard lock(cell.mutex);
  return cell.view;
}

model::ErasureProfile Members::profile() const {
  return hashing_.profile;
}

std::vector<std::shared_ptr<Device>> Members::devices() const {
  std::lock_guard lock(mutex_);
  return devices_;
}

void Members::set_devices(std::vector<std::shared_ptr<Device>> devices) {
  std::lock_guard lock(mutex_);
  devices_ = std::move(devices);
}

void Members::publish(const placement::Map& map,
                      std::vector<std::shared_ptr<const PartitionView>> views) {
  CAIRN_ASSERT(map.partitions.size() == views.size());
  if (cells_.empty()) {
    hashing_ = map;
    for (std::size_t i = 0; i < views.size(); ++i) cells_.push_back(std::make_unique<Cell>());
  }
  CAIRN_ASSERT(cells_.size() == views.size());
  for (std::size_t i = 0; i < views.size(); ++i) {
    std::lock_guard lock(cells_[i]->mutex);
    cells_[i]->view = std::move(views[i]);
  }
}

void Members::replace(std::shared_ptr<const PartitionView> view) {
  CAIRN_ASSERT(view->id.value < cells_.size());
  Cell& cell = *cells_[view->id.value];
  std::lock_guard lock(cell.mutex);
  CAIRN_ASSERT(cell.view->term == view->term && cell.view->epoch == view->epoch);
  cell.view = std::move(view);
}

}  // namespace cairn::store
