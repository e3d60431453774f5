#include <algorithm>

#include "net/ascii.h"
#include "net/http.h"

namespace cairn::net {

void Headers::set(std::string_view name, std::string value) {
  const auto same = [name](const auto& field) { return iequals(field.first, name); };
  auto first = std::find_if(fields_.begin(), fields_.end(), same);
  if (first == fields_.end()) {
    fields_.emplace_back(std::string(name), std::move(value));
    return;
  }
  first->second = std::move(value);
  fields_.erase(std::remove_if(first + 1, fields_.end(), same), fields_.end());
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [name](const auto& field) { return iequals(field.first, name); });
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const auto& field : fields_)
    if (iequals(field.first, name)) return field.second;
  return std::nullopt;
}

std::string Headers::joined(std::string_view name) const {
  std::string out;
  bool any = false;
  for (const auto& field : fields_) {
    if (!iequals(field.first, name)) continue;
    if (any) out += ',';
    any = true;
    out += field.second;
  }
  return out;
}

}  // namespace cairn::net
