// Time of day and randomness: handed in, never taken from the air, so that a simulation owns them.
#pragma once

#include <cstdint>
#include <memory>

#include "base/strong.h"
#include "io/bytes.h"

namespace cairn::io {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since 1970-01-01T00:00:00Z. Thread-safe. May step; never used to order writes.
  virtual std::int64_t unix_ms() const = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  // Fills with random bytes (cryptographically secure in the real one). Thread-safe.
  virtual void fill(MutableBytes out) = 0;
  std::uint64_t next_u64() {
    std::uint64_t v;
    fill(std::as_writable_bytes(std::span(&v, 1)));
    return v;
  }
  template <class Id>
  Id id() {
    Id id;
    fill(std::as_writable_bytes(std::span(id.bytes)));
    return id;
  }
};

std::unique_ptr<Clock> system_clock();
std::unique_ptr<Random> system_random();
// The same sequence for the same seed, on every platform. Not secure: simulation and tests only.
std::unique_ptr<Random> seeded_random(std::uint64_t seed);

}  // namespace cairn::io
