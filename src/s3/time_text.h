// Times as S3 writes and reads them in XML. Headers use net::http_date.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::s3 {

// "2009-10-12T17:50:30.000Z". S3 keeps seconds: what a listing shows is what Last-Modified shows.
class Iso8601 {
 public:
  explicit Iso8601(std::int64_t unix_ms);
  std::string_view view() const { return {text_.data(), length_}; }

 private:
  std::array<char, 40> text_;
  std::size_t length_ = 0;
};
inline std::string iso8601(std::int64_t unix_ms) {
  return std::string(Iso8601(unix_ms).view());
}
// "2009-10-12T17:50:30[.123]Z" or an HTTP date, in milliseconds; none if it is neither.
std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace cairn::s3
