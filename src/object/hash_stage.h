// MD5 of the bodies that flow in, hashed side by side (crypto/md5_lanes.h), also with those of
// neighbouring executors.
//
// A body's bytes wait in the buffers that they were read into: as a rule one full one or a few,
// which are on their way to the drives meanwhile, and the one that fills. When that is full too,
// the stream settles the oldest. If others are around, the stream waits one turn of its executor,
// in which whoever is ready too joins in, and what is pending of all the others is hashed along:
// lanes that would be idle cost nothing, and with a buffer in hand nearly everybody has something
// to bring. A stream that is alone is hashed at once, as its bytes come.
//
// Each executor has a stage, and a few stages are a group, whose streams come along with each
// other. One run of much data goes on at a time in a group: while it does, others fill their
// buffers and go with the next, so that there is a next with full lanes. Little data never waits
// for that.
//
// Threads: a stage and its streams belong to their executor; the group is guarded by a mutex that
// is never held while hashing. HashStages::here() is thread-safe and mostly without locks. Memory:
// nothing is copied; a stream keeps a few buffers longer than the drives need them, and none when
// its owner says so. No timers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "crypto/md5_lanes.h"
#include "io/bytes.h"
#include "io/executor.h"

namespace cairn::object {

class HashStage : public std::enable_shared_from_this<HashStage> {
 public:
  // What is hashed of a stream before others have their turn.
  static constexpr std::size_t kMostAtOnce = 256u << 10;
  // Full buffers that a stream keeps in hand at most. The more bodies come in, the more of them are
  // worth waiting for: one buffer for each kPerBuffer.
  static constexpr std::size_t kMostInHand = 4;
  static constexpr std::size_t kPerBuffer = 2;
  // From here on it is much, and waits for a run of much that is going on.
  static constexpr std::size_t kMuch = 64u << 10;

  struct Group;
  static std::shared_ptr<Group> make_group();
  explicit HashStage(io::Executor& executor, std::shared_ptr<Group> group = make_group())
      : executor_(executor), group_(std::move(group)) {}

  // That a write is going on here. Held until its end, not only until its body has come: those
  // whose bodies come next are the company that it is worth waiting for.
  class [[nodiscard]] Presence {
   public:
    Presence() = default;
    explicit Presence(const std::shared_ptr<HashStage>& stage);
    Presence(Presence&& o) noexcept = default;
    Presence& operator=(Presence&& o) noexcept {
      std::swap(group_, o.group_);
      return *this;
    }
    ~Presence();

   private:
    std::shared_ptr<Group> group_{};
  };

  // One body. May be dropped at any time but while somebody awaits settle(); waits for a run that
  // reads its bytes, half a millisecond.
  class Stream {
   public:
    explicit Stream(std::shared_ptr<HashStage> stage);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // The next bytes. They stay as they are until they are hashed. REQUIRES: within one buffer (see
    // keep()), each piece lies behind the last.
    void add(io::Bytes bytes);
    // What was added since the last call stays as it is as long as `buffer` is held: the stream
    // holds it until it is hashed.
    void keep(std::shared_ptr<const void> buffer);

    // How many full buffers are worth keeping, so that there is company when they are hashed; at
    // least one.
    std::size_t worth_keeping() const;
    // Waits until all but the newest `buffers`, as keep() divided them, are hashed.
    struct Settle {
      Stream& stream;
      std::size_t buffers;
      bool await_ready() const { return stream.settled_at_once(buffers); }
      void await_suspend(std::coroutine_handle<> h) { stream.stage_->enter(stream, buffers, h); }
      void await_resume() const {}
    };
    Settle settle(std::size_t buffers) { return Settle{*this, buffers}; }

    // Of all that was added; what has not settled is hashed now.
    crypto::Md5Digest digest();

   private:
    friend class HashStage;
    friend struct Group;
    struct Pending {
      io::Bytes bytes;
      std::shared_ptr<const void> buffer{};
      bool closed = false;  // keep() was called
    };
    bool settled_at_once(std::size_t buffers);
    void hash_alone(std::unique_lock<std::mutex>& lock);
    // The oldest bytes, `most` of them at most, which are hashed without the lock until taken().
    crypto::Md5Piece take(std::size_t most);
    // What was kept for it, to be let go without the lock.
    [[nodiscard]] std::shared_ptr<const void> taken();

    std::shared_ptr<HashStage> stage_;
    crypto::Md5State state_{};  // of whoever took bytes, while somebody did
    // Guarded by the group.
    std::deque<Pending> pending_{};  // oldest first; none is empty but between take() and taken()
    bool in_run_ = false;            // somebody took bytes
    bool waiting_ = false;
  };

  // How many streams were hashed in how many runs of this stage: for tests and measurements.
  struct Counts {
    std::uint64_t runs = 0, settled = 0, along = 0, alone = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Run {
    std::vector<Stream*> streams{};
    std::vector<crypto::Md5Piece> pieces{};
    bool much = false;
  };
  void enter(Stream& stream, std::size_t buffers, std::coroutine_handle<> h);
  void post_turn();
  void turn();
  Run begin_run();  // under the lock
  void end_run(const Run& run);

  io::Executor& executor_;
  const std::shared_ptr<Group> group_;
  bool posted_ = false;  // a turn; guarded by the group
  Counts counts_{};
};

// The stages of all executors, each made when it is first asked for.
class HashStages {
 public:
  // How many stages are a group: with fewer, lanes stay empty; with more, one executor would hash
  // for too many.
  static constexpr std::size_t kInGroup = 4;

  HashStages() = default;
  ~HashStages();
  HashStages(const HashStages&) = delete;
  HashStages& operator=(const HashStages&) = delete;

  // That of the current executor. REQUIRES: called on one. Executors outlive this.
  std::shared_ptr<HashStage> here();

 private:
  struct Entry {
    io::Executor* executor;
    std::shared_ptr<HashStage> stage;
    Entry* next;
  };
  std::atomic<Entry*> first_{nullptr};  // grows at the front only
  std::mutex growing_;
  std::size_t entries_ = 0;                    // guarded by growing_
  std::shared_ptr<HashStage::Group> group_{};  // of the newest; likewise
};

}  // namespace cairn::object
