#include "sim/history.h"

#include <algorithm>
#include <map>

#include "base/assert.h"

namespace cairn::sim {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;

// One explanation so far: the register's value, and which of the operations under way have taken
// effect.
struct Config {
  std::uint32_t value = 0;
  std::uint64_t taken = 0;  // of those that were answered; bits are places in `active`
  std::uint64_t open = 0;   // of those that never were
};

// Explanations that are worth keeping: of two that differ only in open operations, one of which has
// used a part of the other's, that one explains everything the other does. (An open operation need
// never take effect.)
class Frontier {
 public:
  // False: it, or one that is as good, is there already.
  bool insert(const Config& config) {
    auto& kept = kept_[{config.value, config.taken}];
    for (const std::uint64_t open : kept)
      if ((open & config.open) == open) return false;
    std::erase_if(kept, [&](std::uint64_t open) { return (open & config.open) == config.open; });
    kept.push_back(config.open);
    return true;
  }
  std::vector<Config> all() const {
    std::vector<Config> out;
    for (const auto& [key, kept] : kept_)
      for (const std::uint64_t open : kept) out.push_back({key.first, key.second, open});
    return out;
  }

 private:
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::vector<std::uint64_t>> kept_{};
};

// The value after `operation` takes effect on `value`, if its answer allows that.
std::optional<std::uint32_t> apply(const Operation& operation, std::uint32_t value) {
  const bool open = operation.outcome == Outcome::open;
  const auto conditional = [&](bool holds) -> std::optional<std::uint32_t> {
    if (!open && holds != (operation.outcome == Outcome::done)) return std::nullopt;
    return holds ? operation.value : value;
  };
  switch (operation.kind) {
    case Kind::put:
      return operation.value;
    case Kind::remove:
      return 0;
    case Kind::put_if_absent:
      return conditional(value == 0);
    case Kind::put_if_match:
      return conditional(value != 0 && value == operation.expected);
    case Kind::read:
      return open || operation.value == value ? std::optional(value) : std::nullopt;
  }
  return std::nullopt;
}

class Monitor {
 public:
  explicit Monitor(const std::vector<Operation>& operations) : operations_(operations) {}

  void begin(std::size_t index) {
    for (std::size_t place = 0; place < active_.size(); ++place) {
      if (!active_[place]) {
        active_[place] = index;
        return;
      }
    }
    CAIRN_ASSERT(active_.size() < 64);
    active_.push_back(index);
  }

  // Keeps the explanations in which operation `index` has taken effect. False: there is none.
  bool end(std::size_t index) {
    const auto place = static_cast<std::size_t>(std::find(active_.begin(), active_.end(), index) -
                                                active_.begin());
    Frontier kept, seen;
    std::vector<Config> work;
    for (const Config& config : configs_)
      if (seen.insert(config)) work.push_back(config);
    while (!work.empty()) {
      Config config = work.back();
      work.pop_back();
      if (config.taken >> place & 1) {
        config.taken &= ~(1ull << place);
        kept.insert(config);
        continue;
      }
      for (std::size_t other = 0; other < active_.size(); ++other) {
        if (!active_[other] || (config.taken | config.open) >> other & 1) continue;
        const Operation& operation = operations_[*active_[other]];
        const auto value = apply(operation, config.value);
        if (!value) continue;
        Config next{*value, config.taken, config.open};
        (operation.outcome == Outcome::open ? next.open : next.taken) |= 1ull << other;
        if (seen.insert(next)) work.push_back(next);
      }
    }
    active_[place].reset();
    configs_ = kept.all();
    return !configs_.empty();
  }

 private:
  const std::vector<Operation>& operations_;
  std::vector<std::optional<std::size_t>> active_;
  std::vector<Config> configs_{Config{}};
};

}  // namespace

std::string describe(const Operation& o) {
  static constexpr const char* kinds[] = {"put", "put-if-absent", "put-if-match", "remove", "read"};
  static constexpr const char* outcomes[] = {"open", "done", "refused"};
  return std::string(kinds[static_cast<int>(o.kind)]) + " value " + std::to_string(o.value) +
         (o.kind == Kind::put_if_match ? " expecting " + std::to_string(o.expected) : "") + " [" +
         std::to_string(o.begin) + ", " +
         (o.outcome == Outcome::open ? "open" : std::to_string(o.end)) + "] " +
         outcomes[static_cast<int>(o.outcome)];
}

std::optional<std::string> linearizable(std::vector<Operation> operations) {
  // Reads without an answer say nothing.
  std::erase_if(operations, [](const Operation& o) {
    return o.kind == Kind::read && o.outcome == Outcome::open;
  });
  struct Event {
    std::uint64_t time;
    bool is_end;  // beginnings first at equal times: the operations overlap
    std::size_t index;
    auto operator<=>(const Event&) const = default;
  };
  std::vector<Event> events;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    events.push_back({operations[i].begin, false, i});
    if (operations[i].outcome != Outcome::open) events.push_back({operations[i].end, true, i});
  }
  std::sort(events.begin(), events.end());
  Monitor monitor(operations);
  for (const auto& event : events) {
    if (!event.is_end) {
      monitor.begin(event.index);
    } else if (!monitor.end(event.index)) {
      std::string text =
          "no order explains: " + describe(operations[event.index]) + "\nthe key's history:";
      for (const auto& o : operations) text += "\n  " + describe(o);
      return text;
    }
  }
  return std::nullopt;
}

}  // namespace cairn::sim
