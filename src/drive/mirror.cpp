#include "drive/mirror.h"

#include "base/assert.h"

namespace cairn::drive {

std::shared_ptr<const Pendings> no_pendings() {
  static const auto none = std::make_shared<const Pendings>();
  return none;
}

PendingMirror::Shard& PendingMirror::shard(const std::string& unit) const {
  return (*shards_)[unit_hash(unit) % kShards];
}

PendingMirror::Look PendingMirror::look(const std::string& unit) const {
  const Shard& s = shard(unit);
  std::lock_guard lock(s.mutex);
  const auto it = s.entries.find(unit);
  if (it == s.entries.end()) return {no_pendings(), {}, false, s.version};
  const auto& entry = it->second;
  return {entry.pendings ? entry.pendings : no_pendings(), entry.settled, entry.in_flight > 0,
          s.version};
}

bool PendingMirror::unchanged(const std::string& unit, std::uint64_t version) const {
  const Shard& s = shard(unit);
  std::lock_guard lock(s.mutex);
  return s.version == version;
}

PendingMirror::Flight PendingMirror::enter(const std::string& unit) {
  in_flight_.fetch_add(1);
  entered_.fetch_add(1);
  Shard& s = shard(unit);
  std::lock_guard lock(s.mutex);
  ++s.version;
  auto& entry = s.entries[unit];
  ++entry.in_flight;
  ++entry.preparing;
  return Flight{this, unit};
}

void PendingMirror::submitted(const std::string& unit) {
  std::vector<io::OneShot<bool>> wake;
  Shard& s = shard(unit);
  {
    std::lock_guard lock(s.mutex);
    const auto it = s.entries.find(unit);
    CAIRN_ASSERT(it != s.entries.end() && it->second.preparing > 0);
    if (--it->second.preparing == 0) wake.swap(it->second.waiting);
  }
  for (const auto& one : wake) one.set(true);
}

io::Task<void> PendingMirror::wait_submitted(std::string unit) {
  io::OneShot<bool> done;
  Shard& s = shard(unit);
  {
    std::lock_guard lock(s.mutex);
    const auto it = s.entries.find(unit);
    if (it == s.entries.end() || it->second.preparing == 0) co_return;
    it->second.waiting.push_back(done);
  }
  co_await done.get();
}

void PendingMirror::leave(const std::string& unit) {
  Shard& s = shard(unit);
  std::lock_guard lock(s.mutex);
  const auto it = s.entries.find(unit);
  CAIRN_ASSERT(it != s.entries.end() && it->second.in_flight > 0);
  if (--it->second.in_flight == 0 && !it->second.pendings) s.entries.erase(it);
  in_flight_.fetch_sub(1);
}

void PendingMirror::publish(const std::string& unit, std::shared_ptr<const Pendings> pendings,
                            std::shared_ptr<const SettledState> settled) {
  if (pendings && pendings->empty()) pendings.reset();
  if (!pendings) settled.reset();
  Shard& s = shard(unit);
  std::lock_guard lock(s.mutex);
  ++s.version;
  const auto it = s.entries.find(unit);
  const bool had = it != s.entries.end() && it->second.pendings;
  const bool has = pendings != nullptr;
  if (has != had) units_.fetch_add(has ? 1 : std::size_t(-1), std::memory_order_relaxed);
  if (has) {
    Entry& entry = it != s.entries.end() ? it->second : s.entries[unit];
    entry.pendings = std::move(pendings);
    entry.settled = std::move(settled);
  } else if (it != s.entries.end()) {
    it->second.pendings.reset();
    it->second.settled.reset();
    if (it->second.in_flight == 0) s.entries.erase(it);
  }
}

}  // namespace cairn::drive
