#include "control/state.h"

#include <algorithm>

#include "base/assert.h"

namespace cairn::control {

std::optional<Entry> State::get(const std::string& key) const {
  const auto it = items.find(key);
  if (it == items.end()) return std::nullopt;
  return Entry{it->first, it->second.value, it->second.mod_revision};
}

std::vector<Entry> State::list(const std::string& prefix) const {
  std::vector<Entry> out;
  for (auto it = items.lower_bound(prefix); it != items.end() && it->first.starts_with(prefix);
       ++it)
    out.push_back({it->first, it->second.value, it->second.mod_revision});
  return out;
}

std::uint64_t State::mod_revision(const std::string& key) const {
  const auto it = items.find(key);
  return it == items.end() ? 0 : it->second.mod_revision;
}

bool State::holds(const std::vector<Condition>& conditions) const {
  return std::all_of(conditions.begin(), conditions.end(),
                     [&](const Condition& c) { return mod_revision(c.key) == c.mod_revision; });
}

void State::apply(const std::vector<Change>& changes, std::vector<Event>& events) {
  ++revision;
  for (const auto& change : changes) {
    if (change.value) {
      items.insert_or_assign(change.key, Item{*change.value, revision});
      events.push_back({revision, change.key, Entry{change.key, *change.value, revision}});
    } else if (items.erase(change.key) > 0) {
      events.push_back({revision, change.key, std::nullopt});
    }
  }
}

namespace {

struct Watcher {
  std::string prefix;
  std::uint64_t since = 0;
  Store::OnChange on_change;
  // Recursive, so that a callback may destroy its own handle.
  std::recursive_mutex mutex;
  bool active = true;
};

}  // namespace

struct WatchHub::Shared {
  std::mutex mutex;
  std::vector<std::shared_ptr<Watcher>> watchers;
  std::deque<Event> events;
  bool delivering = false;

  void remove(const std::shared_ptr<Watcher>& watcher) {
    {
      // Waits for a call that is running on another thread.
      std::lock_guard lock(watcher->mutex);
      watcher->active = false;
    }
    std::lock_guard lock(mutex);
    std::erase(watchers, watcher);
  }
};

namespace {

class Handle final : public Store::Watch {
 public:
  Handle(std::weak_ptr<WatchHub::Shared> hub, std::shared_ptr<Watcher> watcher)
      : hub_(std::move(hub)), watcher_(std::move(watcher)) {}
  ~Handle() override {
    if (const auto hub = hub_.lock()) hub->remove(watcher_);
  }

 private:
  std::weak_ptr<WatchHub::Shared> hub_;
  std::shared_ptr<Watcher> watcher_;
};

void tell(Watcher& watcher, const Event& event) {
  if (event.revision <= watcher.since || !event.key.starts_with(watcher.prefix)) return;
  std::lock_guard lock(watcher.mutex);
  if (watcher.active) watcher.on_change(event.key, event.entry);
}

}  // namespace

WatchHub::WatchHub() : shared_(std::make_shared<Shared>()) {}
WatchHub::~WatchHub() = default;

std::unique_ptr<Store::Watch> WatchHub::add(std::string prefix, std::uint64_t since,
                                            Store::OnChange on_change) {
  auto watcher = std::make_shared<Watcher>();
  watcher->prefix = std::move(prefix);
  watcher->since = since;
  watcher->on_change = std::move(on_change);
  std::lock_guard lock(shared_->mutex);
  shared_->watchers.push_back(watcher);
  return std::make_unique<Handle>(shared_, std::move(watcher));
}

void WatchHub::queue(std::vector<Event> events) {
  std::lock_guard lock(shared_->mutex);
  std::move(events.begin(), events.end(), std::back_inserter(shared_->events));
}

void WatchHub::deliver() {
  const auto shared = shared_;  // a callback may destroy the store
  std::unique_lock lock(shared->mutex);
  if (shared->delivering) return;
  shared->delivering = true;
  while (!shared->events.empty()) {
    const Event event = std::move(shared->events.front());
    shared->events.pop_front();
    const auto watchers = shared->watchers;
    lock.unlock();
    for (const auto& watcher : watchers) tell(*watcher, event);
    lock.lock();
  }
  shared->delivering = false;
}

}  // namespace cairn::control
