// Values of the index that were read lately, whole, by key: what a reader lends without a copy and
// without a search (index.h, get_slice). Beside the blocks in the index's cache, under the same
// limit.
//
// A value that was put or removed is not lent any more once changed() has returned. What a reader
// read before and would keep after that is not kept: keeping and taking back exclude each other,
// and whether the key was changed since the reader asked is looked at in between. Thread-safe.
#pragma once

#include <rocksdb/cache.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "io/bytes.h"

namespace cairn::drive {

class LentValues {
 public:
  static constexpr std::size_t kKeyBytes = 16;  // of every key

  explicit LentValues(std::shared_ptr<rocksdb::Cache> cache) : cache_(std::move(cache)) {}

  // The slice keeps its bytes.
  std::optional<io::Slice> find(std::string_view key) const;
  // To be asked before a value is read that is then kept.
  std::uint64_t version(std::string_view key) const { return guard(key).version.load(); }
  // Keeps a copy and lends it. Nothing: the key was changed since `version` was asked for.
  std::optional<io::Slice> keep(std::string_view key, io::Bytes value, std::uint64_t version) const;
  // The key was put or removed, and readers see that.
  void changed(std::string_view key) const;

 private:
  struct alignas(64) Guard {
    std::mutex mutex;
    std::atomic<std::uint64_t> version{0};  // changes of the keys it guards; written under mutex
  };
  Guard& guard(std::string_view key) const {
    return guards_[std::hash<std::string_view>{}(key) % guards_.size()];
  }
  io::Slice lend(rocksdb::Cache::Handle* handle) const;

  const std::shared_ptr<rocksdb::Cache> cache_;
  mutable std::array<Guard, 64> guards_{};
};

}  // namespace cairn::drive
