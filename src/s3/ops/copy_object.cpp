#include "s3/checksums.h"
#include "s3/error.h"
#include "s3/headers.h"
#include "s3/ops/copy_source.h"
#include "s3/ops/ops.h"
#include "s3/ops/stored.h"
#include "s3/time_text.h"
#include "s3/xml.h"

namespace cairn::s3::ops {
namespace {

// COPY or REPLACE; true for REPLACE.
Result<bool> directive(const Context& c, std::string_view header, std::string_view what) {
  const auto value = c.header(header);
  if (!value || *value == "COPY") return false;
  if (*value == "REPLACE") return true;
  return argument_error("Unknown " + std::string(what) + " directive.", header, *value);
}

Result<object::CopyRequest> parse(const Context& c) {
  CAIRN_ASSIGN(Source source, authorized_source(c));
  object::CopyRequest copy{.source_bucket = std::move(source.bucket),
                           .source_key = std::move(source.key),
                           .source_version = source.version,
                           .bucket = c.bucket(),
                           .key = c.key()};
  copy.source_conditions = parse_copy_source_conditions(c.request.headers, c.now_ms);
  CAIRN_ASSIGN(copy.replace_metadata, directive(c, "x-amz-metadata-directive", "metadata"));
  CAIRN_ASSIGN(copy.replace_tags, directive(c, "x-amz-tagging-directive", "tagging"));
  CAIRN_ASSIGN(Stored stored, parse_stored(c, "s3:PutObjectTagging"));
  copy.meta = std::move(stored.meta);
  copy.storage_class = std::move(stored.storage_class);
  if (c.header("x-amz-storage-class") && copy.storage_class.empty())
    copy.storage_class = "STANDARD";
  CAIRN_ASSIGN(copy.checksum_algorithm, checksum_algorithm(c.request.headers));
  CAIRN_ASSIGN(copy.conditions, parse_write_conditions(c.request.headers));
  return copy;
}

}  // namespace

Answer copy_object(Context& c) {
  // 1. Source (with its own decision), directives and conditions.
  CAIRN_CO_ASSIGN(object::CopyRequest copy, parse(c));

  // 2. Copy: durable when this returns.
  auto done = co_await c.objects().copy(std::move(copy));
  if (!done) co_return std::move(done.error());

  // 3. The answer.
  XmlWriter xml("CopyObjectResult");
  xml.text("LastModified", iso8601(done->modified_ms));
  xml.text("ETag", quote_etag(done->etag));
  if (const auto& sum = done->checksum) write_checksum(xml, *sum, parts_of_etag(done->etag), true);
  net::Response response = xml_response(xml.finish());
  if (const auto& source = done->source_version) {
    response.headers.add("x-amz-copy-source-version-id", source->text());
  }
  if (done->show_version) response.headers.add("x-amz-version-id", done->version.text());
  co_return response;
}

}  // namespace cairn::s3::ops
