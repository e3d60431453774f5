// What is counted of every request, by operation and status.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"

namespace cairn::server {

// The metrics of one operation. They are made when first needed and found without a lock
// afterwards.
class OperationMetrics {
 public:
  OperationMetrics(metrics::Registry& registry, std::string name);
  const std::string& name() const { return name_; }
  // Thread-safe.
  void count(int status, std::uint64_t bytes_in, std::uint64_t bytes_out, double seconds);

 private:
  metrics::Counter& by_status(int status);

  metrics::Registry& registry_;
  const std::string name_;
  metrics::Counter& bytes_in_;
  metrics::Counter& bytes_out_;
  metrics::Histogram& seconds_;
  std::array<std::atomic<metrics::Counter*>, 500> statuses_{};  // 100 to 599
};

class RequestMetrics {
 public:
  explicit RequestMetrics(metrics::Registry& registry) : registry_(registry) {}
  // The operation's metrics, for ever. Names come from a fixed set; a name beyond the table's size
  // is "Other". Thread-safe.
  OperationMetrics& of(std::string_view operation);

 private:
  static constexpr std::size_t kSlots = 512;

  metrics::Registry& registry_;
  std::mutex mutex_;  // of adding
  std::vector<std::unique_ptr<OperationMetrics>> owned_;
  std::array<std::atomic<OperationMetrics*>, kSlots> slots_{};
};

}  // namespace cairn::server
