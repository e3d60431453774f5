// The decoded query string of a request.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace cairn::s3 {

class Query {
 public:
  Query() = default;
  explicit Query(std::vector<std::pair<std::string, std::string>> pairs)
      : pairs_(std::move(pairs)) {}
  static Result<Query> parse(std::string_view encoded);  // invalid_uri

  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::optional<std::string_view> get(std::string_view name) const {
    const std::string* value = find(name);
    return value ? std::optional<std::string_view>(*value) : std::nullopt;
  }
  std::string_view get_or_empty(std::string_view name) const {
    const std::string* value = find(name);
    return value ? std::string_view(*value) : std::string_view{};
  }
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

 private:
  const std::string* find(std::string_view name) const {
    for (const auto& [n, v] : pairs_) {
      if (n == name) return &v;
    }
    return nullptr;
  }
  std::vector<std::pair<std::string, std::string>> pairs_;
};

// A whole decimal number without sign, within 64 bits.
std::optional<std::uint64_t> parse_number(std::string_view text);

// max-keys and its like: absent gives `fallback`; negative or not a number is invalid_argument;
// more than `most` is `most`.
Result<std::size_t> parse_limit(std::optional<std::string_view> text, std::string_view name,
                                std::size_t fallback, std::size_t most);

}  // namespace cairn::s3
