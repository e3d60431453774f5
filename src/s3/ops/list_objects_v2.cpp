#include "s3/error.h"
#include "s3/listing.h"
#include "s3/ops/ops.h"
#include "s3/token.h"

namespace cairn::s3::ops {
namespace {

struct V2 {
  std::string start_after{};
  std::optional<std::string_view> token{};
  std::string after{};  // where to begin: the token's position, or start-after
  bool fetch_owner = false;
};

Result<V2> parse(const Context& c) {
  V2 v2;
  v2.start_after = c.query.get_or_empty("start-after");
  v2.token = c.query.get("continuation-token");
  v2.fetch_owner = c.query.get_or_empty("fetch-owner") == "true";
  if (v2.token) {
    CAIRN_ASSIGN(v2.after, decode_token(*v2.token));
  } else {
    v2.after = v2.start_after;
  }
  return v2;
}

}  // namespace

Answer list_objects_v2(Context& c) {
  // 1. What is asked for.
  CAIRN_CO_ASSIGN(const ListParameters list, parse_list_parameters(c, "max-keys"));
  CAIRN_CO_ASSIGN(const V2 v2, parse(c));

  // 2. List one page.
  Result<object::ListPage> page = object::ListPage{};
  if (list.limit == 0) {
    page = empty_page<object::ListPage>(c);
  } else {
    page = co_await c.objects().list({.bucket = c.bucket(),
                                      .prefix = list.prefix,
                                      .delimiter = list.delimiter,
                                      .after = v2.after,
                                      .max_keys = list.limit});
  }
  if (!page) co_return std::move(page.error());

  // 3. The answer.
  XmlWriter xml("ListBucketResult");
  xml.reserve(512 + page->objects.size() * 384);
  NameWriter names(xml, list.encode);
  xml.text("Name", c.bucket().text());
  names("Prefix", list.prefix);
  names.unless_empty("StartAfter", v2.start_after);
  if (v2.token) xml.text("ContinuationToken", *v2.token);
  if (page->truncated) xml.text("NextContinuationToken", encode_token(page->next));
  xml.number("KeyCount", page->objects.size() + page->common_prefixes.size());
  xml.number("MaxKeys", list.limit);
  names.unless_empty("Delimiter", list.delimiter);
  if (list.encode) xml.text("EncodingType", "url");
  xml.boolean("IsTruncated", page->truncated);
  for (const auto& info : page->objects)
    write_contents(xml, names, info, c.owner(), v2.fetch_owner);
  names.common_prefixes(page->common_prefixes);
  co_return xml_response(xml.finish());
}

}  // namespace cairn::s3::ops
