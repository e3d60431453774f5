#include "io/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "base/assert.h"
#include "io/sync.h"

namespace cairn::io {
namespace {

constexpr std::size_t kAlignment = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kShards = 16;

// Four size classes for each power of two, so that rounding up wastes less than a quarter.
std::size_t class_size(std::size_t size) {
  const std::size_t n = std::max(size, kAlignment);
  const std::size_t step = std::max<std::size_t>(std::bit_floor(n) / 4, kAlignment);
  return (n + step - 1) / step * step;
}

// Large blocks are made of huge pages where the system lends them: fewer faults when they are first
// touched, and fewer pages to look up for every direct write.
void* system_block(std::size_t size) {
  const bool huge = size % kHugePage == 0;
  void* const memory = std::aligned_alloc(huge ? kHugePage : kAlignment, size);
  if (huge && memory != nullptr) ::madvise(memory, size, MADV_HUGEPAGE);  // advice: may be refused
  return memory;
}

std::size_t shard_of_this_thread() {
  static std::atomic<std::size_t> next{0};
  static thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed);
  return mine % kShards;
}

// The free blocks, spread over shards so that reactors do not meet at one lock. A block is put
// where it is let go, which may be far from where the next is asked for: whoever finds none at home
// looks everywhere before new memory is taken, which would have to be cleared.
class FreeLists {
 public:
  ~FreeLists() {
    while (evict(SIZE_MAX) > 0) {
    }
  }
  void* take(std::size_t size) {
    const std::size_t home = shard_of_this_thread();
    for (std::size_t i = 0; i < kShards; ++i) {
      if (cached_.load(std::memory_order_relaxed) < size) return nullptr;
      Shard& shard = shards_[(home + i) % kShards];
      std::lock_guard lock(shard.mutex);
      const auto found = shard.blocks.find(size);
      if (found == shard.blocks.end() || found->second.empty()) continue;
      void* memory = found->second.back();
      found->second.pop_back();
      cached_.fetch_sub(size, std::memory_order_relaxed);
      return memory;
    }
    return nullptr;
  }
  void put(void* memory, std::size_t size) {
    Shard& shard = shards_[shard_of_this_thread()];
    std::lock_guard lock(shard.mutex);
    shard.blocks[size].push_back(memory);
    cached_.fetch_add(size, std::memory_order_relaxed);
  }
  std::uint64_t cached() const { return cached_.load(std::memory_order_relaxed); }

  // Frees up to `wanted` bytes or a little more; returns how much.
  std::uint64_t evict(std::uint64_t wanted) {
    std::uint64_t freed = 0;
    for (auto& shard : shards_) {
      std::lock_guard lock(shard.mutex);
      for (auto& [size, blocks] : shard.blocks) {
        while (!blocks.empty() && freed < wanted) {
          std::free(blocks.back());
          blocks.pop_back();
          freed += size;
          cached_.fetch_sub(size, std::memory_order_relaxed);
        }
      }
    }
    return freed;
  }

 private:
  struct alignas(64) Shard {
    std::mutex mutex;
    std::unordered_map<std::size_t, std::vector<void*>> blocks;  // guarded by mutex
  };
  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> cached_{0};
};

struct Waiter {
  std::size_t size;
  Mailbox<bool> granted;
};

// Shared with the blocks, which may outlive the budget object.
struct Pool {
  explicit Pool(std::uint64_t limit_bytes) : limit(limit_bytes) {}

  const std::uint64_t limit;
  std::atomic<std::uint64_t> used{0};
  std::atomic<std::size_t> waiting{0};  // written under mutex; read without it to skip the lock
  std::mutex mutex;
  std::deque<std::shared_ptr<Waiter>> waiters;  // guarded by mutex
  FreeLists free_lists;

  bool reserve(std::size_t size) {
    std::uint64_t now = used.load();
    while (now + size <= limit) {
      if (used.compare_exchange_weak(now, now + size)) return true;
    }
    return false;
  }

  void release(std::size_t size) {
    used.fetch_sub(size);
    if (waiting.load() > 0) serve();
  }

