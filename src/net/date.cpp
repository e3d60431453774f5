// Dates of HTTP: RFC 9110 5.6.7. Written in the preferred form; all three forms are read.
#include <array>
#include <chrono>

#include "net/ascii.h"
#include "net/http.h"

namespace cairn::net {
namespace {

constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void two_digits(char* at, unsigned value) {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
}

// Takes pieces off the front of a text; a piece that does not fit makes everything fail.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool good() const { return good_ && text_.empty(); }

  void literal(std::string_view expected) {
    if (text_.starts_with(expected))
      text_.remove_prefix(expected.size());
    else
      good_ = false;
  }
  unsigned number(std::size_t digits) {
    unsigned value = 0;
    if (text_.size() < digits) good_ = false;
    for (std::size_t i = 0; good_ && i < digits; ++i) {
      if (!is_digit(text_[i]))
        good_ = false;
      else
        value = value * 10 + static_cast<unsigned>(text_[i] - '0');
    }
    if (good_) text_.remove_prefix(digits);
    return value;
  }
  // asctime pads the day of the month with a space.
  unsigned padded_day() {
    if (!text_.starts_with(' ')) return number(2);
    literal(" ");
    return number(1);
  }
  template <std::size_t N>
  unsigned name(const std::array<std::string_view, N>& names) {
    for (unsigned i = 0; i < N; ++i) {
      if (!text_.starts_with(names[i])) continue;
      text_.remove_prefix(names[i].size());
      return i;
    }
    good_ = false;
    return 0;
  }
  void time(unsigned& hour, unsigned& minute, unsigned& second) {
    hour = number(2);
    literal(":");
    minute = number(2);
    literal(":");
    second = number(2);
  }

 private:
  std::string_view text_;
  bool good_ = true;
};

struct Civil {
  unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, weekday = 0;
};

std::optional<std::int64_t> to_unix_ms(const Civil& c) {
  using namespace std::chrono;
  const year_month_day date{year(static_cast<int>(c.year)), month(c.month + 1), day(c.day)};
  if (!date.ok() || c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
  const sys_days days{date};
  if (weekday{days}.c_encoding() != c.weekday) return std::nullopt;
  const auto seconds_of_day = hours(c.hour) + minutes(c.minute) + seconds(c.second);
  return duration_cast<milliseconds>(days.time_since_epoch() + seconds_of_day).count();
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<Civil> parse_imf(std::string_view text) {
  Reader in(text);
  Civil c;
  c.weekday = in.name(kDays);
  in.literal(", ");
  c.day = in.number(2);
  in.literal(" ");
  c.month = in.name(kMonths);
  in.literal(" ");
  c.year = in.number(4);
  in.literal(" ");
  in.time(c.hour, c.minute, c.second);
  in.literal(" GMT");
  return in.good() ? std::optional(c) : std::nullopt;
}

// "Sunday, 06-Nov-94 08:49:37 GMT". A year that seems more than 50 years ahead is in the past (RFC
// 9110 5.6.7).
std::optional<Civil> parse_rfc850(std::string_view text) {
  Reader in(text);
  Civil c;
  c.weekday = in.name(kLongDays);
  in.literal(", ");
  c.day = in.number(2);
  in.literal("-");
  c.month = in.name(kMonths);
  in.literal("-");
  const unsigned short_year = in.number(2);
  in.literal(" ");
  in.time(c.hour, c.minute, c.second);
  in.literal(" GMT");
  const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  const auto this_year =
      static_cast<unsigned>(static_cast<int>(std::chrono::year_month_day(today).year()));
  c.year = this_year / 100 * 100 + short_year;
  if (c.year > this_year + 50) c.year -= 100;
  return in.good() ? std::optional(c) : std::nullopt;
}

// "Sun Nov  6 08:49:37 1994"
std::optional<Civil> parse_asctime(std::string_view text) {
  Reader in(text);
  Civil c;
  c.weekday = in.name(kDays);
  in.literal(" ");
  c.month = in.name(kMonths);
  in.literal(" ");
  c.day = in.padded_day();
  in.literal(" ");
  in.time(c.hour, c.minute, c.second);
  in.literal(" ");
  c.year = in.number(4);
  return in.good() ? std::optional(c) : std::nullopt;
}

}  // namespace

std::string http_date(std::int64_t unix_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds(unix_ms)};
  const auto days = floor<std::chrono::days>(at);
  const year_month_day date{days};
  const hh_mm_ss time{floor<seconds>(at - days)};
  std::string out = "Sun, 06 Nov 1994 08:49:37 GMT";
  kDays[weekday{days}.c_encoding()].copy(out.data(), 3);
  two_digits(&out[5], static_cast<unsigned>(date.day()));
  kMonths[static_cast<unsigned>(date.month()) - 1].copy(&out[8], 3);
  const auto year = static_cast<unsigned>(static_cast<int>(date.year())) % 10000;
  two_digits(&out[12], year / 100);
  two_digits(&out[14], year % 100);
  two_digits(&out[17], static_cast<unsigned>(time.hours().count()));
  two_digits(&out[20], static_cast<unsigned>(time.minutes().count()));
  two_digits(&out[23], static_cast<unsigned>(time.seconds().count()));
  return out;
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  text = trim(text);
  auto civil = parse_imf(text);
  if (!civil) civil = parse_rfc850(text);
  if (!civil) civil = parse_asctime(text);
  return civil ? to_unix_ms(*civil) : std::nullopt;
}

}  // namespace cairn::net
