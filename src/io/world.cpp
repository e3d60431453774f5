#include "io/world.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>

#include "base/assert.h"

namespace cairn::io {
namespace {

class SystemClock final : public Clock {
 public:
  std::int64_t unix_ms() const override {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  }
};

void fill_from_kernel(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t n = ::getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    // Without randomness there are no ids and no secrets: nothing can go on.
    CAIRN_ASSERT(n > 0);
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

// Small requests (ids) are served from a buffer of the thread: a system call for each would cost
// more than the id is worth. Bytes handed out are erased from it, so none is ever given twice or
// found in memory later.
class SystemRandom final : public Random {
 public:
  void fill(MutableBytes out) override {
    if (out.size() > kSmall) return fill_from_kernel(out);
    static thread_local Buffer buffer;
    if (buffer.bytes.size() - buffer.used < out.size()) {
      fill_from_kernel(buffer.bytes);
      buffer.used = 0;
    }
    std::byte* from = buffer.bytes.data() + buffer.used;
    std::memcpy(out.data(), from, out.size());
    std::memset(from, 0, out.size());
    buffer.used += out.size();
  }

 private:
  static constexpr std::size_t kSmall = 64;
  struct Buffer {
    std::array<std::byte, 1024> bytes{};
    std::size_t used = 1024;
  };
};

// xoshiro256** seeded by splitmix64, both by Blackman and Vigna: https://prng.di.unimi.it/
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) {
    for (auto& word : state_) {
      std::uint64_t z = (seed += 0x9E3779B97F4A7C15ull);
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
      word = z ^ (z >> 31);
    }
  }

  void fill(MutableBytes out) override {
    std::lock_guard lock(mutex_);
    while (!out.empty()) {
      const std::uint64_t word = next();
      const std::size_t n = std::min<std::size_t>(8, out.size());
      for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::byte>(word >> (8 * i));
      out = out.subspan(n);
    }
  }

 private:
  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  std::mutex mutex_;
  std::array<std::uint64_t, 4> state_;  // guarded by mutex_
};

}  // namespace

std::unique_ptr<Clock> system_clock() {
  return std::make_unique<SystemClock>();
}
std::unique_ptr<Random> system_random() {
  return std::make_unique<SystemRandom>();
}
std::unique_ptr<Random> seeded_random(std::uint64_t seed) {
  return std::make_unique<SeededRandom>(seed);
}

}  // namespace cairn::io
