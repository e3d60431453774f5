// The read buffer of a connection: one piece of memory, filled at the end and consumed at the
// front. Private to net.
#pragma once

#include <sys/uio.h>

#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "base/assert.h"

namespace cairn::net {

// Memory that connections of one reactor hand around. Not thread-safe.
class BufferPool {
 public:
  static constexpr std::size_t kBytes = 16 * 1024;
  std::unique_ptr<char[]> take() {
    if (free_.empty()) return std::make_unique_for_overwrite<char[]>(kBytes);
    auto memory = std::move(free_.back());
    free_.pop_back();
    return memory;
  }
  void give(std::unique_ptr<char[]> memory) {
    if (free_.size() < kKept) free_.push_back(std::move(memory));
  }

 private:
  static constexpr std::size_t kKept = 256;
  std::vector<std::unique_ptr<char[]>> free_;
};

class ReadBuffer {
 public:
  explicit ReadBuffer(BufferPool& pool) : pool_(pool) {}
  ~ReadBuffer() { release(); }
  ReadBuffer(const ReadBuffer&) = delete;
  ReadBuffer& operator=(const ReadBuffer&) = delete;

  std::string_view view() const { return {memory_.get() + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  bool has_memory() const { return memory_ != nullptr; }

  void consume(std::size_t bytes) {
    CAIRN_ASSERT(bytes <= size());
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Where the next bytes go: never empty. What is buffered may move.
  iovec space() {
    if (!memory_) {
      memory_ = pool_.take();
      capacity_ = BufferPool::kBytes;
    }
    if (begin_ > 0 && capacity_ - end_ < capacity_ / 4) {
      std::memmove(memory_.get(), memory_.get() + begin_, size());
      end_ -= std::exchange(begin_, 0);
    }
    if (end_ == capacity_) grow();
    return {memory_.get() + end_, capacity_ - end_};
  }
  void commit(std::size_t bytes) {
    CAIRN_ASSERT(bytes <= capacity_ - end_);
    end_ += bytes;
  }
  // REQUIRES: empty.
  void release() {
    begin_ = end_ = 0;
    if (memory_ && capacity_ == BufferPool::kBytes) pool_.give(std::move(memory_));
    memory_.reset();
    capacity_ = 0;
  }
  // After a large head the memory goes back to its usual size, once nothing is in it.
  void shrink() {
    if (empty() && capacity_ > BufferPool::kBytes) release();
  }

 private:
  void grow() {
    auto larger = std::make_unique_for_overwrite<char[]>(capacity_ * 2);
    std::memcpy(larger.get(), memory_.get(), end_);
    if (capacity_ == BufferPool::kBytes) pool_.give(std::move(memory_));
    memory_ = std::move(larger);
    capacity_ *= 2;
  }

  BufferPool& pool_;
  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace cairn::net
