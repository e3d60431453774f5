// MD5 of the bodies that flow in on one executor, hashed side by side (crypto/md5_lanes.h).
//
// A body's bytes wait in the buffers that they were read into: as a rule a full one, which is on
// its way to the drives meanwhile, and the one that fills. When that is full too, the stream
// settles the older. If others are around, the stream waits one turn of the executor, in which
// whoever is ready too joins in, and what is pending of all the others is hashed along: lanes that
// would be idle cost nothing, and with a buffer in hand nearly everybody has something to bring. A
// stream that is alone is hashed at once, as its bytes come.
//
// Threads: everything of a stage belongs to the executor it was made for; HashStages::here() is
// thread-safe and without locks. Memory: nothing is copied; a stream keeps one buffer longer than
// the drives need it, and none when its owner says so. No timers.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "crypto/md5_lanes.h"
#include "io/bytes.h"
#include "io/executor.h"

namespace cairn::object {

class HashStage : public std::enable_shared_from_this<HashStage> {
 public:
  explicit HashStage(io::Executor& executor) : executor_(executor) {}

  // That a write is going on here. Held until its end, not only until its body has come: those
  // whose bodies come next are the company that it is worth waiting for.
  class [[nodiscard]] Presence {
   public:
    Presence() = default;
    explicit Presence(std::shared_ptr<HashStage> stage) : stage_(std::move(stage)) {
      ++stage_->present_;
    }
    Presence(Presence&& o) noexcept = default;
    Presence& operator=(Presence&& o) noexcept {
      std::swap(stage_, o.stage_);
      return *this;
    }
    ~Presence() {
      if (stage_) --stage_->present_;
    }

   private:
    std::shared_ptr<HashStage> stage_{};
  };

  // One body. May be dropped at any time but while somebody awaits settle().
  class Stream {
   public:
    explicit Stream(std::shared_ptr<HashStage> stage);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // The next bytes. They stay as they are until they are hashed.
    void add(io::Bytes bytes);
    // What was added since the last call stays as it is as long as `buffer` is held: the stream
    // holds it until it is hashed.
    void keep(std::shared_ptr<const void> buffer);

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
    struct Pending {
      io::Bytes bytes;
      std::shared_ptr<const void> buffer{};
      bool closed = false;  // keep() was called
    };
    bool settled_at_once(std::size_t buffers);
    void hash_alone();
    // The oldest bytes, `most` of them at most, as hashed from now on.
    crypto::Md5Piece take(std::size_t most);
    // Lets go of what take() took.
    void taken();

    std::shared_ptr<HashStage> stage_;
    crypto::Md5State state_{};
    std::deque<Pending> pending_{};  // oldest first; none is empty but between take() and taken()
    bool waiting_ = false;
  };

  // How many streams were hashed in how many runs: for tests and measurements.
  struct Counts {
    std::uint64_t runs = 0, settled = 0, along = 0, alone = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Waiter {
    Stream* stream;
    std::size_t buffers;  // may stay
    std::coroutine_handle<> coroutine;
  };
  // There is nobody to be hashed along with, or this machine cannot.
  bool lonely() const { return present_ <= 1 || lanes_ <= 1; }
  void enter(Stream& stream, std::size_t buffers, std::coroutine_handle<> h);
  void post_run();
  void run();

  io::Executor& executor_;
  const std::size_t lanes_ = crypto::md5_lanes();
  std::size_t present_ = 0;         // writes going on
  std::vector<Stream*> streams_{};  // bodies coming in
  std::deque<Waiter> waiters_{};
  bool posted_ = false;
  Counts counts_{};
};

// The stages of all executors, each made when it is first asked for.
class HashStages {
 public:
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
};

}  // namespace cairn::object
