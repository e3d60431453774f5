#include "server/server.h"

#include <atomic>
#include <chrono>

#include "s3/error.h"
#include "server/access_log.h"
#include "server/request_ids.h"
#include "server/request_metrics.h"
#include "server/router.h"

namespace cairn::server {
namespace {

using std::chrono::steady_clock;

// What all requests share; outlives every one of them.
class Front {
 public:
  Front(Parts parts, const Options& options)
      : parts_(parts),
        options_(options),
        ids_(parts.random),
        metrics_(parts.metrics),
        in_flight_gauge_(
            parts.metrics.gauge("cairn_requests_in_flight", "S3 requests that are being answered")),
        rejected_(parts.metrics.counter("cairn_requests_rejected_total",
                                        "S3 requests refused for there were too many")) {}

  Result<void> open_access_log() {
    if (options_.access_log.empty()) return {};
    CAIRN_ASSIGN(access_log_, AccessLog::open(options_.access_log));
    return {};
  }

  // A handler of net; `front` outlives it.
  static io::Task<net::Response> answer(Front& front, net::Request& request) {
    const auto began = steady_clock::now();
    request.id = front.ids_.next();
    std::string operation;
    net::Response response;
    bool admitted = false;
    if (destination_of(request, front.options_.domains) == Destination::admin) {
      response = co_await front.parts_.admin.handle(request, operation);
    } else if (admitted = front.admit(); admitted) {
      response = co_await front.parts_.s3.handle(request, operation);
    } else {
      operation = "Rejected";
      response = front.too_many(request);
    }
    front.finish(request, response, front.metrics_.of(operation), began, admitted);
    co_return response;
  }

 private:
  bool admit() {
    const std::uint64_t before = in_flight_.fetch_add(1, std::memory_order_relaxed);
    if (before >= options_.max_requests) {
      in_flight_.fetch_sub(1, std::memory_order_relaxed);
      rejected_.add();
      return false;
    }
    in_flight_gauge_.add(1);
    return true;
  }

  void leave() {
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
    in_flight_gauge_.add(-1);
  }

  net::Response too_many(const net::Request& request) const {
    auto response = s3::error_response(Error{Code::slow_down, "Please reduce your request rate."},
                                       {.resource = request.path,
                                        .request_id = request.id,
                                        .host_id = options_.server_name,
                                        .head = request.method == "HEAD"});
    response.headers.set("Retry-After", "1");
    return response;
  }

  // The headers every answer has, and what is noted once it is out.
  void finish(net::Request& request, net::Response& response, OperationMetrics& metrics,
              steady_clock::time_point began, bool admitted) {
    response.headers.set("x-amz-request-id", request.id);
    response.headers.set("x-amz-id-2", options_.server_name);
    response.headers.set("Server", options_.server_name);
    response.on_sent = [this, &request, &metrics, began, admitted, status = response.status,
                        then = std::move(response.on_sent)](const net::Sent& sent) mutable {
      if (then) then(sent);
      if (admitted) leave();
      const double seconds = std::chrono::duration<double>(steady_clock::now() - began).count();
      metrics.count(status, request.body_received, sent.body_bytes, seconds);
      if (access_log_) note(request, metrics.name(), status, sent, seconds);
    };
  }

  void note(const net::Request& request, std::string_view operation, int status,
            const net::Sent& sent, double seconds) const {
    AccessRecord record;
    record.time_ms = parts_.clock.unix_ms() - static_cast<std::int64_t>(seconds * 1000);
    record.peer = request.peer;
    record.method = request.method;
    record.path = request.path;
    record.query = request.query;
    record.operation = operation;
    record.request_id = request.id;
    record.user_agent = request.headers.get("user-agent").value_or("");
    record.status = status;
    record.bytes_in = request.body_received;
    record.bytes_out = sent.body_bytes;
    record.seconds = seconds;
    record.complete = sent.complete;
    access_log_->write(record);
  }

  Parts parts_;
  const Options& options_;
  RequestIds ids_;
  RequestMetrics metrics_;
  std::unique_ptr<AccessLog> access_log_;
  metrics::Gauge& in_flight_gauge_;
  metrics::Counter& rejected_;
  std::atomic<std::uint64_t> in_flight_{0};
};

class RealServer final : public Server {
 public:
  RealServer(Parts parts, Options options) : options_(std::move(options)), front_(parts, options_) {
    http_ = net::make_server(
        options_.http, parts.reactors,
        [this](net::Request& request) { return Front::answer(front_, request); }, parts.metrics);
  }

  Result<void> start() override {
    CAIRN_TRY(front_.open_access_log());
    return http_->start();
  }
  std::uint16_t port() const override { return http_->port(); }
  io::Task<void> drain(io::Duration patience) override { return http_->drain(patience); }

 private:
  const Options options_;
  Front front_;
  std::unique_ptr<net::Server> http_;  // ends first
};

}  // namespace

std::unique_ptr<Server> make_server(Parts parts, Options options) {
  return std::make_unique<RealServer>(parts, std::move(options));
}

}  // namespace cairn::server
