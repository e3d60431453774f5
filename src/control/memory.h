// A control store in memory: for tests of the modules above, and for simulations. Nothing is
// durable.
#pragma once

#include <memory>

#include "control/control.h"
#include "control/state.h"

namespace cairn::control {

// Threads: any, also without an executor; every call completes at once.
class MemoryStore final : public Store {
 public:
  io::Task<Result<std::optional<Entry>>> get(std::string key) override;
  io::Task<Result<std::vector<Entry>>> list(std::string prefix) override;
  io::Task<Result<std::uint64_t>> commit(std::vector<Condition> conditions,
                                         std::vector<Change> changes) override;
  std::unique_ptr<Watch> watch(std::string prefix, OnChange on_change) override;
  io::Task<Result<std::uint64_t>> grant_lease(std::chrono::seconds ttl) override;
  io::Task<Result<void>> keep_alive(std::uint64_t lease) override;

  // While on, commits fail with `unavailable` and do nothing; reads go on, as from a cache.
  void set_unavailable(bool on);

 private:
  std::mutex mutex_;
  State state_;
  WatchHub hub_;
  bool unavailable_ = false;
  std::uint64_t leases_ = 0;
};

}  // namespace cairn::control
