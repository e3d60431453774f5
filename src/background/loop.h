// What every background service runs in: a loop that can be woken, paused and stopped.
//
// Threads: start() and the body run on one executor; wake() and stop() may be called from any.
// stop() is called once, before the Loop goes.
#pragma once

#include <atomic>
#include <optional>

#include "io/sync.h"

namespace cairn::background {

class Loop {
 public:
  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs `body` on `executor` until it returns. The body ends soon once stopping() is true.
  void start(io::Executor& executor, io::Task<void> body) {
    started_ = true;
    io::spawn(executor, run(this, std::move(body)));
  }
  bool stopping() const { return stopping_.load(std::memory_order_acquire); }
  // For the body: waits until the time is over, wake() is called or the loop is to stop. False: it
  // is to stop.
  io::Task<bool> pause(io::Duration time) {
    if (stopping()) co_return false;
    const io::Instant until = io::Executor::current().now() + time;
    (void)co_await wake_.pop(until);
    while (wake_.try_pop()) {  // several calls of wake() are one
    }
    co_return !stopping();
  }
  void wake() { wake_.push(true); }
  // Asks the body to end and waits until it has.
  io::Task<void> stop() {
    stopping_.store(true, std::memory_order_release);
    wake_.push(true);
    if (started_) co_await ended_.get();
  }

 private:
  static io::Task<void> run(Loop* self, io::Task<void> body) {
    const io::OneShot<bool> ended = self->ended_;
    co_await std::move(body);
    ended.set(true);
  }
  std::atomic<bool> stopping_{false};
  bool started_ = false;
  io::Mailbox<bool> wake_{};
  io::OneShot<bool> ended_{};
};

// Runs tasks side by side, a bounded number at a time. One executor.
class Crew {
 public:
  explicit Crew(std::size_t limit) : limit_(limit) {}
  // Starts `task` as soon as there is room. The task must not outlive what it refers to: drain()
  // before that goes.
  io::Task<void> submit(io::Task<void> task) {
    while (running_ >= limit_) co_await one();
    ++running_;
    io::spawn(io::Executor::current(), run(std::move(task), done_));
  }
  io::Task<void> drain() {
    while (running_ > 0) co_await one();
  }

 private:
  static io::Task<void> run(io::Task<void> task, io::Mailbox<bool> done) {
    co_await std::move(task);
    done.push(true);
  }
  io::Task<void> one() {
    (void)co_await done_.pop();
    --running_;
  }
  std::size_t limit_;
  std::size_t running_ = 0;
  io::Mailbox<bool> done_{};
};

}  // namespace cairn::background
