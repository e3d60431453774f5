// Files by io_uring: a ring for each reactor, fed and reaped by its thread only.
#include <fcntl.h>
#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <climits>

#include "base/assert.h"
#include "io/file_posix.h"

namespace cairn::io {
namespace {

namespace asio = boost::asio;

constexpr unsigned kEntries = 256;

struct Op {
  std::coroutine_handle<> waiter;
  int result = 0;
};

// One reactor's ring. All members belong to the reactor's thread. Operations of one turn of the
// event loop enter the kernel in one system call; an eventfd in the event loop tells of
// completions.
class Ring : public std::enable_shared_from_this<Ring> {
 public:
  static Result<std::shared_ptr<Ring>> make(Reactor& reactor) {
    std::shared_ptr<Ring> ring(new Ring(reactor));
    if (const int rc = ::io_uring_queue_init(kEntries, &ring->ring_, 0); rc < 0)
      return Error(Code::unavailable, errno_error(-rc, "set up", "io_uring").message);
    ring->ready_ = true;
    const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0) return errno_error(errno, "create", "eventfd");
    boost::system::error_code error;
    (void)ring->event_.assign(event, error);
    if (error) {
      ::close(event);
      return errno_error(error.value(), "watch", "eventfd");
    }
    if (const int rc = ::io_uring_register_eventfd(&ring->ring_, event); rc < 0)
      return Error(Code::unavailable,
                   errno_error(-rc, "register eventfd with", "io_uring").message);
    return ring;
  }
  ~Ring() {
    if (ready_) ::io_uring_queue_exit(&ring_);
  }

  bool is_of(const Executor* executor) const { return executor == &reactor_; }
  void start() {
    asio::post(context_, [self = shared_from_this()] { self->watch(); });
  }
  void close() {
    asio::post(context_, [self = shared_from_this()] {
      boost::system::error_code ignored;
      (void)self->event_.close(ignored);
    });
  }

  // The next free submission entry. Never null: a full queue is handed to the kernel first.
  io_uring_sqe* entry() {
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
      submit();
      sqe = ::io_uring_get_sqe(&ring_);
    }
    CAIRN_ASSERT(sqe != nullptr);
    return sqe;
  }

  // To be called after filling an entry: it enters the kernel at the end of this turn.
  void schedule() {
    if (scheduled_) return;
    scheduled_ = true;
    asio::post(context_, [self = shared_from_this()] {
      self->scheduled_ = false;
      self->submit();
      self->reap();  // what the page cache answered is there already
    });
  }

 private:
  explicit Ring(Reactor& reactor)
      : reactor_(reactor),
        context_(*static_cast<asio::io_context*>(reactor.native())),
        event_(context_) {}

  void submit() {
    for (;;) {
      const int rc = ::io_uring_submit(&ring_);
      if (rc >= 0 && ::io_uring_sq_ready(&ring_) == 0) return;
      if (rc == -EINTR || rc >= 0) continue;
      // Too many completions wait to be reaped, or the kernel lacks memory: the entries stay
      // queued; making room and asking again loses nothing.
      CAIRN_ASSERT(rc == -EBUSY || rc == -EAGAIN);
      collect();
      ::usleep(50);
    }
  }

  void watch() {
    event_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        if (error) return;  // closed
                        std::uint64_t count;
                        [[maybe_unused]] const ssize_t n =
                            ::read(self->event_.native_handle(), &count, sizeof count);
                        self->watch();
                        self->reap();
                      });
  }

  // Takes completions off the ring without running anything.
  void collect() {
    io_uring_cqe* cqe = nullptr;
    while (::io_uring_peek_cqe(&ring_, &cqe) == 0 && cqe != nullptr) {
      auto* const op = static_cast<Op*>(::io_uring_cqe_get_data(cqe));
      op->result = cqe->res;
      done_.push_back(op->waiter);
      ::io_uring_cqe_seen(&ring_, cqe);
    }
  }

  // Resumes those whose operation completed. A resumed coroutine may come back here through
  // submit() and add to done_, or end up in a nested reap: each handle is taken out before it runs.
  void reap() {
    collect();
    while (!done_.empty()) {
      const auto waiter = done_.front();
      done_.pop_front();
      waiter.resume();
    }
  }

  Reactor& reactor_;
  asio::io_context& context_;
  asio::posix::stream_descriptor event_;
  io_uring ring_{};
  bool ready_ = false;
  bool scheduled_ = false;
  std::deque<std::coroutine_handle<>> done_;
};

using Rings = std::vector<std::shared_ptr<Ring>>;