  // Grants to waiters from the front while the budget lasts. A small one never overtakes a large
  // one: else a large one could wait for ever.
  void serve() {
    std::vector<std::shared_ptr<Waiter>> granted;
    {
      std::lock_guard lock(mutex);
      while (!waiters.empty() && reserve(waiters.front()->size)) {
        granted.push_back(std::move(waiters.front()));
        waiters.pop_front();
        waiting.fetch_sub(1);
      }
    }
    for (const auto& waiter : granted) waiter->granted.push(true);
  }
};

class PoolBlock final : public Block {
 public:
  PoolBlock(std::shared_ptr<Pool> pool, void* memory, std::size_t size)
      : pool_(std::move(pool)), memory_(memory), size_(size) {}
  ~PoolBlock() override {
    // Kept for the next one unless what is held in all would pass the limit.
    const std::uint64_t others = pool_->used.load(std::memory_order_relaxed) - size_;
    if (others + pool_->free_lists.cached() + size_ <= pool_->limit) {
      pool_->free_lists.put(memory_, size_);
    } else {
      std::free(memory_);
    }
    pool_->release(size_);
  }
  MutableBytes bytes() override { return {static_cast<std::byte*>(memory_), size_}; }

 private:
  std::shared_ptr<Pool> pool_;
  void* memory_;
  std::size_t size_;
};

class PoolBudget final : public MemoryBudget {
 public:
  PoolBudget(std::uint64_t limit_bytes, Duration patience)
      : pool_(std::make_shared<Pool>(limit_bytes)), patience_(patience) {}

  Task<Result<std::shared_ptr<Block>>> allocate(std::size_t wanted) override {
    const std::size_t size = class_size(wanted);
    if (size > pool_->limit || size < wanted)
      co_return Error(Code::slow_down, "more memory was asked for than the whole budget has");
    if (pool_->waiting.load() == 0 && pool_->reserve(size)) co_return make_block(size);
    auto waiter = enqueue(size);
    if (waiter) {
      const auto granted = co_await waiter->granted.pop(Executor::current().now() + patience_);
      if (!granted && withdraw(*waiter))
        co_return Error(Code::slow_down, "the memory budget is spent");
    }
    co_return make_block(size);
  }

  std::uint64_t limit() const override { return pool_->limit; }
  std::uint64_t used() const override { return pool_->used.load(std::memory_order_relaxed); }

 private:
  // Null: the budget had room after all and `size` is reserved.
  std::shared_ptr<Waiter> enqueue(std::size_t size) {
    std::lock_guard lock(pool_->mutex);
    // Announced before the last look at the budget: a release that this look misses sees the
    // announcement.
    pool_->waiting.fetch_add(1);
    if (pool_->waiters.empty() && pool_->reserve(size)) {
      pool_->waiting.fetch_sub(1);
      return nullptr;
    }
    auto waiter = std::make_shared<Waiter>(size);
    pool_->waiters.push_back(waiter);
    return waiter;
  }

  // False: it was granted in the last moment, and `size` is reserved.
  bool withdraw(const Waiter& waiter) {
    {
      std::lock_guard lock(pool_->mutex);
      const auto same = [&](const auto& w) { return w.get() == &waiter; };
      const auto found = std::find_if(pool_->waiters.begin(), pool_->waiters.end(), same);
      if (found == pool_->waiters.end()) return false;
      pool_->waiters.erase(found);
      pool_->waiting.fetch_sub(1);
    }
    pool_->serve();  // those behind it may fit
    return true;
  }

  // REQUIRES: `size` is reserved.
  Result<std::shared_ptr<Block>> make_block(std::size_t size) {
    void* memory = pool_->free_lists.take(size);
    if (memory == nullptr) {
      const std::uint64_t held = pool_->used.load() + pool_->free_lists.cached();
      if (held > pool_->limit) pool_->free_lists.evict(held - pool_->limit);
      memory = system_block(size);
    }
    if (memory == nullptr) {
      pool_->release(size);
      return Error(Code::slow_down, "the system is out of memory");
    }
    return std::shared_ptr<Block>(std::make_shared<PoolBlock>(pool_, memory, size));
  }

  std::shared_ptr<Pool> pool_;
  Duration patience_;
};

}  // namespace

std::unique_ptr<MemoryBudget> make_memory_budget(std::uint64_t limit_bytes, Duration patience) {
  CAIRN_ASSERT(limit_bytes >= kAlignment);
  return std::make_unique<PoolBudget>(limit_bytes, patience);
}

}  // namespace cairn::io
