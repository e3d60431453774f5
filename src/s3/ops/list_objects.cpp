#include "s3/error.h"
#include "s3/listing.h"
#include "s3/ops/ops.h"

namespace cairn::s3::ops {
namespace {

// Taken for nothing, they would have a client read the first page for ever.
Result<void> refuse_what_version_2_has(const Query& query) {
  constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"start-after", "startAfter"}, {"continuation-token", "continuationToken"}};
  for (const auto& [parameter, name] : names) {
    if (const auto value = query.get(parameter)) {
      return argument_error(
          std::string(name) + " only supported in REST.GET.BUCKET with list-type=2", parameter,
          *value);
    }
  }
  return {};
}

}  // namespace

Answer list_objects(Context& c) {
  // 1. What is asked for.
  CAIRN_CO_TRY(refuse_what_version_2_has(c.query));
  CAIRN_CO_ASSIGN(const ListParameters list, parse_list_parameters(c, "max-keys"));
  const std::string marker(c.query.get_or_empty("marker"));

  // 2. List one page.
  Result<object::ListPage> page = object::ListPage{};
  if (list.limit == 0) {
    page = empty_page<object::ListPage>(c);
  } else {
    page = co_await c.objects().list({.bucket = c.bucket(),
                                      .prefix = list.prefix,
                                      .delimiter = list.delimiter,
                                      .after = marker,
                                      .max_keys = list.limit});
  }
  if (!page) co_return std::move(page.error());

  // 3. The answer.
  XmlWriter xml("ListBucketResult");
  xml.reserve(512 + page->objects.size() * 384);
  NameWriter names(xml, list.encode);
  xml.text("Name", c.bucket().text());
  names("Prefix", list.prefix);
  names("Marker", marker);
  // Without a delimiter the client continues after the last key it got.
  if (page->truncated && !list.delimiter.empty()) names("NextMarker", page->next);
  xml.number("MaxKeys", list.limit);
  names.unless_empty("Delimiter", list.delimiter);
  if (list.encode) xml.text("EncodingType", "url");
  xml.boolean("IsTruncated", page->truncated);
  for (const auto& info : page->objects) write_contents(xml, names, info, c.owner(), true);
  names.common_prefixes(page->common_prefixes);
  co_return xml_response(xml.finish());
}

}  // namespace cairn::s3::ops
