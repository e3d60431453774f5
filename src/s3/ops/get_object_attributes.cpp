#include <algorithm>

#include "s3/checksums.h"
#include "s3/error.h"
#include "s3/listing.h"
#include "s3/ops/ops.h"
#include "s3/xml.h"

namespace cairn::s3::ops {
namespace {

struct Wanted {
  bool etag = false, checksum = false, parts = false, storage_class = false, size = false;
  std::uint64_t part_marker = 0;
  std::size_t max_parts = 1000;
};

Result<Wanted> parse(const Context& c) {
  Wanted wanted;
  const std::string joined = c.request.headers.joined("x-amz-object-attributes");
  std::string_view rest = joined;
  bool any = false;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    std::string_view name = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name.empty()) continue;
    bool* flag = name == "ETag"           ? &wanted.etag
                 : name == "Checksum"     ? &wanted.checksum
                 : name == "ObjectParts"  ? &wanted.parts
                 : name == "StorageClass" ? &wanted.storage_class
                 : name == "ObjectSize"   ? &wanted.size
                                          : nullptr;
    if (flag == nullptr) {
      return argument_error("Invalid attribute name specified.", "x-amz-object-attributes", name);
    }
    *flag = any = true;
  }
  if (!any) {
    return Error{
        Code::invalid_request,
        "The x-amz-object-attributes header specifying the attributes to be retrieved is either "
        "missing or empty"};
  }
  // A limit that is no number is none, as AWS.
  const auto max_parts = parse_limit(c.header("x-amz-max-parts"), "x-amz-max-parts", 1000, 1000);
  if (max_parts) wanted.max_parts = *max_parts;
  CAIRN_ASSIGN(wanted.part_marker, parse_limit(c.header("x-amz-part-number-marker"),
                                               "x-amz-part-number-marker", 0, object::kMaxParts));
  return wanted;
}

void write_parts(XmlWriter& xml, const Wanted& wanted, const std::vector<object::PartInfo>& all) {
  const auto first =
      std::ranges::upper_bound(all, wanted.part_marker, {},
                               [](const object::PartInfo& p) { return std::uint64_t{p.number}; });
  const auto count =
      std::min<std::size_t>(wanted.max_parts, static_cast<std::size_t>(all.end() - first));
  const auto last = first + static_cast<std::ptrdiff_t>(count);
  xml.open("ObjectParts");
  xml.number("PartsCount", all.size());
  xml.number("PartNumberMarker", wanted.part_marker);
  xml.number("NextPartNumberMarker", count > 0 ? (last - 1)->number : wanted.part_marker);
  xml.number("MaxParts", wanted.max_parts);
  xml.boolean("IsTruncated", last != all.end());
  for (auto part = first; part != last; ++part) {
    xml.open("Part");
    xml.number("PartNumber", part->number);
    xml.number("Size", part->size);
    if (const auto& sum = part->checksum) write_checksum(xml, *sum, 0, false);
    xml.close("Part");
  }
  xml.close("ObjectParts");
}

}  // namespace

Answer get_object_attributes(Context& c) {
  // 1. What is asked for.
  CAIRN_CO_ASSIGN(const Wanted wanted, parse(c));
  object::GetRequest get{.bucket = c.bucket(), .key = c.key(), .want_body = false};
  CAIRN_CO_ASSIGN(get.version, version_of(c));

  // 2. Find it, and exactly its parts.
  auto found = co_await c.objects().get(std::move(get));
  if (!found) co_return std::move(found.error());
  const object::ObjectInfo& info = found->info;
  std::vector<object::PartInfo> parts;
  if (wanted.parts && info.part_count > 0) {
    auto listed = co_await c.objects().object_parts(c.bucket(), c.key(), info.version);
    if (!listed) co_return std::move(listed.error());
    parts = std::move(*listed);
  }

  // 3. The answer. Here, unlike elsewhere, ETags have no quotes and composites no "-N".
  XmlWriter xml("GetObjectAttributesResponse");
  if (wanted.etag) xml.text("ETag", info.etag);
  if (wanted.checksum && info.meta.checksum) {
    xml.open("Checksum");
    write_checksum(xml, *info.meta.checksum, 0, true);
    xml.close("Checksum");
  }
  if (!parts.empty()) write_parts(xml, wanted, parts);
  if (wanted.storage_class) xml.text("StorageClass", shown_class(info.storage_class));
  if (wanted.size) xml.number("ObjectSize", info.size);
  net::Response response = xml_response(xml.finish());
  response.headers.add("Last-Modified", net::http_date(info.modified_ms));
  if (info.bucket_versioned) response.headers.add("x-amz-version-id", info.version.text());
  co_return response;
}

}  // namespace cairn::s3::ops
