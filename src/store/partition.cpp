#include "store/partition.h"

#include <algorithm>

#include "base/assert.h"

namespace cairn::store {
namespace {

constexpr std::size_t kRowsKept = 64;  // of one unit
constexpr std::size_t kRecordBytesKept = 64 * 1024;
constexpr std::size_t kPartsBytesKept = 4096;  // a longer table of parts is read when it is needed

}  // namespace

std::shared_ptr<const Settled> make_settled(std::optional<model::Stamp> head,
                                            std::vector<drive::Row> rows) {
  auto settled = std::make_shared<Settled>();
  settled->head = head;
  settled->row_count = rows.size();
  std::size_t bytes = 0;
  for (auto& row : rows) {
    if (row.parts.size() > kPartsBytesKept) row.parts = {};
    bytes += row.record.size() + row.parts.size();
  }
  settled->complete = rows.size() <= kRowsKept && bytes <= kRecordBytesKept;
  if (settled->complete) settled->rows = std::move(rows);
  CAIRN_ASSERT(head || settled->row_count == 0);
  return settled;
}

io::Task<Partition::Pass> Partition::enter() {
  for (;;) {
    io::OneShot<bool> resumed;
    {
      std::lock_guard lock(mutex_);
      if (!paused_) {
        ++inside_;
        co_return Pass{this};
      }
      entering_.push_back(resumed);
    }
    co_await resumed.get();
  }
}

void Partition::leave() {
  std::optional<io::OneShot<bool>> wake;
  {
    std::lock_guard lock(mutex_);
    CAIRN_ASSERT(inside_ > 0);
    if (--inside_ == 0) wake = std::exchange(emptied_, std::nullopt);
  }
  if (wake) wake->set(true);
}

io::Task<void> Partition::pause() {
  io::OneShot<bool> empty;
  {
    std::lock_guard lock(mutex_);
    CAIRN_ASSERT(!paused_);
    paused_ = true;
    if (inside_ == 0) co_return;
    emptied_ = empty;
  }
  co_await empty.get();
}

void Partition::resume() {
  std::vector<io::OneShot<bool>> entering;
  {
    std::lock_guard lock(mutex_);
    CAIRN_ASSERT(paused_);
    paused_ = false;
    entering.swap(entering_);
  }
  for (const auto& one : entering) one.set(true);
}

void Partition::begin_term(model::Term term) {
  std::lock_guard lock(mutex_);
  CAIRN_ASSERT(inside_ == 0);
  CAIRN_ASSERT(term > term_);
  term_ = term;
  sequence_ = 0;
  known_.clear();
  recent_.clear();
}

model::Stamp Partition::next_stamp() {
  std::lock_guard lock(mutex_);
  CAIRN_ASSERT(term_.value != 0);
  return {term_.value, ++sequence_};
}

io::Task<Partition::Lock> Partition::lock(std::string lock_key) {
  KeyLock* key_lock = nullptr;
  const std::string* key = nullptr;
  {
    std::lock_guard lock(mutex_);
    auto it = locks_.find(lock_key);
    if (it == locks_.end()) {
      it = locks_.emplace(std::move(lock_key), std::make_unique<KeyLock>()).first;
    }
    key = &it->first;
    key_lock = it->second.get();
    ++key_lock->users;
  }
  io::AsyncMutex::Guard guard = co_await key_lock->mutex.lock();
  co_return Lock{this, key, std::move(guard)};
}

void Partition::leave_lock(const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto it = locks_.find(key);
  CAIRN_ASSERT(it != locks_.end() && it->second->users > 0);
  if (--it->second->users == 0) locks_.erase(it);
}

std::shared_ptr<const Settled> Partition::known(const model::UnitKey& unit) {
  std::lock_guard lock(mutex_);
  const auto it = known_.find(unit.encoded());
  if (it == known_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, it->second.at);
  return it->second.settled;
}

void Partition::set_known(const model::UnitKey& unit, std::shared_ptr<const Settled> settled) {
  std::shared_ptr<const Settled> old;  // freed outside the lock
  std::lock_guard lock(mutex_);
  auto [it, fresh] = known_.try_emplace(unit.encoded());
  if (fresh) {
    it->second.at = recent_.insert(recent_.begin(), &it->first);
  } else {
    recent_.splice(recent_.begin(), recent_, it->second.at);
  }
  old = std::exchange(it->second.settled, std::move(settled));
  if (known_.size() > cache_units_) {
    const auto last = known_.find(*recent_.back());
    recent_.pop_back();
    old = std::move(last->second.settled);
    known_.erase(last);
  }
}

void Partition::forget_known(const model::UnitKey& unit) {
  std::lock_guard lock(mutex_);
  const auto it = known_.find(unit.encoded());
  if (it == known_.end()) return;
  recent_.erase(it->second.at);
  known_.erase(it);
}

void Partition::sent(const model::UnitKey& unit, Message message) {
  std::lock_guard lock(mutex_);
  under_way_[unit.encoded()].push_back(message);
}

void Partition::answered(const model::UnitKey& unit, Message message) {
  std::lock_guard lock(mutex_);
  const auto it = under_way_.find(unit.encoded());
  CAIRN_ASSERT(it != under_way_.end());
  const auto one = std::ranges::find(it->second, message);
  CAIRN_ASSERT(one != it->second.end());
  it->second.erase(one);
  if (it->second.empty()) under_way_.erase(it);
}

bool Partition::under_way(const model::UnitKey& unit, unsigned slot,
                          const drive::Fence& fence) const {
  std::lock_guard lock(mutex_);
  const auto it = under_way_.find(unit.encoded());
  if (it == under_way_.end()) return false;
  return std::ranges::any_of(it->second, [&](const Message& m) {
    return m.slot == slot && m.term == fence.term && m.connection >= fence.connection;
  });
}

}  // namespace cairn::store
