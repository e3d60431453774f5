// Ports, accepting, and the end of a server. What happens on a connection is in connection.cpp.
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/log.h"
#include "net/connection.h"
#include "net/shard.h"

namespace cairn::net {
namespace {

constexpr auto kAcceptBackoff = std::chrono::milliseconds(100);
constexpr int kAcceptsInARow = 64;

struct Reposted {
  io::Reactor& reactor;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    reactor.post([h] { h.resume(); });
  }
  void await_resume() const noexcept {}
};

// One too many: told so, if it can be told without waiting.
void turn_away(Core& core, int fd) {
  static constexpr std::string_view text =
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: "
      "text/plain\r\nContent-Length: 25\r\n"
      "Connection: close\r\n\r\n503 too many connections\n";
  static_assert(text.ends_with("\r\n\r\n503 too many connections\n"));
  core.metrics.refused.add();
  char unread[4096];
  [[maybe_unused]] const auto sent =
      ::send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::shutdown(fd, SHUT_WR);
  while (::recv(fd, unread, sizeof unread, MSG_DONTWAIT) > 0) {
  }
  ::close(fd);
}

void admit(const std::shared_ptr<Shard>& shard, int fd, std::string peer) {
  Core& core = *shard->core;
  core.metrics.accepted.add();
  if (core.connections.fetch_add(1) >= core.options.max_connections) {
    core.connections.fetch_sub(1);
    turn_away(core, fd);
    return;
  }
  auto socket = std::make_unique<Socket>(shard->reactor, fd);
  auto connection = std::make_unique<Connection>(shard, std::move(socket), std::move(peer));
  io::spawn(shard->reactor, Connection::serve(std::move(connection)));
}

// Out of descriptors or memory: it passes when connections end.
bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// Accepts what is there. 0: nothing more; else the errno of a shortage, or EBUSY after many in a
// row.
int accept_all(const std::shared_ptr<Shard>& shard) {
  for (int i = 0; i < kAcceptsInARow; ++i) {
    std::string peer;
    const int fd = accept_on(shard->listener->fd(), peer);
    if (fd >= 0)
      admit(shard, fd, std::move(peer));
    else if (fd == -EAGAIN)
      return 0;
    else if (is_shortage(-fd))
      return -fd;
    else if (fd == -EBADF || fd == -EINVAL || fd == -ENOTSOCK)
      return -fd;  // closed under us
  }
  return EBUSY;
}

io::Task<void> accept_loop(std::shared_ptr<Shard> shard) {
  Core& core = *shard->core;
  while (!core.draining) {
    const int error = accept_all(shard);
    if (error == EBUSY) {
      co_await Reposted{shard->reactor};
    } else if (error != 0) {
      core.metrics.accept_errors.add();
      log::warn("cannot accept connections", {{"error", std::generic_category().message(error)}});
      co_await io::sleep_for(kAcceptBackoff);
    } else {
      const Moved waited = co_await WaitReadable{*shard->listener};
      if (waited.failed() && waited.error != ECANCELED) co_await io::sleep_for(kAcceptBackoff);
    }
  }
  // Whoever was let into the queue before is not sent away with a reset.
  while (accept_all(shard) == EBUSY) {
  }
  shard->listener.reset();
  core.leave();
}

void tick_later(const std::weak_ptr<Shard>& weak, io::Reactor& reactor) {
  reactor.post_at(reactor.now() + Shard::kTick, [weak, &reactor] {
    const auto shard = weak.lock();
    if (!shard) return;
    ++shard->now;
    for (Connection* connection : shard->connections) connection->tick();
    tick_later(weak, reactor);
  });
}

class HttpServer final : public Server {
 public:
  HttpServer(ServerOptions options, io::Reactors& reactors, Handler handler,
             metrics::Registry& registry)
      : core_(std::make_shared<Core>(std::move(options), std::move(handler), registry)),
        reactors_(reactors) {}

  ~HttpServer() override {
    core_->draining = true;
    for (auto& shard : shards_) shard->reactor.post([shard] { cut_all(*shard); });
  }

  Result<void> start() override {
    CAIRN_ASSERT(shards_.empty());
    port_ = core_->options.port;
    std::vector<int> listeners;
    for (std::size_t i = 0; i < reactors_.size(); ++i) {
      auto fd = i == 0 ? listen_on(core_->options.host, port_)
                       : listen_beside(core_->options.host, port_);
      if (!fd) {
        for (const int open : listeners) ::close(open);
        return fd.error();
      }
      listeners.push_back(*fd);
    }
    for (std::size_t i = 0; i < reactors_.size(); ++i) {
      auto& shard = shards_.emplace_back(std::make_shared<Shard>(core_, reactors_.at(i)));
      shard->listener = std::make_unique<Socket>(shard->reactor, listeners[i]);
      core_->alive.fetch_add(1);
      io::spawn(shard->reactor, accept_loop(shard));
      tick_later(shard, shard->reactor);
    }
    return {};
  }

  std::uint16_t port() const override { return port_; }

  io::Task<void> drain(io::Duration patience) override {
    if (shards_.empty() || core_->draining.exchange(true)) co_return;
    const io::Instant deadline = io::Executor::current().now() + patience;
    for (auto& shard : shards_) {
      shard->reactor.post([shard] {
        if (shard->listener) shard->listener->cancel();
        for (Connection* connection : shard->connections) connection->drain();
      });
    }
    bool gone = co_await all_gone_by(deadline);
    if (gone) co_return;
    log::warn("connections are cut at the end of the drain",
              {{"connections", core_->connections.load()}});
    for (auto& shard : shards_) shard->reactor.post([shard] { cut_all(*shard); });
    co_await all_gone_by(io::Executor::current().now() + std::chrono::seconds(1));
  }

 private:
  static void cut_all(Shard& shard) {
    if (shard.listener) shard.listener->cancel();
    for (Connection* connection : shard.connections) connection->cut();
  }

  io::Task<bool> all_gone_by(io::Instant deadline) {
    while (core_->alive > 0) {
      const auto told = co_await core_->all_gone.pop(deadline);
      if (!told) co_return core_->alive == 0;
    }
    co_return true;
  }

  std::shared_ptr<Core> core_;
  io::Reactors& reactors_;
  std::vector<std::shared_ptr<Shard>> shards_;
  std::uint16_t port_ = 0;
};

}  // namespace

ServerMetrics::ServerMetrics(metrics::Registry& registry)
    : connections(registry.gauge("cairn_http_connections", "Open client connections")),
      accepted(
          registry.counter("cairn_http_connections_accepted_total", "Client connections accepted")),
      refused(registry.counter("cairn_http_connections_refused_total",
                               "Client connections beyond the limit")),
      accept_errors(
          registry.counter("cairn_http_accept_errors_total", "Failures to accept a connection")),
      malformed(registry.counter("cairn_http_requests_refused_total",
                                 "Requests whose head could not be served")),
      timeouts(
          registry.counter("cairn_http_head_timeouts_total", "Request heads that came too slowly")),
      cut(registry.counter("cairn_http_responses_cut_total", "Responses cut before their end")) {}

std::string_view DateCache::text() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != second_) {
    second_ = now.tv_sec;
    text_ = http_date(second_ * 1000);
  }
  return text_;
}

std::unique_ptr<Server> make_server(ServerOptions options, io::Reactors& reactors, Handler handler,
                                    metrics::Registry& metrics) {
  return std::make_unique<HttpServer>(std::move(options), reactors, std::move(handler), metrics);
}

}  // namespace cairn::net
