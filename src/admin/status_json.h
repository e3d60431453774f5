// The status as JSON. Private to admin.
#pragma once

#include <string>
#include <string_view>

#include "admin/service.h"

namespace cairn::admin {

// Times are milliseconds since 1970 and null where there is none yet.
std::string to_json(const Status& status, std::int64_t now_ms);
// {"error":{"code":...,"message":...,"request_id":...}}
std::string error_json(std::string_view code, std::string_view message,
                       std::string_view request_id);
// {"lost":...,"replacement":...,"path":...}
std::string to_json(const Retired& retired);
// {"ready":...,"can_read":...,"can_write":...,"reasons":[...]}
std::string to_json(const Readiness& readiness);

}  // namespace cairn::admin
