// Response headers of objects, as AWS sends them.
#pragma once

#include "object/object.h"
#include "s3/context.h"

namespace cairn::s3 {

// GetObject and HeadObject: everything but the body.
net::Response object_response(const Context& context, const object::GetResult& result);

// response-content-type and its like: replaces headers. invalid_request for anonymous requests,
// invalid_argument for values that cannot be a header.
Result<void> check_overrides(const Context& context);

// The request to the object layer that GetObject and HeadObject share.
Result<object::GetRequest> parse_get(const Context& context, bool want_body);

}  // namespace cairn::s3
