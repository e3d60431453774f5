// What requests that create an object say about it in their headers.
#pragma once

#include <string>

#include "object/meta.h"
#include "s3/context.h"

namespace cairn::s3::ops {

struct Stored {
  object::Meta meta{};          // with tags
  std::string storage_class{};  // "": standard
};
// Tags are a decision of their own: `tagging_action` is decided when there are any.
Result<Stored> parse_stored(const Context& context, std::string_view tagging_action);

}  // namespace cairn::s3::ops
