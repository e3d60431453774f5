// A started server on a free loopback port, for tests.
#pragma once

#include <memory>
#include <utility>

#include "base/assert.h"
#include "net/http.h"

namespace cairn::net::testing {

class TestServer {
 public:
  explicit TestServer(Handler handler, ServerOptions options = {}, std::size_t reactors = 2)
      : reactors_(io::make_reactors(reactors)) {
    options.host = "127.0.0.1";
    options.port = 0;
    server_ = make_server(std::move(options), *reactors_, std::move(handler), metrics_);
    reactors_->start();
    CAIRN_ASSERT(server_->start().has_value());
  }
  ~TestServer() {
    drain(std::chrono::seconds(5));
    reactors_->stop();
  }
  std::uint16_t port() const { return server_->port(); }
  Server& server() { return *server_; }
  io::Reactors& reactors() { return *reactors_; }
  const metrics::Registry& metrics() const { return metrics_; }
  void drain(io::Duration patience) { io::block_on(*reactors_, drained(*server_, patience)); }

 private:
  static io::Task<bool> drained(Server& server, io::Duration patience) {
    co_await server.drain(patience);
    co_return true;
  }
  metrics::Registry metrics_;
  std::unique_ptr<io::Reactors> reactors_;
  std::unique_ptr<Server> server_;
};

}  // namespace cairn::net::testing
