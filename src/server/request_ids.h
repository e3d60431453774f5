// Ids of requests: 16 upper-case hexadecimal digits, as AWS has them. Distinct within a process,
// and between processes but for chance; no system call per request.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "io/world.h"

namespace cairn::server {

class RequestIds {
 public:
  explicit RequestIds(io::Random& random) : next_(random.next_u64()) {}
  // Thread-safe.
  std::string next() {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::uint64_t v = scatter(next_.fetch_add(1, std::memory_order_relaxed));
    std::string id(16, '0');
    for (auto digit = id.rbegin(); digit != id.rend(); ++digit, v >>= 4) *digit = digits[v & 15];
    return id;
  }

 private:
  // A bijection (splitmix64's), so that neighbours look nothing alike and none are equal.
  static std::uint64_t scatter(std::uint64_t v) {
    v = (v ^ (v >> 30)) * 0xBF58476D1CE4E5B9ull;
    v = (v ^ (v >> 27)) * 0x94D049BB133111EBull;
    return v ^ (v >> 31);
  }
  std::atomic<std::uint64_t> next_;
};

}  // namespace cairn::server
