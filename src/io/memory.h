// The memory budget: one number limits what request bodies and repairs hold. Blocks come from a pool that reuses them.
#pragma once

#include <cstdint>
#include <memory>

#include "base/error.h"
#include "io/bytes.h"
#include "io/executor.h"
#include "io/task.h"

namespace cairn::io {

// A block of memory from the pool, aligned to 4096 bytes. Returns itself (and its share of the budget) when the last
// reference goes. Contents are not cleared.
class Block {
 public:
  virtual ~Block() = default;
  virtual MutableBytes bytes() = 0;
};

class MemoryBudget {
 public:
  virtual ~MemoryBudget() = default;
  // A block of at least `size` bytes. Waits while the budget is spent, up to `patience`, then slow_down.
  // Waiters are served in order. Thread-safe.
  virtual Task<Result<std::shared_ptr<Block>>> allocate(std::size_t size) = 0;
  virtual std::uint64_t limit() const = 0;
  virtual std::uint64_t used() const = 0;
};

std::unique_ptr<MemoryBudget> make_memory_budget(std::uint64_t limit_bytes, Duration patience);

}  // namespace cairn::io
