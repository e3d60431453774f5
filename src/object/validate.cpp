#include "object/validate.h"

#include <algorithm>
#include <set>

namespace cairn::object {
namespace {

// Length as AWS counts it: UTF-16 code units. None: not UTF-8.
std::optional<std::size_t> utf16_length(std::string_view text) {
  std::size_t units = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t bytes = lead < 0x80                   ? 1
                              : lead >= 0xC2 && lead < 0xE0 ? 2
                              : lead >= 0xE0 && lead < 0xF0 ? 3
                              : lead >= 0xF0 && lead < 0xF5 ? 4
                                                            : 0;
    if (bytes == 0 || i + bytes > text.size()) return std::nullopt;
    for (std::size_t j = 1; j < bytes; ++j) {
      if ((static_cast<unsigned char>(text[i + j]) & 0xC0) != 0x80) return std::nullopt;
    }
    units += bytes == 4 ? 2 : 1;
    i += bytes;
  }
  return units;
}

// Letters, numbers and spaces of any script, and + - = . _ : / @
bool allowed_in_tags(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) {
    if (c >= 0x80) return true;
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
    return c == ' ' || c == '+' || c == '-' || c == '=' || c == '.' || c == '_' || c == ':' ||
           c == '/' || c == '@';
  });
}

Result<void> validate_tag(const std::string& key, const std::string& value) {
  const auto key_length = utf16_length(key);
  if (!key_length || *key_length == 0 || *key_length > 128 || !allowed_in_tags(key)) {
    return Error{Code::invalid_tag, "The TagKey you have provided is invalid", {{"TagKey", key}}};
  }
  if (key.starts_with("aws:")) {
    return Error{
        Code::invalid_tag, "System tags cannot be added/updated by requester", {{"TagKey", key}}};
  }
  const auto value_length = utf16_length(value);
  if (!value_length || *value_length > 256 || !allowed_in_tags(value)) {
    return Error{Code::invalid_tag,
                 "The TagValue you have provided is invalid",
                 {{"TagKey", key}, {"TagValue", value}}};
  }
  return {};
}

std::size_t bytes_of(const Headers& headers) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : headers) bytes += name.size() + value.size();
  return bytes;
}

}  // namespace

Result<void> validate_tags(const Tags& tags, std::size_t limit, std::string_view kind) {
  if (tags.size() > limit) {
    const bool objects = limit == kMaxObjectTags;
    return Error{
        Code::too_many_tags,
        objects ? "Object tags cannot be greater than 10"
                : std::string(kind) + " tag count cannot be greater than " + std::to_string(limit)};
  }
  std::set<std::string_view> seen;
  for (const auto& [key, value] : tags) {
    CAIRN_TRY(validate_tag(key, value));
    if (!seen.insert(key).second) {
      return Error{
          Code::invalid_tag, "Cannot provide multiple Tags with the same key", {{"TagKey", key}}};
    }
  }
  return {};
}

Result<void> validate_meta(const Meta& meta) {
  const std::size_t user = bytes_of(meta.user);
  const auto too_large = [](std::size_t size, std::size_t limit) {
    return Error{Code::metadata_too_large,
                 "Your metadata headers exceed the maximum allowed metadata size",
                 {{"Size", std::to_string(size)}, {"MaxSizeAllowed", std::to_string(limit)}}};
  };
  if (user > kMaxUserMetadataBytes) return too_large(user, kMaxUserMetadataBytes);
  const std::size_t all = user + bytes_of(meta.system);
  if (all > kMaxHeaderBytes) return too_large(all, kMaxHeaderBytes);
  if (meta.tags.empty()) return {};
  return validate_tags(meta.tags, kMaxObjectTags, "Object");
}

Result<std::string> validate_storage_class(std::string_view name) {
  if (name.empty() || name == "STANDARD") return std::string{};
  if (name == "REDUCED_REDUNDANCY") return std::string(name);
  return Error{Code::invalid_storage_class, "The storage class you specified is not valid"};
}

}  // namespace cairn::object
