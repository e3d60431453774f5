#include "store/fanout.h"

namespace cairn::store {

void Deadlines::add(Sleeper& sleeper, io::Executor& home, io::Instant when, std::uint64_t number) {
  const std::size_t index = next_shard_.fetch_add(1, std::memory_order_relaxed) % kShards;
  Shard& shard = shards_[index];
  std::lock_guard lock(shard.mutex);
  CAIRN_ASSERT(!sleeper.listed_);
  sleeper.home_ = &home;
  sleeper.when_ = when;
  sleeper.number_ = number;
  sleeper.shard_ = index;
  sleeper.listed_ = true;
  shard.sleepers.push_back(sleeper.shared_from_this());
  sleeper.at_ = std::prev(shard.sleepers.end());
  listed_.fetch_add(1, std::memory_order_relaxed);
}

void Deadlines::remove(Sleeper& sleeper) {
  // The shard is only written by add(), which the same waiter calls: no race on reading it here.
  Shard& shard = shards_[sleeper.shard_];
  std::shared_ptr<Sleeper> keep;  // released outside the lock
  std::lock_guard lock(shard.mutex);
  if (!sleeper.listed_) return;
  sleeper.listed_ = false;
  keep = std::move(*sleeper.at_);
  shard.sleepers.erase(sleeper.at_);
  listed_.fetch_sub(1, std::memory_order_relaxed);
}

void Deadlines::expire(Shard& shard, io::Instant now) {
  std::vector<std::shared_ptr<Sleeper>> expired;
  {
    std::lock_guard lock(shard.mutex);
    for (auto it = shard.sleepers.begin(); it != shard.sleepers.end();) {
      if ((*it)->when_ > now) {
        ++it;
        continue;
      }
      (*it)->listed_ = false;
      expired.push_back(std::move(*it));
      it = shard.sleepers.erase(it);
    }
  }
  for (auto& sleeper : expired) {
    listed_.fetch_sub(1, std::memory_order_relaxed);
    const auto number = sleeper->number_;
    io::Executor& home = *sleeper->home_;
    home.post([keep = std::move(sleeper), number] { keep->expired(number); });
  }
}

io::Task<void> Deadlines::run() {
  while (!stopping_.load()) {
    co_await io::sleep_for(kTick);
    if (listed_.load(std::memory_order_relaxed) == 0) continue;
    const io::Instant now = io::Executor::current().now();
    for (Shard& shard : shards_) expire(shard, now);
  }
}

}  // namespace cairn::store
