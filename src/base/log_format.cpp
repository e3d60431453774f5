#include "base/log_format.h"

#include <chrono>
#include <cstdio>

namespace cairn::log {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void append_time(std::string& out, std::int64_t unix_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds(unix_ms)};
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss time{at - day};
  char text[40];
  const int n = std::snprintf(
      text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
      static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
  out.append(text, static_cast<std::size_t>(n));
}

std::string_view text_of(Level level, bool upper) {
  switch (level) {
    case Level::debug:
      return upper ? "DEBUG" : "debug";
    case Level::info:
      return upper ? "INFO" : "info";
    case Level::warn:
      return upper ? "WARN" : "warn";
    case Level::error:
      return upper ? "ERROR" : "error";
  }
  return "?";
}

bool is_control(unsigned char c) {
  return c < 0x20 || c == 0x7f;
}

// Length of the valid UTF-8 sequence at the front of `s`, or 0. C1 controls (U+0080..U+009F) count
// as invalid: a terminal may obey them.
std::size_t utf8_length(std::string_view s) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const auto tail = [&](std::size_t i) { return i < s.size() && (at(i) & 0xc0) == 0x80; };
  const unsigned char c = at(0);
  if (c < 0x80) return 1;
  if (c >= 0xc2 && c <= 0xdf) return tail(1) && !(c == 0xc2 && at(1) < 0xa0) ? 2 : 0;
  if (c >= 0xe0 && c <= 0xef) {
    if (!tail(1) || !tail(2)) return 0;
    if (c == 0xe0 && at(1) < 0xa0) return 0;
    if (c == 0xed && at(1) >= 0xa0) return 0;
    return 3;
  }
  if (c >= 0xf0 && c <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (c == 0xf0 && at(1) < 0x90) return 0;
    if (c == 0xf4 && at(1) >= 0x90) return 0;
    return 4;
  }
  return 0;
}

// Appends `s` with quotes, backslashes, control characters and bytes that are not UTF-8 escaped.
void append_escaped(std::string& out, std::string_view s, bool json, bool quoted) {
  while (!s.empty()) {
    const auto c = static_cast<unsigned char>(s[0]);
    const std::size_t length = utf8_length(s);
    if (length == 0) {
      if (json) {
        out += "\xef\xbf\xbd";
      } else {
        out += "\\x";
        out += kHex[c >> 4];
        out += kHex[c & 15];
      }
      s.remove_prefix(1);
      continue;
    }
    if (quoted && (c == '"' || c == '\\')) {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_control(c)) {
      out += json ? "\\u00" : "\\x";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out.append(s.substr(0, length));
    }
    s.remove_prefix(length);
  }
}

bool needs_quotes(std::string_view value) {
  if (value.empty()) return true;
  for (const char c : value) {
    if (c == ' ' || c == '"' || c == '=' || c == '\\' || is_control(static_cast<unsigned char>(c)))
      return true;
    if (static_cast<unsigned char>(c) >= 0x80) return true;
  }
  return false;
}

void append_json_string(std::string& out, std::string_view s) {
  out += '"';
  append_escaped(out, s, true, true);
  out += '"';
}

}  // namespace

std::string format_text(std::int64_t unix_ms, Level level, std::string_view message,
                        std::initializer_list<Field> fields) {
  std::string out;
  out.reserve(64 + message.size() + fields.size() * 32);
  append_time(out, unix_ms);
  out += ' ';
  out += text_of(level, true);
  out += ' ';
  append_escaped(out, message, false, false);
  for (const Field& field : fields) {
    out += ' ';
    append_escaped(out, field.name, false, false);
    out += '=';
    if (needs_quotes(field.value)) {
      out += '"';
      append_escaped(out, field.value, false, true);
      out += '"';
    } else {
      out += field.value;
    }
  }
  return out;
}

std::string format_json(std::int64_t unix_ms, Level level, std::string_view message,
                        std::initializer_list<Field> fields) {
  std::string out;
  out.reserve(96 + message.size() + fields.size() * 40);
  out += "{\"time\":\"";
  append_time(out, unix_ms);
  out += "\",\"level\":\"";
  out += text_of(level, false);
  out += "\",\"message\":";
  append_json_string(out, message);
  for (const Field& field : fields) {
    out += ',';
    append_json_string(out, field.name);
    out += ':';
    append_json_string(out, field.value);
  }
  out += '}';
  return out;
}

}  // namespace cairn::log
