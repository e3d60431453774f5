#include "s3/checksums.h"
#include "s3/error.h"
#include "s3/headers.h"
#include "s3/ops/copy_source.h"
#include "s3/ops/ops.h"
#include "s3/time_text.h"
#include "s3/xml.h"

namespace cairn::s3::ops {
namespace {

// Unlike Range, both ends must be given and nothing is ignored.
Result<std::optional<object::ByteRange>> parse_source_range(const Context& c) {
  const auto text = c.header("x-amz-copy-source-range");
  if (!text) return std::optional<object::ByteRange>{};
  auto range = parse_range(*text);
  if (!range || !range->first || !range->last) {
    return argument_error(
        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and "
        "last are the zero-based offsets of the first and last bytes to copy",
        "x-amz-copy-source-range", *text);
  }
  return range;
}

Result<object::CopyPartRequest> parse(Context& c) {
  CAIRN_ASSIGN(Source source, authorized_source(c));
  object::CopyPartRequest copy{.source_bucket = std::move(source.bucket),
                               .source_key = std::move(source.key),
                               .source_version = source.version,
                               .bucket = c.bucket(),
                               .key = c.key()};
  copy.source_conditions = parse_copy_source_conditions(c.request.headers, c.now_ms);
  CAIRN_ASSIGN(copy.source_range, parse_source_range(c));
  CAIRN_ASSIGN(const auto number, part_number_of(c));
  if (!number || !c.query.has("uploadId")) {
    return argument_error("This operation needs both partNumber and uploadId.",
                          number ? "uploadId" : "partNumber", "");
  }
  copy.number = *number;
  CAIRN_ASSIGN(copy.upload, upload_of(c));
  return copy;
}

}  // namespace

Answer upload_part_copy(Context& c) {
  // 1. Source (with its own decision), range, and which part of which upload.
  CAIRN_CO_ASSIGN(object::CopyPartRequest copy, parse(c));

  // 2. Copy: durable when this returns.
  auto done = co_await c.objects().copy_part(std::move(copy));
  if (!done) co_return std::move(done.error());

  // 3. The answer.
  XmlWriter xml("CopyPartResult");
  xml.text("LastModified", iso8601(done->part.modified_ms));
  xml.text("ETag", quote_etag(done->part.etag));
  if (const auto& sum = done->part.checksum) write_checksum(xml, *sum, 0, false);
  net::Response response = xml_response(xml.finish());
  if (const auto& source = done->source_version) {
    response.headers.add("x-amz-copy-source-version-id", source->text());
  }
  co_return response;
}

}  // namespace cairn::s3::ops
