// The server's front: listens, routes to S3 or the administration, and does for every request what
// no operation should do for itself: an id, admission, metrics, the access log.
//
// Routing (server/router.h): exactly GET /health/live, GET /health/ready and GET /metrics, without
// a query and without an S3 signature, and all below /_cairn/admin/ (no name of a bucket) are the
// administration's; everything else is S3. So nothing of a bucket "health" or "metrics" is hidden
// from who signs for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "admin/service.h"
#include "base/error.h"
#include "base/metrics.h"
#include "io/reactor.h"
#include "io/world.h"
#include "net/http.h"
#include "s3/service.h"

namespace cairn::server {

struct Options {
  net::ServerOptions http{};
  std::vector<std::string> domains{};  // as s3::Options has them
  std::uint64_t max_requests =
      4096;  // S3 requests in flight; more get 503 SlowDown. Health and admin always pass
  std::string access_log{};  // empty: off; "-": standard error; else a file that is appended to
  std::string server_name = "Cairn";
};

// All outlive the server.
struct Parts {
  s3::Service& s3;
  admin::Service& admin;
  io::Reactors& reactors;
  metrics::Registry& metrics;
  io::Clock& clock;
  io::Random& random;
};

class Server {
 public:
  virtual ~Server() = default;
  // io_error: the address cannot be listened on, or the access log cannot be written.
  virtual Result<void> start() = 0;
  virtual std::uint16_t port() const = 0;
  // Stops accepting; requests in progress finish, up to `patience`; idle connections are closed at
  // once.
  virtual io::Task<void> drain(io::Duration patience) = 0;
};
std::unique_ptr<Server> make_server(Parts parts, Options options);

}  // namespace cairn::server
