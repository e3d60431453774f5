// The S3 protocol over an object layer: message -> typed operation -> response.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/auth.h"
#include "base/metrics.h"
#include "io/world.h"
#include "net/http.h"
#include "object/object.h"

namespace cairn::s3 {

struct Options {
  std::string region = "us-east-1";
  std::vector<std::string> domains{};  // virtual-host-style: BUCKET.domain; path-style always works
  std::string server_name = "Cairn";
};

struct Parts {
  object::Objects& objects;
  const auth::Verifier& verifier;
  const auth::Policy& policy;
  io::Clock& clock;
  io::Random& random;
  metrics::Registry& metrics;
};

class Service {
 public:
  virtual ~Service() = default;
  // Answers one S3 request. Thread-safe. `operation` gets the operation's name ("PutObject") for
  // metrics and logs.
  virtual io::Task<net::Response> handle(net::Request& request, std::string& operation) = 0;
};
std::unique_ptr<Service> make_service(Parts parts, Options options);

}  // namespace cairn::s3
