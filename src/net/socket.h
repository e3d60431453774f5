// A stream socket on a reactor: system calls that do not wait, and waiting for them to become
// possible. Asio is behind it; this header stays free of it. Private to net.
//
// Threads: everything on the reactor's thread, construction excepted. One wait of each direction at
// a time.
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "io/reactor.h"
#include "io/task.h"

namespace cairn::net {

// The outcome of one call: bytes moved (0 from a read: the peer's end), or an errno. EAGAIN:
// nothing was possible now.
struct Moved {
  std::size_t bytes = 0;
  int error = 0;
  bool again() const { return error == EAGAIN; }
  bool failed() const { return error != 0; }
};

// A coroutine that waits for the reactor. Lives in the frame of the waiter.
struct Waiting {
  std::coroutine_handle<> coroutine{};
  Moved moved{};
};

class Socket {
 public:
  // Owns `fd`, which is a connected or listening, non-blocking socket.
  Socket(io::Reactor& reactor, int fd);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

  Moved try_read(std::span<const iovec> into);
  Moved try_write(std::span<const iovec> from);

  // Reads as soon as there is something; the coroutine in `waiting` is resumed with the outcome.
  void start_read(std::span<const iovec> into, Waiting& waiting);
  // Resumes once the socket is readable (a listener: acceptable), or writable.
  void start_wait_readable(Waiting& waiting);
  void start_wait_writable(Waiting& waiting);
  // What is being waited for ends with ECANCELED.
  void cancel();

  void shutdown_write();
  // Closes without a clean end: the peer sees a reset.
  void reset();
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  int fd_;
};

struct WaitReadable {
  Socket& socket;
  Waiting waiting{};
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    waiting.coroutine = h;
    socket.start_wait_readable(waiting);
  }
  Moved await_resume() const noexcept { return waiting.moved; }
};

struct WaitWritable {
  Socket& socket;
  Waiting waiting{};
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    waiting.coroutine = h;
    socket.start_wait_writable(waiting);
  }
  Moved await_resume() const noexcept { return waiting.moved; }
};

// A listening, non-blocking socket with SO_REUSEPORT. `port` 0: any, and the one taken is returned
// in it. Fails where another process listens already.
Result<int> listen_on(const std::string& host, std::uint16_t& port);
// One more listener on a port of ours: the kernel spreads connections over all of them.
Result<int> listen_beside(const std::string& host, std::uint16_t port);
// The next connection of a listener, as a non-blocking descriptor, or an errno (negative).
int accept_on(int listener, std::string& peer);

// Connects; the name of a host is looked up on a thread of its own. REQUIRES: runs on `reactor`.
io::Task<Result<std::unique_ptr<Socket>>> connect_to(io::Reactor& reactor, std::string host,
                                                     std::uint16_t port, io::Duration timeout);

}  // namespace cairn::net
