#include "s3/service.h"

#include <algorithm>

#include "base/log.h"
#include "s3/context.h"
#include "s3/error.h"
#include "s3/headers.h"
#include "s3/router.h"

namespace cairn::s3 {
namespace {

// "GET http://host/bucket/key" names its host itself (RFC 9112 3.2.2).
struct Place {
  std::string_view host, path;
};
Place place_of(const net::Request& request) {
  std::string_view path = request.path;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!path.starts_with(scheme)) continue;
    path.remove_prefix(scheme.size());
    const auto slash = path.find('/');
    if (slash == std::string_view::npos) return {path, "/"};
    return {path.substr(0, slash), path.substr(slash)};
  }
  return {request.headers.get("host").value_or(""), path};
}

// Operating errors are the operator's to see; what a client did wrong is not.
void log_failure(const Error& error, const net::Request& request, std::string_view operation) {
  if (s3_error(error.code).status < 500 || error.code == Code::not_implemented) return;
  if (error.code == Code::slow_down) return;  // said under load; the metrics count them
  log::warn("request failed", {{"operation", operation},
                               {"request_id", request.id},
                               {"code", name_of(error.code)},
                               {"reason", error.message}});
}

class RealService final : public Service {
 public:
  RealService(Parts parts, Options options) : parts_(parts), options_(std::move(options)) {
    for (std::string& domain : options_.domains) {
      std::ranges::transform(domain, domain.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      });
    }
  }

  io::Task<net::Response> handle(net::Request& request, std::string& operation) override {
    auto answer = co_await answer_of(request, operation);
    net::Response response;
    if (answer) {
      response = std::move(*answer);
    } else {
      log_failure(answer.error(), request, operation);
      response = error_response(answer.error(), {.resource = place_of(request).path,
                                                 .request_id = request.id,
                                                 .host_id = options_.server_name,
                                                 .head = request.method == "HEAD"});
      // HeadBucket is how clients find the region, also without permission.
      if (operation == "HeadBucket" && response.status == 403) {
        response.headers.set("x-amz-bucket-region", options_.region);
      }
    }
    co_return response;
  }

 private:
  io::Task<Result<net::Response>> answer_of(net::Request& request, std::string& operation) const {
    // 1. What is asked of what.
    const Place place = place_of(request);
    CAIRN_CO_ASSIGN(Target target, parse_target(place.path, place.host, options_.domains));
    CAIRN_CO_ASSIGN(Query query, Query::parse(request.query));
    CAIRN_CO_ASSIGN(const Operation* row,
                    route(request.method, target.level, query, request.headers));
    operation = row->name;

    // 2. Who asks.
    const std::int64_t now = parts_.clock.unix_ms();
    CAIRN_CO_ASSIGN(auth::Verified who,
                    parts_.verifier.verify({.method = request.method,
                                            .path = request.path,
                                            .query = request.query,
                                            .headers = &request.headers.fields()},
                                           now));
    if (who.presigned) {
      CAIRN_CO_ASSIGN(const bool hoisted, hoist_presigned_parameters(query, request.headers));
      if (hoisted) {
        CAIRN_CO_ASSIGN(row, route(request.method, target.level, query, request.headers));
        operation = row->name;
      }
    }
    Context context{.parts = parts_,
                    .options = options_,
                    .request = request,
                    .operation = *row,
                    .target = std::move(target),
                    .query = std::move(query),
                    .now_ms = now,
                    .who = std::move(who)};

    // 3. May they; then, is it something we do. Who sends a form is in the form, which nobody
    // reads.
    if (row->name != "PostObject") CAIRN_CO_TRY(decide(context));
    CAIRN_CO_TRY(admit(context));

    // 4. Do it.
    auto answer = co_await row->handler(context);
    if (!answer) co_return with_names(std::move(answer.error()), context);
    co_return std::move(*answer);
  }

  // The one decision, before any effect and before the body is read.
  static Result<void> decide(const Context& context) {
    const Operation& row = context.operation;
    if (row.action.empty()) {  // decided key by key; nobody unknown gets that far
      if (context.who.identity.anonymous()) return Error{Code::access_denied, "Access Denied"};
      return {};
    }
    const bool versioned = !row.version_action.empty() && context.query.has("versionId");
    return authorize(context, versioned ? row.version_action : row.action, context.target.bucket,
                     context.target.key);
  }

  static Result<void> admit(Context& context) {
    if (context.operation.handler == nullptr) {
      return Error{Code::not_implemented,
                   "A header you provided implies functionality that is not implemented",
                   {{"Operation", std::string(context.operation.name)}}};
    }
    CAIRN_TRY(refuse_unsupported_headers(context.request.headers));
    CAIRN_TRY(check_expected_owner(context.request.headers, context.owner()));
    if (context.target.level == Level::service) return {};
    auto bucket = model::BucketName::parse(context.target.bucket);
    if (!bucket) return with_names(std::move(bucket.error()), context);
    context.bucket_name.emplace(std::move(*bucket));
    if (context.target.level == Level::bucket) return {};
    // A version named where none can be chosen would be overlooked: PUT ?versionId= writes a new
    // one.
    if (const auto version = context.query.get("versionId");
        version && context.operation.version_action.empty()) {
      return argument_error("This operation does not accept a version-id.", "versionId", *version);
    }
    CAIRN_ASSIGN(model::ObjectKey key, model::ObjectKey::parse(context.target.key));
    context.object_key.emplace(std::move(key));
    return {};
  }

  Parts parts_;
  Options options_;
};

}  // namespace

std::unique_ptr<Service> make_service(Parts parts, Options options) {
  return std::make_unique<RealService>(parts, std::move(options));
}

}  // namespace cairn::s3
