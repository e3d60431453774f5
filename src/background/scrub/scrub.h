// Scrub: reads everything that is stored, at a set pace, verifies it and has repaired what is
// damaged.
//
// Where it is and when it last came to the end is kept in the control store (docs/format/scrub.md),
// so that a restart goes on and does not begin again.
#pragma once

#include <mutex>
#include <string>

#include "background/loop.h"
#include "base/metrics.h"
#include "control/control.h"
#include "io/world.h"
#include "store/local_store.h"

namespace cairn::background {

struct ScrubOptions {
  std::uint64_t bytes_per_second = 32ull << 20;  // read from all drives together; 0: scrub is off
  io::Duration interval =
      std::chrono::hours(24 * 7);  // from the start of one pass to the start of the next
  io::Duration first_pause = std::chrono::minutes(2);  // after the start of the server
  io::Duration save_every = std::chrono::seconds(30);
  std::size_t page_units = 256;
};

// Kept in the control store under "scrub".
struct ScrubState {
  std::string cursor{};  // unit key to go on with; empty: at the beginning
  bool in_pass = false;
  std::int64_t started_ms = 0;   // of the pass going on, or of the last one
  std::int64_t finished_ms = 0;  // of the last pass that came to the end; 0: none yet
  std::uint64_t units = 0;       // of this pass, or of the last one
  std::uint64_t bytes = 0;
  std::uint64_t damaged_shards = 0;  // found
  std::uint64_t not_whole = 0;       // units that were not whole afterwards
  std::uint64_t errors = 0;          // units that could not be verified
  bool operator==(const ScrubState&) const = default;
};
std::string encode_scrub_state(const ScrubState& state);
Result<ScrubState> decode_scrub_state(std::string_view bytes);  // corrupt

class Scrub {
 public:
  // All that is referred to outlives it.
  Scrub(store::LocalStore& store, control::Store& control, io::Clock& clock,
        metrics::Registry& metrics, ScrubOptions options = {});

  void start(io::Executor& executor);
  io::Task<void> stop();
  // Begins a pass now, if none is going on. Thread-safe.
  void run_now();
  ScrubState status() const;  // thread-safe

 private:
  io::Task<void> loop();
  bool due(bool by_hand, io::Duration& wait) const;
  io::Task<bool> pass();
  io::Task<bool> verify(model::UnitKey unit);
  io::Task<void> load();
  io::Task<void> save();
  template <class Change>
  void update(Change change) {
    std::lock_guard lock(mutex_);
    change(state_);
  }

  store::LocalStore& store_;
  control::Store& control_;
  io::Clock& clock_;
  ScrubOptions options_;
  metrics::Counter& units_;
  metrics::Counter& bytes_;
  metrics::Counter& damaged_;
  metrics::Counter& errors_;
  metrics::Gauge& finished_;
  Loop loop_;
  std::atomic<bool> now_{false};
  io::Instant saved_{};
  mutable std::mutex mutex_;
  ScrubState state_;  // guarded by mutex_
};

}  // namespace cairn::background