Ring* ring_of_this_thread(const Rings& rings) {
  const Executor* const executor = Executor::current_or_null();
  for (const auto& ring : rings) {
    if (ring->is_of(executor)) return ring.get();
  }
  return nullptr;
}

// Submits what `prepare` fills in and yields the operation's result. It lives in the awaiting
// coroutine's frame, which cannot go away before the kernel is done with it and its buffers.
template <class Prepare>
struct RingOp {
  Ring& ring;
  Prepare prepare;
  Op op{};
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    op.waiter = h;
    io_uring_sqe* const sqe = ring.entry();
    prepare(sqe);
    ::io_uring_sqe_set_data(sqe, &op);
    ring.schedule();
  }
  int await_resume() const noexcept { return op.result; }
};
template <class Prepare>
RingOp(Ring&, Prepare) -> RingOp<Prepare>;

bool again(int result) {
  return result == -EINTR || result == -EAGAIN;
}

class UringFile final : public File {
 public:
  UringFile(std::shared_ptr<const Rings> rings, BlockingPool& pool, OpenFile file)
      : rings_(std::move(rings)), pool_(pool), file_(std::move(file)) {}

  Task<Result<std::size_t>> read_at(std::uint64_t offset, MutableBytes into) override {
    Ring* const ring = ring_of_this_thread(*rings_);
    const DescriptorRef file = file_.plain;
    std::size_t have = read_cached(*file, offset, into);
    if (ring == nullptr && have < into.size()) {
      CAIRN_CO_ASSIGN(const std::size_t more,
                      co_await pool_.run([file, offset = offset + have, rest = into.subspan(have)] {
                        return read_blocking(*file, offset, rest);
                      }));
      co_return have + more;
    }
    while (have < into.size()) {
      const auto rest = into.subspan(have);
      const auto length = static_cast<unsigned>(std::min<std::size_t>(rest.size(), kPieceMax));
      const std::uint64_t at = offset + have;
      const int n =
          co_await RingOp{*ring, [&](io_uring_sqe* sqe) {
                            ::io_uring_prep_read(sqe, file->fd(), rest.data(), length, at);
                          }};
      if (again(n)) continue;
      if (n < 0) co_return errno_error(-n, "read", file->path());
      if (n == 0) break;
      have += static_cast<std::size_t>(n);
    }
    co_return have;
  }

  Task<Result<void>> write_at(std::uint64_t offset, std::vector<Bytes> data) override {
    return write(offset, std::move(data), Durable::no);
  }
  Task<Result<void>> write_synced(std::uint64_t offset, std::vector<Bytes> data) override {
    return write(offset, std::move(data), Durable::yes);
  }

  Result<void> write_synced_blocking(std::uint64_t offset, std::vector<Bytes> data) override {
    return write_blocking(file_, offset, std::move(data), Durable::yes);
  }

  Task<Result<void>> sync_data() override {
    Ring* const ring = ring_of_this_thread(*rings_);
    const DescriptorRef file = file_.plain;
    if (ring == nullptr) co_return co_await pool_.run([file] { return sync_blocking(*file); });
    const int rc = co_await RingOp{*ring, [&](io_uring_sqe* sqe) {
                                     ::io_uring_prep_fsync(sqe, file->fd(), IORING_FSYNC_DATASYNC);
                                   }};
    if (rc < 0) co_return errno_error(-rc, "sync", file->path());
    co_return Result<void>{};
  }

  Task<Result<void>> discard(std::uint64_t offset, std::uint64_t length) override {
    co_return co_await pool_.run(
        [file = file_.plain, offset, length] { return discard_blocking(*file, offset, length); });
  }
  Task<Result<FileInfo>> info() override { co_return info_of(*file_.plain); }

 private:
  Task<Result<void>> write(std::uint64_t offset, std::vector<Bytes> data, Durable durable) {
    Ring* const ring = ring_of_this_thread(*rings_);
    const OpenFile file = file_;
    if (ring == nullptr) {
      co_return co_await pool_.run([file, offset, data = std::move(data), durable]() mutable {
        return write_blocking(file, offset, std::move(data), durable);
      });
    }
    WriteSteps steps(file, offset, std::move(data), durable);
    while (!steps.done()) {
      const int n =
          co_await RingOp{*ring, [&](io_uring_sqe* sqe) {
                            ::io_uring_prep_writev2(sqe, steps.fd(), steps.pieces().data(),
                                                    static_cast<unsigned>(steps.pieces().size()),
                                                    steps.offset(), steps.flags());
                          }};
      if (!steps.taken(n)) co_return errno_error(n == 0 ? EIO : -n, "write", file.plain->path());
    }
    co_return Result<void>{};
  }

