// Which operation a request asks for. The whole of S3 is in one table; what is not served is
// recognised and refused.
#pragma once

#include <span>
#include <string_view>

#include "s3/context.h"

namespace cairn::s3 {

struct Operation {
  std::string_view name;  // "PutObject"
  std::string_view method;
  Level level = Level::service;
  std::string_view subresource{};  // a query name that must be there; empty: none needed
  std::string_view with{};         // a second one, or NAME=VALUE
  std::string_view header{};       // a request header that must be there
  std::string_view action{};  // what is decided; empty: the operation decides for each of its keys
  std::string_view version_action{};  // instead of `action` when the request names a version
  Handler handler = nullptr;          // none: NotImplemented
};

// The table; the first row that matches is the operation.
std::span<const Operation> operations();

// method_not_allowed where the resource knows no such method, invalid_argument where a subresource
// is none of this level or two subresources meet. Query parameters that are no subresources are
// ignored, as AWS does.
Result<const Operation*> route(std::string_view method, Level level, const Query& query,
                               const net::Headers& headers);

}  // namespace cairn::s3
