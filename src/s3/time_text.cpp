#include "s3/time_text.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "net/http.h"
#include "s3/query.h"

namespace cairn::s3 {

Iso8601::Iso8601(std::int64_t unix_ms) {
  using namespace std::chrono;
  const auto second = floor<seconds>(sys_time<milliseconds>(milliseconds(unix_ms)));
  const auto day = floor<days>(second);
  const year_month_day date(day);
  const hh_mm_ss clock(second - day);
  const int y = static_cast<int>(date.year());
  if (y < 0 || y > 9999) {
    const int length = std::snprintf(
        text_.data(), text_.size(), "%04d-%02u-%02uT%02d:%02d:%02d.000Z", y,
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
        static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()));
    length_ = static_cast<std::size_t>(length);
    return;
  }
  static constexpr std::string_view shape = "0000-00-00T00:00:00.000Z";
  std::ranges::copy(shape, text_.begin());
  length_ = shape.size();
  const auto two = [this](std::size_t at, unsigned value) {
    text_[at] = static_cast<char>('0' + value / 10);
    text_[at + 1] = static_cast<char>('0' + value % 10);
  };
  two(0, static_cast<unsigned>(y) / 100);
  two(2, static_cast<unsigned>(y) % 100);
  two(5, static_cast<unsigned>(date.month()));
  two(8, static_cast<unsigned>(date.day()));
  two(11, static_cast<unsigned>(clock.hours().count()));
  two(14, static_cast<unsigned>(clock.minutes().count()));
  two(17, static_cast<unsigned>(clock.seconds().count()));
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  using namespace std::chrono;
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T') {
    return net::parse_http_date(text);
  }
  if (text[13] != ':' || text[16] != ':' || text.back() != 'Z') return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t digits) {
    return parse_number(text.substr(at, digits));
  };
  const auto y = number(0, 4), mo = number(5, 2), d = number(8, 2), h = number(11, 2),
             mi = number(14, 2), s = number(17, 2);
  if (!y || !mo || !d || !h || !mi || !s || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
  std::int64_t ms = 0;
  if (const auto fraction = text.substr(19, text.size() - 20); !fraction.empty()) {
    if (fraction[0] != '.' || fraction.size() < 2 || fraction.size() > 10) return std::nullopt;
    const auto value = parse_number(fraction.substr(1));
    if (!value) return std::nullopt;
    ms = static_cast<std::int64_t>(*value);
    for (std::size_t i = fraction.size(); i < 4; ++i) ms *= 10;
    for (std::size_t i = fraction.size(); i > 4; --i) ms /= 10;
  }
  const year_month_day date(year(static_cast<int>(*y)), month(static_cast<unsigned>(*mo)),
                            day(static_cast<unsigned>(*d)));
  if (!date.ok()) return std::nullopt;
  const auto at = sys_days(date) + hours(*h) + minutes(*mi) + seconds(*s);
  return duration_cast<milliseconds>(at.time_since_epoch()).count() + ms;
}

}  // namespace cairn::s3
