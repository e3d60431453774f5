// The text of a log line, apart from where it goes. A line never holds a raw control character, so
// that what a client sends cannot forge a second line or drive a terminal.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/log.h"

namespace cairn::log {

// `2026-11-23T04:00:00.123Z INFO message key=value key2="two words"`, without the line end.
std::string format_text(std::int64_t unix_ms, Level level, std::string_view message,
                        std::initializer_list<Field> fields);
// `{"time":"...","level":"info","message":"...","key":"value"}`, without the line end. Bytes that
// are not UTF-8 become U+FFFD, because a reader would refuse the whole line.
std::string format_json(std::int64_t unix_ms, Level level, std::string_view message,
                        std::initializer_list<Field> fields);

}  // namespace cairn::log