  static constexpr std::size_t kPieceMax = std::size_t{1} << 30;
  std::shared_ptr<const Rings> rings_;
  BlockingPool& pool_;
  OpenFile file_;
};

class UringFileSystem final : public PoolFileSystem {
 public:
  UringFileSystem(BlockingPool& pool, std::shared_ptr<const Rings> rings)
      : PoolFileSystem(pool), rings_(std::move(rings)) {}
  ~UringFileSystem() override {
    for (const auto& ring : *rings_) ring->close();
  }
  std::string_view name() const override { return "io_uring"; }

  Task<Result<std::unique_ptr<File>>> open(std::string path, Open mode) override {
    Ring* const ring = ring_of_this_thread(*rings_);
    // Opening to read mostly finds the name in the kernel's cache and is done without a thread.
    // Creating never is.
    if (ring != nullptr && mode == Open::read) {
      int fd = -EINTR;
      while (again(fd)) {
        fd = co_await RingOp{*ring, [&](io_uring_sqe* sqe) {
                               ::io_uring_prep_openat(sqe, AT_FDCWD, path.c_str(),
                                                      O_RDONLY | O_CLOEXEC, 0);
                             }};
      }
      if (fd < 0) co_return errno_error(-fd, "open", path);
      co_return std::make_unique<UringFile>(
          rings_, pool_, OpenFile{std::make_shared<Descriptor>(fd, std::move(path)), nullptr});
    }
    auto opened =
        co_await pool_.run([path = std::move(path), mode] { return open_blocking(path, mode); });
    CAIRN_CO_TRY(opened);
    co_return std::make_unique<UringFile>(rings_, pool_, std::move(*opened));
  }

 private:
  std::shared_ptr<const Rings> rings_;
};

int run_one(io_uring& ring, io_uring_sqe* sqe) {
  if (sqe == nullptr) return -EBUSY;
  if (const int rc = ::io_uring_submit(&ring); rc < 0) return rc;
  io_uring_cqe* cqe = nullptr;
  int rc = -EINTR;
  while (rc == -EINTR) rc = ::io_uring_wait_cqe(&ring, &cqe);
  if (rc < 0) return rc;
  const int result = cqe->res;
  ::io_uring_cqe_seen(&ring, cqe);
  return result;
}

// Whether the operations used here really work: a container may allow the set-up and forbid the
// rest.
Result<void> probe() {
  io_uring ring{};
  if (const int rc = ::io_uring_queue_init(4, &ring, 0); rc < 0)
    return Error(Code::unavailable, errno_error(-rc, "set up", "io_uring").message);
  const int fd = ::memfd_create("cairn-probe", MFD_CLOEXEC);
  int failed = fd < 0 ? -errno : 0;
  char out[] = "cairn";
  char in[sizeof out] = {};
  iovec piece{out, sizeof out};
  if (failed == 0) {
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_writev(sqe, fd, &piece, 1, 0);
    const int n = run_one(ring, sqe);
    if (n != static_cast<int>(sizeof out)) failed = n < 0 ? n : -EIO;
  }
  if (failed == 0) {
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_read(sqe, fd, in, sizeof in, 0);
    const int n = run_one(ring, sqe);
    if (n != static_cast<int>(sizeof in) || std::memcmp(in, out, sizeof in) != 0)
      failed = n < 0 ? n : -EIO;
  }
  if (failed == 0) {
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    failed = std::min(run_one(ring, sqe), 0);
  }
  if (failed == 0) {
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_openat(sqe, AT_FDCWD, "/", O_RDONLY | O_CLOEXEC, 0);
    const int opened = run_one(ring, sqe);
    if (opened >= 0) ::close(opened);
    failed = std::min(opened, 0);
  }
  if (fd >= 0) ::close(fd);
  ::io_uring_queue_exit(&ring);
  if (failed != 0)
    return Error(Code::unavailable, errno_error(-failed, "probe", "io_uring").message);
  return {};
}

}  // namespace

Result<std::unique_ptr<FileSystem>> make_uring_file_system(Reactors& reactors, BlockingPool& pool) {
  CAIRN_TRY(probe());
  auto rings = std::make_shared<Rings>();
  for (std::size_t i = 0; i < reactors.size(); ++i) {
    CAIRN_ASSIGN(auto ring, Ring::make(reactors.at(i)));
    rings->push_back(std::move(ring));
  }
  for (const auto& ring : *rings) ring->start();
  return std::unique_ptr<FileSystem>(std::make_unique<UringFileSystem>(pool, std::move(rings)));
}

}  // namespace cairn::io
