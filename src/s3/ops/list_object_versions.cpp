#include "s3/error.h"
#include "s3/headers.h"
#include "s3/listing.h"
#include "s3/ops/ops.h"
#include "s3/time_text.h"

namespace cairn::s3::ops {
namespace {

Result<std::optional<model::VersionId>> parse_version_marker(const Context& c) {
  const std::string_view text = c.query.get_or_empty("version-id-marker");
  if (text.empty()) {
    if (c.query.has("version-id-marker")) {
      return argument_error("A version-id marker cannot be empty.", "version-id-marker", text);
    }
    return std::optional<model::VersionId>{};
  }
  if (c.query.get_or_empty("key-marker").empty()) {
    return argument_error("A version-id marker cannot be specified without a key marker.",
                          "version-id-marker", text);
  }
  auto version = model::VersionId::parse(text);
  if (!version) return argument_error("Invalid version id specified", "version-id-marker", text);
  return std::optional<model::VersionId>(*version);
}

void write_version(XmlWriter& xml, NameWriter& names, const object::ListedObject& object,
                   std::string_view account) {
  const std::string_view element = object.delete_marker ? "DeleteMarker" : "Version";
  xml.open(element);
  names("Key", object.key);
  xml.text("VersionId", object.version.text());
  xml.boolean("IsLatest", object.is_latest);
  write_modified(xml, object.modified_ms);
  if (!object.delete_marker) {
    write_listed_data(xml, object);
    xml.text("StorageClass", shown_class(object.storage_class));
  }
  write_owner(xml, "Owner", object.meta.owner.empty() ? account : object.meta.owner);
  xml.close(element);
}

}  // namespace

Answer list_object_versions(Context& c) {
  // 1. What is asked for.
  CAIRN_CO_ASSIGN(const ListParameters list, parse_list_parameters(c, "max-keys"));
  CAIRN_CO_ASSIGN(const auto version_marker, parse_version_marker(c));
  const std::string key_marker(c.query.get_or_empty("key-marker"));

  // 2. List one page.
  Result<object::ListVersionsPage> page = object::ListVersionsPage{};
  if (list.limit == 0) {
    page = empty_page<object::ListVersionsPage>(c);
  } else {
    page = co_await c.objects().list_versions({.bucket = c.bucket(),
                                               .prefix = list.prefix,
                                               .delimiter = list.delimiter,
                                               .key_marker = key_marker,
                                               .version_marker = version_marker,
                                               .max_keys = list.limit});
  }
  if (!page) co_return std::move(page.error());

  // 3. The answer.
  XmlWriter xml("ListVersionsResult");
  xml.reserve(512 + page->versions.size() * 448);
  NameWriter names(xml, list.encode);
  xml.text("Name", c.bucket().text());
  names("Prefix", list.prefix);
  names("KeyMarker", key_marker);
  xml.text("VersionIdMarker", c.query.get_or_empty("version-id-marker"));
  if (page->truncated) {
    names("NextKeyMarker", page->next_key);
    if (const auto& version = page->next_version) xml.text("NextVersionIdMarker", version->text());
  }
  xml.number("MaxKeys", list.limit);
  names.unless_empty("Delimiter", list.delimiter);
  if (list.encode) xml.text("EncodingType", "url");
  xml.boolean("IsTruncated", page->truncated);
  for (const auto& info : page->versions) write_version(xml, names, info, c.owner());
  names.common_prefixes(page->common_prefixes);
  co_return xml_response(xml.finish());
}

}  // namespace cairn::s3::ops
