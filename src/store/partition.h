// What the leader keeps in memory of one partition (protocol.md 2.5): its term and last sequence,
// locks, and what it knows of units. Nothing of it outlives the term.
//
// Threads: any. Every method but the ones that return a Task is short and never waits.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/assert.h"
#include "drive/drive.h"
#include "io/sync.h"
#include "model/ids.h"
#include "model/unit_key.h"

namespace cairn::store {

// The settled state of a unit, as the leader knows it: `cur`. Immutable.
struct Settled {
  std::optional<model::Stamp> head{};  // none: no drive needs to know anything of the unit
  std::uint64_t row_count = 0;
  bool complete =
      true;  // `rows` are all rows; else they are empty and drives are asked at this head
  std::vector<drive::Row> rows{};  // newest first; long tables of parts are left out

  // REQUIRES: there is a head, as with every unit that has rows.
  const model::Stamp& stamp() const {
    CAIRN_ASSERT(head.has_value());
    return *head;
  }
};

// What a settled mutation leaves of its unit: versions; its head alone, until all members are found
// to report it (6.3); or nothing, where it may be forgotten as it is settled
// (docs/decisions/0007-forget-with-settle.md).
enum class Leaves : std::uint8_t { versions, head, nothing };

// The leader's copy of a unit's rows: complete while they are few and short.
std::shared_ptr<const Settled> make_settled(std::optional<model::Stamp> head,
                                            std::vector<drive::Row> rows);

class Partition {
 public:
  explicit Partition(std::size_t cache_units) : cache_units_(cache_units) {}

  // -- map changes and terms (8): nobody is inside while they happen

  class [[nodiscard]] Pass {
   public:
    Pass() = default;
    explicit Pass(Partition* p) : partition_(p) {}
    Pass(Pass&& o) noexcept : partition_(std::exchange(o.partition_, nullptr)) {}
    Pass& operator=(Pass&& o) noexcept {
      std::swap(partition_, o.partition_);
      return *this;
    }
    ~Pass() {
      if (partition_ != nullptr) partition_->leave();
    }

   private:
    Partition* partition_ = nullptr;
  };
  // Waits while the partition is paused.
  io::Task<Pass> enter();
  // Lets nobody in any more and waits until all are out. REQUIRES: not paused.
  io::Task<void> pause();
  void resume();
  // Starts a term: everything known is forgotten. REQUIRES: paused, or never entered.
  void begin_term(model::Term term);

  // -- stamps

  model::Stamp next_stamp();

  // -- locks, by lock key, first come first served

  struct KeyLock {
    io::AsyncMutex mutex{};
    unsigned users = 0;
  };
  class [[nodiscard]] Lock {
   public:
    Lock() = default;
    Lock(Partition* p, const std::string* key, io::AsyncMutex::Guard guard)
        : partition_(p), key_(key), guard_(std::move(guard)) {}
    Lock(Lock&& o) noexcept
        : partition_(std::exchange(o.partition_, nullptr)),
          key_(o.key_),
          guard_(std::move(o.guard_)) {}
    Lock& operator=(Lock&&) = delete;
    ~Lock() {
      guard_.release();
      if (partition_ != nullptr) partition_->leave_lock(*key_);
    }

   private:
    Partition* partition_ = nullptr;
    const std::string* key_ = nullptr;  // the map's own
    io::AsyncMutex::Guard guard_{};
  };
  io::Task<Lock> lock(std::string lock_key);

  // -- what is known of units

  // Null: unknown, so it has to be resolved.
  std::shared_ptr<const Settled> known(const model::UnitKey& unit);
  // REQUIRES: the unit's lock is held; so for forget_known().
  void set_known(const model::UnitKey& unit, std::shared_ptr<const Settled> settled);
  void forget_known(const model::UnitKey& unit);

  // Messages of the leader under way to a member, which 5.1 wants answered or cut off.
  struct Message {
    unsigned slot = 0;
    model::Term term{};
    std::uint64_t connection = 0;
    bool operator==(const Message&) const = default;
  };
  void sent(const model::UnitKey& unit, Message message);
  void answered(const model::UnitKey& unit, Message message);
  // Some message to `fence`'s member is unanswered and not cut off by that connection.
  bool under_way(const model::UnitKey& unit, unsigned slot, const drive::Fence& fence) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };
  using Recent = std::list<const std::string*>;
  struct Known {
    std::shared_ptr<const Settled> settled;
    Recent::iterator at;
  };
  void leave();
  void leave_lock(const std::string& key);

  const std::size_t cache_units_;
  mutable std::mutex mutex_{};
  model::Term term_{};
  std::uint64_t sequence_ = 0;
  std::size_t inside_ = 0;
  bool paused_ = false;
  std::optional<io::OneShot<bool>> emptied_{};
  std::vector<io::OneShot<bool>> entering_{};
  // Looked up, never walked: their order decides nothing.
  std::unordered_map<std::string, std::unique_ptr<KeyLock>, Hash, std::equal_to<>> locks_{};
  std::unordered_map<std::string, Known, Hash, std::equal_to<>> known_{};
  std::unordered_map<std::string, std::vector<Message>, Hash, std::equal_to<>> under_way_{};
  Recent recent_{};  // most recently used first
};

}  // namespace cairn::store
