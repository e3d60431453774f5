// A socket with its read buffer and its deadline. Waiting costs no timer: a wait notes the tick at
// which it is late, and whoever owns the transport looks at it every tick. Private to net.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "io/reactor.h"
#include "io/task.h"
#include "net/buffer.h"
#include "net/socket.h"

namespace cairn::net {

class Transport {
 public:
  // Why a wait ended with ECANCELED.
  enum class Interrupt : std::uint8_t { none, timeout, park, drain, cut };
  using Tick = std::uint64_t;

  // `now` counts ticks and outlives the transport, as does the pool.
  Transport(io::Reactor& reactor, std::unique_ptr<Socket> socket, BufferPool& pool, const Tick& now)
      : reactor_(reactor), socket_(std::move(socket)), buffer_(pool), now_(now) {}

  ReadBuffer& buffer() { return buffer_; }
  Socket& socket() { return *socket_; }
  Tick now() const { return now_; }
  Interrupt interrupted() const { return interrupt_; }
  bool was_cut() const { return cut_; }

  // Waiting for bytes. `try_first`: false where nothing can be expected to be there.
  struct Read {
    Transport& transport;
    iovec into[2];
    std::size_t count;
    Tick deadline;
    bool try_first;
    Waiting waiting{};
    bool await_ready();
    void await_suspend(std::coroutine_handle<> h);
    Moved await_resume();
  };
  Read read(iovec into, Tick deadline, bool try_first = true) {
    return Read{*this, {into, {}}, 1, deadline, try_first};
  }
  Read read(iovec first, iovec second, Tick deadline) {
    return Read{*this, {first, second}, 2, deadline, true};
  }

  // Waiting without memory: for idle connections, and for room to write.
  struct Wait {
    Transport& transport;
    bool writable;
    Tick deadline;
    Waiting waiting{};
    bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<> h);
    Moved await_resume();
  };
  Wait readable(Tick deadline) { return Wait{*this, false, deadline}; }
  Wait writable(Tick deadline) { return Wait{*this, true, deadline}; }

  // Writes as much as can be written at once. 1: all of `pieces` is written; 0: the rest, left in
  // `pieces`, has to wait; -1: the connection is broken.
  int write_now(std::vector<iovec>& pieces);
  // Writes the rest, waiting at most `patience` ticks for each progress. False: broken or late.
  io::Task<bool> write_rest(std::vector<iovec>& pieces, Tick patience);

  // A connection whose calls never have to wait would keep its reactor from all others: after a
  // number of them, or of bytes (which are hashed and encoded in the same turn), it is to yield().
  static constexpr std::size_t kTurnBytes = std::size_t{256} << 10;
  bool spent() const { return immediate_ == 0; }
  struct Yield {
    Transport& transport;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
      transport.immediate_ = kTurnBytes;
      transport.reactor_.post([h] { h.resume(); });
    }
    void await_resume() const noexcept {}
  };
  Yield yield() { return Yield{*this}; }

  // Every tick.
  void check_deadline() {
    if (waiting_ && now_ >= deadline_) interrupt(Interrupt::timeout);
  }
  void interrupt(Interrupt why);

 private:
  static constexpr std::size_t kCallBytes = 4096;  // what a call costs beside its bytes
  void spend(std::size_t bytes) { immediate_ -= std::min(immediate_, kCallBytes + bytes); }
  void begin_wait(Tick deadline);
  Moved end_wait(Moved moved);

  io::Reactor& reactor_;
  std::unique_ptr<Socket> socket_;
  ReadBuffer buffer_;
  const Tick& now_;
  Tick deadline_ = 0;
  std::size_t immediate_ = kTurnBytes;
  bool waiting_ = false;
  bool cut_ = false;
  Interrupt interrupt_ = Interrupt::none;
};

}  // namespace cairn::net
