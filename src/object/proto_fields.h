// Fields of a message that a newer version wrote: kept aside on decoding, appended on encoding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/wire.h"

namespace cairn::object {

// REQUIRES: `message` was parsed without error. Numbers above `last_known` are unknown.
inline std::string unknown_fields(std::string_view message, std::uint32_t last_known) {
  std::string out;
  model::wire::Reader reader(message);
  model::wire::Field field;
  while (reader.next(field)) {
    if (field.number > last_known) out.append(field.encoded);
  }
  return out;
}

}  // namespace cairn::object
