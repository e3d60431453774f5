// What a control store holds in memory, and the delivery of its changes to watchers. Shared by the
// implementations.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control/control.h"

namespace cairn::control {

// One key that changed, as watchers are told.
struct Event {
  std::uint64_t revision = 0;
  std::string key;
  std::optional<Entry> entry;  // none: removed
};

// The ordered map of keys. Not thread-safe. A value.
struct State {
  struct Item {
    std::string value;
    std::uint64_t mod_revision = 0;
  };
  std::uint64_t revision = 0;
  std::map<std::string, Item, std::less<>> items{};

  std::optional<Entry> get(const std::string& key) const;
  std::vector<Entry> list(const std::string& prefix) const;
  // 0: absent.
  std::uint64_t mod_revision(const std::string& key) const;
  bool holds(const std::vector<Condition>& conditions) const;
  // Raises the revision and applies all changes under it; appends what changed to `events`.
  void apply(const std::vector<Change>& changes, std::vector<Event>& events);
};

// Hands events to watchers: in order, one at a time, each watcher's calls never after its handle is
// gone. A callback may use the store, make watches and destroy its own. Thread-safe.
class WatchHub {
 public:
  WatchHub();
  ~WatchHub();
  // Watches changes with a revision above `since`.
  std::unique_ptr<Store::Watch> add(std::string prefix, std::uint64_t since,
                                    Store::OnChange on_change);
  // Queues `events`. REQUIRES: calls are ordered by revision (the caller's lock does that).
  void queue(std::vector<Event> events);
  // Delivers what is queued, unless another thread is at it: then that one does. Hold no lock here.
  void deliver();

  struct Shared;

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace cairn::control
