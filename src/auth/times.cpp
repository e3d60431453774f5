#include "auth/times.h"

#include <array>
#include <chrono>
#include <cstdio>

namespace cairn::auth {
namespace {

using namespace std::chrono;

std::optional<unsigned> digits(std::string_view text) {
  unsigned value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value;
}

// `clock`: "HHMMSS".
std::optional<std::int64_t> make(std::optional<unsigned> y, std::optional<unsigned> m,
                                 std::optional<unsigned> d, std::string_view clock) {
  const auto hour = digits(clock.substr(0, 2)), minute = digits(clock.substr(2, 2)),
             second = digits(clock.substr(4, 2));
  if (!y || !m || !d || !hour || !minute || !second) return std::nullopt;
  const year_month_day date{year(static_cast<int>(*y)), month(*m), day(*d)};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  const auto at = sys_days(date) + hours(*hour) + minutes(*minute) + seconds(*second);
  return duration_cast<milliseconds>(at.time_since_epoch()).count();
}

std::string format(std::int64_t unix_ms, const char* pattern) {
  const auto at = floor<seconds>(sys_time<milliseconds>(milliseconds(unix_ms)));
  const auto today = floor<days>(at);
  const year_month_day date{today};
  const hh_mm_ss time{at - today};
  std::array<char, 48> text{};
  const int n = std::snprintf(
      text.data(), text.size(), pattern, static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<unsigned>(time.hours().count()), static_cast<unsigned>(time.minutes().count()),
      static_cast<unsigned>(time.seconds().count()));
  return {text.data(), static_cast<std::size_t>(n)};
}

}  // namespace

std::optional<std::int64_t> parse_amz_date(std::string_view t) {
  if (t.size() != 16 || t[8] != 'T' || t[15] != 'Z') return std::nullopt;
  return make(digits(t.substr(0, 4)), digits(t.substr(4, 2)), digits(t.substr(6, 2)),
              t.substr(9, 6));
}

std::string format_amz_date(std::int64_t unix_ms) {
  return format(unix_ms, "%04d%02u%02uT%02u%02u%02uZ");
}

std::string format_iso_date(std::int64_t unix_ms) {
  return format(unix_ms, "%04d-%02u-%02uT%02u:%02u:%02uZ");
}

std::optional<std::int64_t> parse_http_date(std::string_view t) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  // "Fri, 24 May 2013 00:00:00 GMT"
  if (t.size() != 29 || t.substr(3, 2) != ", " || t[7] != ' ' || t[11] != ' ' || t[16] != ' ' ||
      t[19] != ':' || t[22] != ':' || t.substr(25) != " GMT")
    return std::nullopt;
  const auto at = kMonths.find(t.substr(8, 3));
  if (at == std::string_view::npos || at % 3 != 0) return std::nullopt;
  std::string clock;
  for (const std::size_t i : {17u, 20u, 23u}) clock += t.substr(i, 2);
  return make(digits(t.substr(12, 4)), static_cast<unsigned>(at / 3 + 1), digits(t.substr(5, 2)),
              clock);
}

bool is_scope_date(std::string_view t) {
  if (t.size() != 8) return false;
  return make(digits(t.substr(0, 4)), digits(t.substr(4, 2)), digits(t.substr(6, 2)), "000000")
      .has_value();
}

}  // namespace cairn::auth
