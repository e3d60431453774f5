#include "s3/error.h"
#include "s3/headers.h"
#include "s3/ops/ops.h"
#include "s3/time_text.h"

namespace cairn::s3::ops {
namespace {

Result<object::WriteConditions> parse_conditions(const Context& c) {
  CAIRN_ASSIGN(object::WriteConditions conditions, parse_write_conditions(c.request.headers));
  if (const auto time = c.header("x-amz-if-match-last-modified-time")) {
    conditions.if_match_modified_ms = parse_time(*time);
    if (!conditions.if_match_modified_ms) {
      return argument_error("Invalid time.", "x-amz-if-match-last-modified-time", *time);
    }
  }
  if (const auto size = c.header("x-amz-if-match-size")) {
    conditions.if_match_size = parse_number(*size);
    if (!conditions.if_match_size)
      return argument_error("Invalid size.", "x-amz-if-match-size", *size);
  }
  return conditions;
}

}  // namespace

Answer delete_object(Context& c) {
  // 1. Which version, under which conditions.
  object::DeleteRequest remove{.bucket = c.bucket(), .key = c.key()};
  CAIRN_CO_ASSIGN(remove.version, version_of(c));
  CAIRN_CO_ASSIGN(remove.conditions, parse_conditions(c));

  // 2. Remove it, or put a delete marker on top.
  auto done = co_await c.objects().remove(std::move(remove));
  if (!done) co_return std::move(done.error());

  // 3. The answer.
  net::Response response;
  response.status = 204;
  if (done->delete_marker) response.headers.add("x-amz-delete-marker", "true");
  if (const auto& version = done->version)
    response.headers.add("x-amz-version-id", version->text());
  co_return response;
}

}  // namespace cairn::s3::ops
