#include "s3/tags.h"

#include <algorithm>

#include "net/http.h"
#include "s3/error.h"

namespace cairn::s3 {
namespace {

constexpr std::size_t kMaxKeyUnits = 128, kMaxValueUnits = 256;

// Length in UTF-16 units, which is how S3 counts.
std::size_t units(std::string_view utf8) {
  return static_cast<std::size_t>(std::ranges::count_if(
             utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; })) +
         static_cast<std::size_t>(std::ranges::count_if(
             utf8, [](char c) { return static_cast<unsigned char>(c) >= 0xF0; }));
}

// Letters, digits, spaces of any script and + - = . _ : / @
bool allowed(std::string_view text) {
  return is_utf8(text) && std::ranges::all_of(text, [](char c) {
           return static_cast<unsigned char>(c) >= 0x80 || (c >= '0' && c <= '9') ||
                  (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  std::string_view(" \t+-=._:/@").contains(c);
         });
}

Error too_many(std::size_t most) {
  return {Code::too_many_tags, most == kMaxObjectTags ? "Object tags cannot be greater than 10"
                                                      : "Bucket tag count cannot be greater than " +
                                                            std::to_string(most)};
}

Result<void> check(const object::Tags& tags, std::size_t most) {
  if (tags.size() > most) return too_many(most);
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const auto& [key, value] = tags[i];
    if (key.empty() || units(key) > kMaxKeyUnits || !allowed(key)) {
      return Error{Code::invalid_tag, "The TagKey you have provided is invalid", {{"TagKey", key}}};
    }
    if (units(value) > kMaxValueUnits || !allowed(value)) {
      return Error{Code::invalid_tag,
                   "The TagValue you have provided is invalid",
                   {{"TagKey", key}, {"TagValue", value}}};
    }
    if (key.starts_with("aws:")) {
      return Error{
          Code::invalid_tag, "System tags cannot be added/updated by requester", {{"TagKey", key}}};
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (tags[j].first == key) {
        return Error{
            Code::invalid_tag, "Cannot provide multiple Tags with the same key", {{"TagKey", key}}};
      }
    }
  }
  return {};
}

}  // namespace

Result<object::Tags> parse_tag_header(std::string_view text) {
  // Forms encode spaces as '+'; a plus itself is always %2B.
  std::string spaced(text);
  std::size_t at = 0;
  while ((at = spaced.find('+', at)) != std::string::npos) spaced.replace(at, 1, "%20");
  auto tags = net::parse_query(spaced);
  const auto unnamed_or_again = [&](const auto& tag) {
    return tag.first.empty() ||
           std::ranges::count(*tags, tag.first, &object::Tags::value_type::first) > 1;
  };
  if (tags && tags->size() > kMaxObjectTags) return too_many(kMaxObjectTags);
  if (!tags || std::ranges::any_of(*tags, unnamed_or_again)) {
    return argument_error(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
        "parameters without tag name duplicates.",
        "x-amz-tagging", text);
  }
  if (auto checked = check(*tags, kMaxObjectTags); !checked) return std::move(checked.error());
  return std::move(*tags);
}

Result<object::Tags> parse_tag_set(XmlNode set, std::size_t most) {
  object::Tags tags;
  for (const XmlNode tag : set.children()) {
    if (tag.name() != "Tag" || !tag.child("Key") || !tag.child("Value")) {
      return Error{Code::malformed_xml, ""};
    }
    if (tags.size() > most) break;  // enough to be too many
    tags.emplace_back(tag.child("Key").text(), tag.child("Value").text());
  }
  if (auto checked = check(tags, most); !checked) return std::move(checked.error());
  return tags;
}

Result<object::Tags> parse_tag_document(std::string_view document, std::size_t most) {
  CAIRN_ASSIGN(const XmlDocument xml, XmlDocument::parse(document));
  const XmlNode set = xml.root().child("TagSet");
  if (xml.root().name() != "Tagging" || !set) return Error{Code::malformed_xml, ""};
  return parse_tag_set(set, most);
}

std::string tag_document(const object::Tags& tags) {
  XmlWriter xml("Tagging");
  xml.open("TagSet");
  for (const auto& [key, value] : tags) {
    xml.open("Tag");
    xml.text("Key", key);
    xml.text("Value", value);
    xml.close("Tag");
  }
  xml.close("TagSet");
  return xml.finish();
}

}  // namespace cairn::s3
