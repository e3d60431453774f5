#include "s3/headers.h"
#include "s3/object_headers.h"
#include "s3/ops/ops.h"

namespace cairn::s3::ops {
namespace {

// If-Range (RFC 9110 13.1.5): the range holds only for the representation named. Returns whether it
// was added as a condition, so that its failure means "the whole object", not an error.
bool add_if_range(const Context& c, object::GetRequest& get) {
  const auto value = c.header("if-range");
  if (!value || !get.range || !get.conditions.if_match.empty() ||
      get.conditions.if_unmodified_since_ms) {
    return false;
  }
  if (const auto date = net::parse_http_date(*value)) {
    get.conditions.if_unmodified_since_ms = *date;
  } else {
    get.conditions.if_match.emplace_back(unquote_etag(*value));
  }
  return true;
}

}  // namespace

Answer get_object(Context& c) {
  // 1. What is asked for.
  CAIRN_CO_ASSIGN(object::GetRequest get, parse_get(c, /*want_body=*/true));
  const bool if_range = add_if_range(c, get);

  // 2. Open it. The body is verified chunk by chunk while it is sent.
  auto found = co_await c.objects().get(get);
  if (!found && if_range && found.code() == Code::precondition_failed) {
    get.range.reset();
    get.conditions = parse_read_conditions(c.request.headers, c.now_ms);
    found = co_await c.objects().get(std::move(get));
  }
  if (!found) co_return std::move(found.error());

  // 3. The answer: head now, body as the client takes it.
  net::Response response = object_response(c, *found);
  response.body = std::move(found->body);
  if (!response.body) response.content_length.reset();  // an empty body is no source
  co_return response;
}

}  // namespace cairn::s3::ops
