#include "net/transport.h"

#include <algorithm>

namespace cairn::net {
namespace {

constexpr std::size_t kMaxPieces = 256;  // of one call

void drop_written(std::vector<iovec>& pieces, std::size_t bytes) {
  std::size_t done = 0;
  while (done < pieces.size() && bytes >= pieces[done].iov_len) bytes -= pieces[done++].iov_len;
  pieces.erase(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(done));
  if (bytes == 0) return;
  pieces.front().iov_base = static_cast<char*>(pieces.front().iov_base) + bytes;
  pieces.front().iov_len -= bytes;
}

}  // namespace

void Transport::begin_wait(Tick deadline) {
  deadline_ = deadline;
  waiting_ = true;
  interrupt_ = Interrupt::none;
  immediate_ = kTurnBytes;
}

Moved Transport::end_wait(Moved moved) {
  waiting_ = false;
  if (moved.error == ECANCELED && cut_) interrupt_ = Interrupt::cut;
  if (moved.error != ECANCELED) interrupt_ = Interrupt::none;  // it came first
  return moved;
}

void Transport::interrupt(Interrupt why) {
  if (why == Interrupt::cut) cut_ = true;
  if (!waiting_ || interrupt_ != Interrupt::none) return;
  interrupt_ = why;
  socket_->cancel();
}

bool Transport::Read::await_ready() {
  if (transport.cut_) {
    waiting.moved = Moved{0, ECANCELED};
    transport.interrupt_ = Interrupt::cut;
    return true;
  }
  if (!try_first || transport.spent()) return false;
  waiting.moved = transport.socket_->try_read(std::span(into, count));
  if (waiting.moved.again()) return false;
  transport.spend(waiting.moved.bytes);
  return true;
}

void Transport::Read::await_suspend(std::coroutine_handle<> h) {
  waiting.coroutine = h;
  transport.begin_wait(deadline);
  transport.socket_->start_read(std::span(into, count), waiting);
}

Moved Transport::Read::await_resume() {
  return waiting.coroutine ? transport.end_wait(waiting.moved) : waiting.moved;
}

bool Transport::Wait::await_ready() const noexcept {
  return transport.cut_;
}

void Transport::Wait::await_suspend(std::coroutine_handle<> h) {
  waiting.coroutine = h;
  transport.begin_wait(deadline);
  if (writable)
    transport.socket_->start_wait_writable(waiting);
  else
    transport.socket_->start_wait_readable(waiting);
}

Moved Transport::Wait::await_resume() {
  if (waiting.coroutine) return transport.end_wait(waiting.moved);
  transport.interrupt_ = Interrupt::cut;
  return Moved{0, ECANCELED};
}

int Transport::write_now(std::vector<iovec>& pieces) {
  std::size_t written = 0;
  while (!pieces.empty()) {
    if (cut_) return -1;
    const auto count = std::min(pieces.size(), kMaxPieces);
    const Moved moved = socket_->try_write(std::span(pieces.data(), count));
    if (moved.again()) return 0;
    if (moved.failed()) return -1;
    written += moved.bytes;
    drop_written(pieces, moved.bytes);
  }
  spend(written);
  return 1;
}

io::Task<bool> Transport::write_rest(std::vector<iovec>& pieces, Tick patience) {
  for (;;) {
    const int written = write_now(pieces);
    if (written != 0) co_return written > 0;
    const Moved waited = co_await writable(now_ + patience);
    if (waited.failed()) co_return false;
  }
}

}  // namespace cairn::net
