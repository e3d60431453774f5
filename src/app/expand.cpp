#include "app/expand.h"

#include <charconv>

namespace cairn::app {
namespace {

constexpr std::size_t kMaxResults = 1024;

struct Group {
  std::uint32_t first = 0, last = 0;
  std::size_t width = 0;
};

Result<Group> parse_group(std::string_view inside, std::string_view pattern) {
  const auto wrong = [&](std::string_view why) {
    return Error{Code::invalid_argument, "'" + std::string(pattern) + "': " + std::string(why) +
                                             "; write a range like {1...4}"};
  };
  const auto dots = inside.find("...");
  if (dots == std::string_view::npos) return wrong("the braces hold no range");
  const std::string_view from = inside.substr(0, dots), to = inside.substr(dots + 3);
  Group group;
  const auto number = [](std::string_view text, std::uint32_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && error == std::errc{} && end == text.data() + text.size();
  };
  if (!number(from, group.first) || !number(to, group.last))
    return wrong("the range needs two numbers");
  if (group.first > group.last) return wrong("the range runs backwards");
  if (group.last - group.first >= kMaxResults) return wrong("the range is longer than 1,024");
  if (from.size() > 1 && from[0] == '0') group.width = from.size();
  return group;
}

}  // namespace

Result<std::vector<std::string>> expand(std::string_view pattern) {
  std::vector<std::string> results{""};
  std::size_t at = 0;
  while (at < pattern.size()) {
    const auto open = pattern.find('{', at);
    const auto literal = pattern.substr(at, open == std::string_view::npos ? open : open - at);
    for (auto& result : results) result += literal;
    if (open == std::string_view::npos) break;
    const auto close = pattern.find('}', open);
    if (close == std::string_view::npos)
      return Error{Code::invalid_argument, "'" + std::string(pattern) + "': a brace is not closed"};
    CAIRN_ASSIGN(const Group group,
                 parse_group(pattern.substr(open + 1, close - open - 1), pattern));
    if (results.size() * (group.last - group.first + 1) > kMaxResults)
      return Error{Code::invalid_argument,
                   "'" + std::string(pattern) + "' stands for more than 1,024 drives"};
    std::vector<std::string> next;
    for (const auto& result : results) {
      for (std::uint32_t n = group.first; n <= group.last; ++n) {
        std::string digits = std::to_string(n);
        if (digits.size() < group.width) digits.insert(0, group.width - digits.size(), '0');
        next.push_back(result + digits);
      }
    }
    results = std::move(next);
    at = close + 1;
  }
  return results;
}

}  // namespace cairn::app
