// Continuation tokens: opaque to clients, checked when they come back.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace cairn::s3 {

// base64url (no padding) of: version 1 (1 byte) ‖ XXH3 of what follows (8, big endian) ‖
// position.
std::string encode_token(std::string_view position);
// invalid_argument when `token` was not made by encode_token.
Result<std::string> decode_token(std::string_view token);

}  // namespace cairn::s3
