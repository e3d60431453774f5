// What the connections of one reactor share, and what all reactors of a server share. Private to
// net.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "io/sync.h"
#include "net/buffer.h"
#include "net/http.h"
#include "net/transport.h"

namespace cairn::net {

class Connection;

struct ServerMetrics {
  explicit ServerMetrics(metrics::Registry& registry);
  metrics::Gauge& connections;
  metrics::Counter& accepted;
  metrics::Counter& refused;
  metrics::Counter& accept_errors;
  metrics::Counter& malformed;
  metrics::Counter& timeouts;
  metrics::Counter& cut;
};

// Lives as long as the server or any of its connections.
struct Core {
  Core(ServerOptions o, Handler h, metrics::Registry& registry)
      : options(std::move(o)), handler(std::move(h)), metrics(registry) {}
  const ServerOptions options;
  const Handler handler;
  ServerMetrics metrics;
  std::atomic<std::size_t> connections{0};
  std::atomic<bool> draining{false};
  // Connections and accept loops; who takes it to zero while draining says so.
  std::atomic<std::size_t> alive{0};
  io::Mailbox<bool> all_gone;

  void leave() {
    if (alive.fetch_sub(1) == 1 && draining) all_gone.push(true);
  }
};

// The current date, formatted once a second.
class DateCache {
 public:
  std::string_view text();

 private:
  std::int64_t second_ = -1;
  std::string text_;
};

// Owned by the server and by its connections; used on the reactor's thread only.
struct Shard {
  static constexpr io::Duration kTick = std::chrono::milliseconds(500);
  static Transport::Tick ticks(std::chrono::seconds time) {
    return static_cast<Transport::Tick>(time / kTick) + 1;
  }

  Shard(std::shared_ptr<Core> c, io::Reactor& r) : core(std::move(c)), reactor(r) {}
  std::shared_ptr<Core> core;
  io::Reactor& reactor;
  BufferPool buffers;
  DateCache date;
  Transport::Tick now = 0;
  std::list<Connection*> connections;
  std::unique_ptr<Socket> listener;
};

}  // namespace cairn::net
