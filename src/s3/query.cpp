#include "s3/query.h"

#include <algorithm>
#include <charconv>

#include "net/http.h"
#include "s3/error.h"

namespace cairn::s3 {

Result<Query> Query::parse(std::string_view encoded) {
  if (encoded.empty()) return Query{};
  auto pairs = net::parse_query(encoded);
  if (!pairs)
    return Error{Code::invalid_uri, "The query string is not percent-encoded as it should be."};
  return Query(std::move(*pairs));
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, failed] = std::from_chars(text.data(), last, value);
  if (text.empty() || failed != std::errc{} || end != last) return std::nullopt;
  return value;
}

Result<std::size_t> parse_limit(std::optional<std::string_view> text, std::string_view name,
                                std::size_t fallback, std::size_t most) {
  if (!text || text->empty()) return fallback;
  const auto value = parse_number(*text);
  if (!value || *value > 2'147'483'647) {
    return argument_error(
        "Argument " + std::string(name) + " must be an integer between 0 and 2147483647", name,
        *text);
  }
  return static_cast<std::size_t>(std::min<std::uint64_t>(*value, most));
}

}  // namespace cairn::s3
