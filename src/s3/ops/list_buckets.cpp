#include "s3/error.h"
#include "s3/listing.h"
#include "s3/ops/ops.h"
#include "s3/time_text.h"
#include "s3/token.h"

namespace cairn::s3::ops {
namespace {

constexpr std::size_t kMaxBuckets = 10'000;

Result<object::ListBucketsRequest> parse(const Context& c) {
  object::ListBucketsRequest list;
  list.prefix = c.query.get_or_empty("prefix");
  CAIRN_ASSIGN(list.max_buckets,
               parse_limit(c.query.get("max-buckets"), "max-buckets", kMaxBuckets, SIZE_MAX));
  if (list.max_buckets < 1 || list.max_buckets > kMaxBuckets) {
    return argument_error("Argument max-buckets must be an integer between 1 and 10000",
                          "max-buckets", c.query.get_or_empty("max-buckets"));
  }
  if (const auto token = c.query.get("continuation-token")) {
    CAIRN_ASSIGN(list.after, decode_token(*token));
  }
  return list;
}

}  // namespace

Answer list_buckets(Context& c) {
  // 1. What is asked for. Buckets have their region shown when the request pages or filters.
  CAIRN_CO_ASSIGN(object::ListBucketsRequest list, parse(c));
  const std::string_view region = c.query.get_or_empty("bucket-region");
  const bool show_region = c.query.has("max-buckets") || c.query.has("prefix") ||
                           c.query.has("continuation-token") || !region.empty();

  // 2. List.
  auto page = co_await c.objects().list_buckets(std::move(list));
  if (!page) co_return std::move(page.error());

  // 3. The answer.
  XmlWriter xml("ListAllMyBucketsResult");
  write_owner(xml, "Owner", c.owner());
  xml.open("Buckets");
  for (const object::BucketInfo& bucket : page->buckets) {
    if (!region.empty() && bucket.region != region) continue;
    xml.open("Bucket");
    xml.text("Name", bucket.name);
    xml.text("CreationDate", iso8601(bucket.created_ms));
    if (show_region) xml.text("BucketRegion", bucket.region);
    xml.close("Bucket");
  }
  xml.close("Buckets");
  if (page->truncated && !page->buckets.empty()) {
    xml.text("ContinuationToken", encode_token(page->buckets.back().name));
  }
  if (const auto prefix = c.query.get("prefix")) xml.text("Prefix", *prefix);
  co_return xml_response(xml.finish());
}

}  // namespace cairn::s3::ops
