#include "s3/object_headers.h"
#include "s3/ops/ops.h"

namespace cairn::s3::ops {

Answer head_object(Context& c) {
  // 1. What is asked for.
  CAIRN_CO_ASSIGN(object::GetRequest get, parse_get(c, /*want_body=*/false));
  // 2. Find it.
  auto found = co_await c.objects().get(std::move(get));
  if (!found) co_return std::move(found.error());
  // 3. The head that GetObject would send.
  co_return object_response(c, *found);
}

}  // namespace cairn::s3::ops
