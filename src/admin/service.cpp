#include "admin/service.h"

#include "admin/gauges.h"
#include "admin/status_json.h"
#include "base/log.h"

namespace cairn::admin {
namespace {

struct Route {
  std::string_view method, path, operation, action;  // no action: for everybody
};

constexpr Route kRoutes[] = {
    {"GET", "/health/live", "HealthLive", ""},
    {"GET", "/health/ready", "HealthReady", ""},
    {"GET", "/metrics", "Metrics", "admin:Metrics"},
    {"GET", "/_cairn/admin/v1/status", "AdminStatus", "admin:Status"},
    {"POST", "/_cairn/admin/v1/scrub/start", "AdminStartScrub", "admin:StartScrub"},
    {"POST", "/_cairn/admin/v1/heal/start", "AdminStartHeal", "admin:StartHeal"},
    {"POST", "/_cairn/admin/v1/drives/retire", "AdminRetireDrive", "admin:RetireDrive"},
};

net::Response json_response(int status, std::string content) {
  net::Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.headers.add("Cache-Control", "no-store");
  response.content = std::move(content);
  return response;
}

int status_of(Code code) {
  switch (code) {
    case Code::access_denied:
    case Code::signature_does_not_match:
    case Code::invalid_access_key_id:
    case Code::request_time_too_skewed:
    case Code::request_expired:
    case Code::invalid_token:
    case Code::unsigned_headers:
      return 403;
    case Code::not_found:
      return 404;
    case Code::conflict:
      return 409;
    case Code::not_implemented:
      return 501;
    case Code::timeout:
    case Code::unavailable:
    case Code::undecided:
    case Code::slow_down:
    case Code::drive_failed:
    case Code::cancelled:
      return 503;
    case Code::internal:
    case Code::io_error:
    case Code::corrupt:
      return 500;
    default:
      return 400;
  }
}

class RealService final : public Service {
 public:
  RealService(Parts parts, Options options) : parts_(parts), options_(std::move(options)) {}

  io::Task<net::Response> handle(net::Request& request, std::string& operation) override {
    const Route* route = nullptr;
    bool known_path = false;
    for (const auto& r : kRoutes) {
      if (request.path != r.path) continue;
      known_path = true;
      if (request.method == r.method || (request.method == "HEAD" && r.method == "GET")) route = &r;
    }
    // Who may not ask learns nothing about which paths there are.
    operation = route ? route->operation : "AdminUnknown";
    if (auto allowed = authorize(request, route); !allowed)
      co_return refused(allowed.error(), request);
    if (route == nullptr) {
      const Error error{Code::invalid_request, known_path
                                                   ? "The method is not allowed for this path."
                                                   : "The administration has no such path."};
      net::Response response = refused(error, request);
      response.status = known_path ? 405 : 404;
      co_return response;
    }
    auto response = co_await dispatch(*route, request);
    if (!response) co_return refused(response.error(), request);
    co_return std::move(*response);
  }

 private:
  Result<void> authorize(const net::Request& request, const Route* route) const {
    const bool is_open = route && (route->action.empty() ||
                                   (route->path == "/metrics" && !options_.metrics_need_auth));
    if (is_open) return {};
    const auth::HttpView view{request.method, request.path, request.query,
                              &request.headers.fields()};
    CAIRN_ASSIGN(const auth::Verified who, parts_.verifier.verify(view, parts_.clock.unix_ms()));
    return parts_.policy.decide(who.identity,
                                auth::Action{.name = route ? route->action : "admin:Unknown"});
  }

  static net::Response refused(const Error& error, const net::Request& request) {
    const int status = status_of(error.code);
    if (status >= 500)
      log::warn("administration request failed",
                {{"path", request.path}, {"code", name_of(error.code)}, {"reason", error.message}});
    return json_response(status, error_json(name_of(error.code), error.message, request.id));
  }

  io::Task<Result<net::Response>> dispatch(const Route& route, const net::Request& request) {
    if (route.operation == "HealthLive") co_return live();
    if (route.operation == "HealthReady") co_return ready();
    if (route.operation == "Metrics") {
      auto page = co_await metrics_page();
      co_return std::move(page);
    }
    if (route.operation == "AdminStatus") {
      CAIRN_CO_ASSIGN(const Status status, co_await parts_.provider.status());
      co_return json_response(200, to_json(status, parts_.clock.unix_ms()));
    }
    if (route.operation == "AdminRetireDrive") {
      auto retired = co_await retire(request);
      co_return std::move(retired);
    }
    const bool scrub = route.operation == "AdminStartScrub";
    Result<void> started;
    if (scrub)
      started = co_await parts_.provider.start_scrub();
    else
      started = co_await parts_.provider.start_heal();
    CAIRN_CO_TRY(started);
    log::info(scrub ? "scrub started by request" : "heal started by request");
    co_return json_response(202, "{\"started\":true}\n");
  }

  io::Task<Result<net::Response>> retire(const net::Request& request) {
    const auto query = net::parse_query(request.query);
    if (!query || query->size() != 1 || query->front().first != "drive")
      co_return Error{Code::invalid_argument, "The request takes one parameter, drive=ID."};
    CAIRN_CO_ASSIGN(const Retired retired,
                    co_await parts_.provider.retire_drive(query->front().second));
    log::warn("a drive was given up by request",
              {{"lost", retired.lost}, {"replacement", retired.replacement}});
    co_return json_response(200, to_json(retired));
  }

  static net::Response live() {
    net::Response response;
    response.headers.add("Content-Type", "text/plain");
    response.headers.add("Cache-Control", "no-store");
    response.content = "live\n";
    return response;
  }

  net::Response ready() {
    const Readiness readiness = parts_.provider.readiness();
    auto response = json_response(readiness.ready() ? 200 : 503, to_json(readiness));
    if (!readiness.ready()) response.headers.add("Retry-After", "5");
    return response;
  }

  // The page is worth most when something is wrong: what cannot be asked just stays as it was.
  io::Task<Result<net::Response>> metrics_page() {
    refresh_gauges(parts_.metrics, parts_.provider.readiness());
    const auto status = co_await parts_.provider.status();
    if (status) refresh_gauges(parts_.metrics, *status);
    net::Response response;
    response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    response.headers.add("Cache-Control", "no-store");
    response.content = parts_.metrics.render();
    co_return response;
  }

  Parts parts_;
  Options options_;
};

}  // namespace

std::unique_ptr<Service> make_service(Parts parts, Options options) {
  return std::make_unique<RealService>(parts, std::move(options));
}

}  // namespace cairn::admin
