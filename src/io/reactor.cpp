#include "io/reactor.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>

#include "base/assert.h"

namespace cairn::io {
namespace {

namespace asio = boost::asio;

// Timers live in a heap of our own with one Asio timer for the earliest. Most deadlines are never
// reached (the work they guard ends long before), so setting one has to cost an append and nothing
// else.
class AsioReactor final : public Reactor {
 public:
  AsioReactor() : guard_(asio::make_work_guard(context_)), timer_(context_), wake_(context_) {
    wake_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CAIRN_ASSERT(wake_fd_ >= 0);
    wake_.assign(wake_fd_);
    wait_for_wake();
  }

  // Work waits in a list of our own with one message for all of it: a thread that answers many
  // coroutines at once wakes the reactor once. Not through asio::post: that wakes the reactor while
  // it holds the lock that the reactor takes first.
  void post(std::move_only_function<void()> work) override {
    bool first = false;
    {
      std::lock_guard lock(posted_mutex_);
      first = posted_.empty();
      posted_.push_back(std::move(work));
    }
    if (!first) return;
    if (Executor::current_or_null() == this) {
      asio::post(context_, [this] { run_posted(); });
      return;
    }
    const std::uint64_t one = 1;
    const auto written = ::write(wake_fd_, &one, sizeof one);
    CAIRN_ASSERT(written == sizeof one);
  }

  void post_at(Instant when, std::move_only_function<void()> work) override {
    if (Executor::current_or_null() == this) {
      add_timer(when, std::move(work));
      return;
    }
    post([this, when, work = std::move(work)]() mutable { add_timer(when, std::move(work)); });
  }

  Instant now() const override { return std::chrono::steady_clock::now(); }
  void* native() override { return &context_; }

  void run() {
    Running running(*this);
    context_.run();
  }
  void stop() { context_.stop(); }
  // Runs what is ready, on the caller's thread. REQUIRES: the reactor's own thread has ended.
  std::size_t drain() {
    Running running(*this);
    context_.restart();
    const std::size_t ran = run_posted();
    return ran + context_.poll();
  }

 private:
  struct Timer {
    Instant when;
    std::uint64_t order;  // equal times fire in the order they were set
    std::move_only_function<void()> work;
  };
  static bool later(const Timer& a, const Timer& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  // What was posted until now; what is posted meanwhile comes in the next turn.
  std::size_t run_posted() {
    {
      std::lock_guard lock(posted_mutex_);
      running_.swap(posted_);
    }
    for (auto& work : running_) work();
    const std::size_t ran = running_.size();
    running_.clear();
    return ran;
  }

  void wait_for_wake() {
    wake_.async_read_some(asio::buffer(&wakes_, sizeof wakes_),
                          [this](const boost::system::error_code& error, std::size_t) {
                            CAIRN_ASSERT(!error);
                            run_posted();
                            wait_for_wake();
                          });
  }

  void add_timer(Instant when, std::move_only_function<void()> work) {
    timers_.push_back(Timer{when, next_order_++, std::move(work)});
    std::push_heap(timers_.begin(), timers_.end(), later);
    if (when < armed_for_) arm();
  }

  void arm() {
    armed_for_ = timers_.empty() ? Instant::max() : timers_.front().when;
    if (timers_.empty()) return;
    const std::uint64_t arming = ++arming_;
    timer_.expires_at(armed_for_);
    timer_.async_wait([this, arming](const boost::system::error_code&) {
      if (arming == arming_) fire();  // else it was armed anew in the meantime
    });
  }

  void fire() {
    const Instant now_is = now();
    while (!timers_.empty() && timers_.front().when <= now_is) {
      std::pop_heap(timers_.begin(), timers_.end(), later);
      auto work = std::move(timers_.back().work);
      timers_.pop_back();
      work();
    }
    arm();
  }

  std::mutex posted_mutex_;
  std::vector<std::move_only_function<void()>> posted_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  // The rest belongs to the reactor's thread.
  asio::steady_timer timer_;
  asio::posix::stream_descriptor wake_;
  int wake_fd_ = -1;  // wake_'s
  std::uint64_t wakes_ = 0;
  std::vector<std::move_only_function<void()>> running_;
  std::vector<Timer> timers_;
  std::uint64_t next_order_ = 0;
  std::uint64_t arming_ = 0;
  Instant armed_for_ = Instant::max();
};

class AsioReactors final : public Reactors {
 public:
  explicit AsioReactors(std::size_t count) {
    CAIRN_ASSERT(count > 0);
    for (std::size_t i = 0; i < count; ++i) reactors_.push_back(std::make_unique<AsioReactor>());
  }
  ~AsioReactors() override { stop(); }

  std::size_t size() const override { return reactors_.size(); }
  Reactor& at(std::size_t index) override { return *reactors_.at(index); }

  void start() override {
    CAIRN_ASSERT(threads_.empty());
    for (auto& reactor : reactors_) threads_.emplace_back([&r = *reactor] { r.run(); });
  }

  void stop() override {
    if (threads_.empty()) return;
    CAIRN_ASSERT(Executor::current_or_null() == nullptr);
    for (auto& reactor : reactors_) reactor->stop();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    // What was posted still runs, here: one reactor's last work may post to another, so until all
    // are quiet.
    std::size_t ran = 1;
    while (ran > 0) {
      ran = 0;
      for (auto& reactor : reactors_) ran += reactor->drain();
    }
  }

 private:
  std::vector<std::unique_ptr<AsioReactor>> reactors_;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Reactors> make_reactors(std::size_t count) {
  return std::make_unique<AsioReactors>(count);
}

}  // namespace cairn::io
