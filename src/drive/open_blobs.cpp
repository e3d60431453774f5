#include "drive/open_blobs.h"

#include <cstring>

namespace cairn::drive {

std::size_t OpenBlobs::Hash::operator()(const BlobName& name) const {
  std::size_t bits = 0;  // ids are random
  std::memcpy(&bits, name.data_id.raw().data(), sizeof bits);
  return bits ^ name.shard;
}

// Files are closed by whoever destroys `dropped`, without the lock.
void OpenBlobs::erase(Order::iterator it, Order& dropped) {
  bytes_ -= it->file->memory();
  entries_.erase(it->name);
  dropped.splice(dropped.end(), order_, it);
}

std::shared_ptr<const BlobFileReader> OpenBlobs::find(const BlobName& name, io::Instant now) {
  Order dropped;
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return nullptr;
  if (now >= found->second->until) {
    erase(found->second, dropped);
    return nullptr;
  }
  order_.splice(order_.begin(), order_, found->second);
  return found->second->file;
}

void OpenBlobs::keep(const BlobName& name, std::shared_ptr<const BlobFileReader> file,
                     io::Instant now) {
  Order dropped;
  std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(name); found != entries_.end())
    erase(found->second, dropped);
  if (file->memory() > limits_.bytes) return;
  bytes_ += file->memory();
  order_.push_front({name, std::move(file), now + limits_.age});
  entries_[name] = order_.begin();
  while (order_.size() > limits_.files || bytes_ > limits_.bytes)
    erase(std::prev(order_.end()), dropped);
}

void OpenBlobs::forget(const BlobName& name) {
  Order dropped;
  std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(name); found != entries_.end())
    erase(found->second, dropped);
}

void OpenBlobs::forget_all() {
  Order dropped;
  std::lock_guard lock(mutex_);
  entries_.clear();
  dropped.swap(order_);
  bytes_ = 0;
}

std::size_t OpenBlobs::files() const {
  std::lock_guard lock(mutex_);
  return order_.size();
}

}  // namespace cairn::drive
