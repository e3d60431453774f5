#include "drive/blob_registry.h"

#include "base/assert.h"

namespace cairn::drive {

void BlobRegistry::drop_if_idle(std::map<BlobName, Entry>::iterator it) {
  if (it->second.idle()) entries_.erase(it);
}

bool BlobRegistry::begin_write(const BlobName& name) {
  std::lock_guard lock(mutex_);
  auto& entry = entries_[name];
  if (entry.removing) return false;
  ++entry.writers;
  return true;
}

void BlobRegistry::end_write(const BlobName& name, bool finished) {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(name);
  CAIRN_ASSERT(it != entries_.end() && it->second.writers > 0);
  --it->second.writers;
  it->second.finished |= finished;
  drop_if_idle(it);
}

BlobRegistry::Known BlobRegistry::pin(const BlobName& name) {
  std::lock_guard lock(mutex_);
  auto& entry = entries_[name];
  if (entry.removing) return Known::removing;
  ++entry.pins;
  return entry.finished ? Known::finished : Known::unknown;
}

bool BlobRegistry::unpin(const BlobName& name) {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(name);
  CAIRN_ASSERT(it != entries_.end() && it->second.pins > 0);
  const bool again = --it->second.pins == 0 && std::exchange(it->second.put_off, false);
  drop_if_idle(it);
  return again;
}

void BlobRegistry::named(const BlobName& name) {
  given_up(name);
}

void BlobRegistry::given_up(const BlobName& name) {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(name);
  if (it == entries_.end()) return;
  it->second.finished = false;
  drop_if_idle(it);
}

bool BlobRegistry::concerns(const BlobName& name) const {
  std::lock_guard lock(mutex_);
  return entries_.contains(name);
}

bool BlobRegistry::begin_remove(const BlobName& name) {
  std::lock_guard lock(mutex_);
  auto& entry = entries_[name];
  if (entry.pins > 0) {
    entry.put_off = true;
    return false;
  }
  if (entry.writers > 0 || entry.removing) return false;
  entry.finished = false;
  entry.removing = true;
  return true;
}

void BlobRegistry::end_remove(const BlobName& name) {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(name);
  CAIRN_ASSERT(it != entries_.end() && it->second.removing);
  it->second.removing = false;
  drop_if_idle(it);
}

}  // namespace cairn::drive
