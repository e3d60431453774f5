// The two spellings of time in signed requests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::auth {

// "20130524T000000Z" <-> milliseconds since 1970. Strict: such a date must exist.
std::optional<std::int64_t> parse_amz_date(std::string_view text);
std::string format_amz_date(std::int64_t unix_ms);
// A Date header: "Fri, 24 May 2013 00:00:00 GMT" (the weekday is not checked).
std::optional<std::int64_t> parse_http_date(std::string_view text);
// "2013-05-24T00:00:00Z", as error documents have it.
std::string format_iso_date(std::int64_t unix_ms);
// "20130524": eight digits that are a date.
bool is_scope_date(std::string_view text);

}  // namespace cairn::auth
