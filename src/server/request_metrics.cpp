#include "server/request_metrics.h"

#include <algorithm>
#include <functional>

namespace cairn::server {

OperationMetrics::OperationMetrics(metrics::Registry& registry, std::string name)
    : registry_(registry),
      name_(std::move(name)),
      bytes_in_(registry.counter("cairn_request_bytes_total", "Body bytes received",
                                 {{"operation", name_}})),
      bytes_out_(registry.counter("cairn_response_bytes_total", "Body bytes sent",
                                  {{"operation", name_}})),
      seconds_(registry.histogram("cairn_request_seconds",
                                  "From the head of a request to the end of its response",
                                  metrics::latency_bounds(), {{"operation", name_}})) {}

metrics::Counter& OperationMetrics::by_status(int status) {
  auto& slot = statuses_[static_cast<std::size_t>(std::clamp(status, 100, 599) - 100)];
  if (auto* counter = slot.load(std::memory_order_acquire)) return *counter;
  // The registry gives the same counter to whoever comes at the same time.
  auto& counter = registry_.counter("cairn_requests_total", "Requests answered",
                                    {{"operation", name_}, {"status", std::to_string(status)}});
  slot.store(&counter, std::memory_order_release);
  return counter;
}

void OperationMetrics::count(int status, std::uint64_t bytes_in, std::uint64_t bytes_out,
                             double seconds) {
  by_status(status).add();
  if (bytes_in > 0) bytes_in_.add(bytes_in);
  if (bytes_out > 0) bytes_out_.add(bytes_out);
  seconds_.observe(seconds);
}

OperationMetrics& RequestMetrics::of(std::string_view operation) {
  if (operation.empty()) operation = "Unknown";
  const std::size_t begin = std::hash<std::string_view>{}(operation) % kSlots;
  const auto find = [&](std::size_t& at) -> OperationMetrics* {
    for (std::size_t i = 0; i < kSlots; ++i) {
      at = (begin + i) % kSlots;
      auto* found = slots_[at].load(std::memory_order_acquire);
      if (found == nullptr || found->name() == operation) return found;
    }
    at = kSlots;
    return nullptr;
  };
  std::size_t at = 0;
  if (auto* found = find(at)) return *found;
  {
    std::lock_guard lock(mutex_);
    if (auto* found = find(at)) return *found;
    // A free slot stays, so that a search always ends.
    if (owned_.size() < kSlots / 2 || operation == "Other") {
      auto& made = owned_.emplace_back(
          std::make_unique<OperationMetrics>(registry_, std::string(operation)));
      slots_[at].store(made.get(), std::memory_order_release);
      return *made;
    }
  }
  return of("Other");
}

}  // namespace cairn::server
