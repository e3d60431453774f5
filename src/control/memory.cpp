#include "control/memory.h"

namespace cairn::control {

io::Task<Result<std::optional<Entry>>> MemoryStore::get(std::string key) {
  std::lock_guard lock(mutex_);
  co_return state_.get(key);
}

io::Task<Result<std::vector<Entry>>> MemoryStore::list(std::string prefix) {
  std::lock_guard lock(mutex_);
  co_return state_.list(prefix);
}

io::Task<Result<std::uint64_t>> MemoryStore::commit(std::vector<Condition> conditions,
                                                    std::vector<Change> changes) {
  std::uint64_t revision;
  {
    std::lock_guard lock(mutex_);
    if (unavailable_) co_return Error{Code::unavailable, "the control store is unavailable"};
    if (!state_.holds(conditions))
      co_return Error{Code::conflict, "the control store changed meanwhile"};
    if (changes.empty()) co_return state_.revision;
    std::vector<Event> events;
    state_.apply(changes, events);
    revision = state_.revision;
    hub_.queue(std::move(events));
  }
  hub_.deliver();
  co_return revision;
}

std::unique_ptr<Store::Watch> MemoryStore::watch(std::string prefix, OnChange on_change) {
  std::lock_guard lock(mutex_);
  return hub_.add(std::move(prefix), state_.revision, std::move(on_change));
}

io::Task<Result<std::uint64_t>> MemoryStore::grant_lease(std::chrono::seconds) {
  std::lock_guard lock(mutex_);
  co_return ++leases_;
}

io::Task<Result<void>> MemoryStore::keep_alive(std::uint64_t lease) {
  std::lock_guard lock(mutex_);
  if (lease == 0 || lease > leases_) co_return Error{Code::not_found, "there is no such lease"};
  co_return Result<void>{};
}

void MemoryStore::set_unavailable(bool on) {
  std::lock_guard lock(mutex_);
  unavailable_ = on;
}

}  // namespace cairn::control
