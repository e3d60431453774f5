// Pendings of all units that have any, with the settled state beneath them, in memory, and which
// units have messages in flight: so that most reads need not look for pendings at all, and know
// whether what they read was one state, and a settle need not read what its mutation had read.
//
// A reader looks, reads the index, and asks whether anything began to change meanwhile: if the unit
// had nothing in flight and its shard of the mirror the same version afterwards, what it read was
// one state. Else it reads from a snapshot. Thread-safe; the committer publishes.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "drive/layout.h"
#include "io/sync.h"

namespace cairn::drive {

class PendingMirror {
 public:
  struct Look {
    std::shared_ptr<const Pendings> pendings{};     // never null
    std::shared_ptr<const SettledState> settled{};  // beneath them; null: not known here
    bool in_flight = false;
    std::uint64_t version = 0;
  };
  Look look(const std::string& unit) const;
  bool unchanged(const std::string& unit, std::uint64_t version) const;

  // A message for a unit that may change it: from its arrival until it is answered. Until
  // submitted() it is not yet in the committer's queue, and nothing that must come after it may go
  // there.
  class [[nodiscard]] Flight {
   public:
    Flight() = default;
    Flight(PendingMirror* mirror, std::string unit) : mirror_(mirror), unit_(std::move(unit)) {}
    Flight(Flight&& o) noexcept
        : mirror_(std::exchange(o.mirror_, nullptr)),
          unit_(std::move(o.unit_)),
          preparing_(o.preparing_) {}
    Flight& operator=(Flight&&) = delete;
    ~Flight() {
      if (mirror_ == nullptr) return;
      submitted();
      mirror_->leave(unit_);
    }
    void submitted() {
      if (std::exchange(preparing_, false)) mirror_->submitted(unit_);
    }

   private:
    PendingMirror* mirror_ = nullptr;
    std::string unit_;
    bool preparing_ = true;
  };
  Flight enter(const std::string& unit);
  // Returns when all messages for the unit that arrived before are in the committer's queue.
  io::Task<void> wait_submitted(std::string unit);

  // `settled`: the state beneath `pendings`, or null where it is not known.
  void publish(const std::string& unit, std::shared_ptr<const Pendings> pendings,
               std::shared_ptr<const SettledState> settled = {});
  std::size_t units() const { return units_.load(std::memory_order_relaxed); }  // with pendings

  // Whether the index holds no pendings at all, over some time: quiet() at its beginning said yes,
  // and still_quiet() of what it gave says so at its end. What a snapshot in between shows has
  // none.
  struct Quiet {
    bool yes = false;
    std::uint64_t entered = 0;
  };
  Quiet quiet() const {
    // In this order: what enters after the first is seen by still_quiet(), what entered before by
    // the others.
    const auto entered = entered_.load();
    return {in_flight_.load() == 0 && units_.load() == 0, entered};
  }
  bool still_quiet(const Quiet& before) const {
    return before.yes && entered_.load() == before.entered;
  }

 private:
  friend class Flight;
  void leave(const std::string& unit);
  void submitted(const std::string& unit);
  struct Entry {
    std::uint32_t in_flight = 0;
    std::uint32_t preparing = 0;
    std::vector<io::OneShot<bool>> waiting{};       // for preparing to become 0
    std::shared_ptr<const Pendings> pendings{};     // null: none
    std::shared_ptr<const SettledState> settled{};  // of a unit with pendings
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::uint64_t version = 0;
    std::unordered_map<std::string, Entry> entries;
  };
  static constexpr std::size_t kShards = 1024;
  Shard& shard(const std::string& unit) const;
  std::unique_ptr<std::array<Shard, kShards>> shards_ =
      std::make_unique<std::array<Shard, kShards>>();
  std::atomic<std::size_t> units_{0};
  std::atomic<std::uint64_t> entered_{0};   // messages, ever
  std::atomic<std::int64_t> in_flight_{0};  // messages
};

// The list of a unit without pendings.
std::shared_ptr<const Pendings> no_pendings();

}  // namespace cairn::drive
