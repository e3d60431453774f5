#include "s3/checksums.h"
#include "s3/headers.h"
#include "s3/listing.h"
#include "s3/ops/ops.h"
#include "s3/time_text.h"

namespace cairn::s3::ops {
namespace {

void write_part(XmlWriter& xml, const object::PartInfo& part) {
  xml.open("Part");
  xml.number("PartNumber", part.number);
  xml.text("LastModified", iso8601(part.modified_ms));
  xml.text("ETag", quote_etag(part.etag));
  xml.number("Size", part.size);
  if (part.checksum) write_checksum(xml, *part.checksum, 0, false);
  xml.close("Part");
}

}  // namespace

Answer list_parts(Context& c) {
  // 1. What is asked for.
  object::ListPartsRequest list{.bucket = c.bucket(), .key = c.key()};
  CAIRN_CO_ASSIGN(list.upload, upload_of(c));
  CAIRN_CO_ASSIGN(list.max_parts, parse_limit(c.query.get("max-parts"), "max-parts", 1000, 1000));
  CAIRN_CO_ASSIGN(
      const std::size_t marker,
      parse_limit(c.query.get("part-number-marker"), "part-number-marker", 0, object::kMaxParts));
  list.after = static_cast<std::uint32_t>(marker);
  const std::size_t limit = list.max_parts;

  // 2. List one page.
  auto page = co_await c.objects().list_parts(std::move(list));
  if (!page) co_return std::move(page.error());

  // 3. The answer.
  const object::UploadInfo& upload = page->upload;
  const std::string& owner = upload.meta.owner.empty() ? c.owner() : upload.meta.owner;
  XmlWriter xml("ListPartsResult");
  xml.text("Bucket", c.bucket().text());
  xml.text("Key", c.key().text());
  xml.text("UploadId", c.query.get_or_empty("uploadId"));
  write_owner(xml, "Initiator", owner);
  write_owner(xml, "Owner", owner);
  xml.text("StorageClass", shown_class(upload.storage_class));
  if (upload.meta.upload_algorithm) {
    xml.text("ChecksumAlgorithm", crypto::checksum_name(*upload.meta.upload_algorithm));
    xml.text("ChecksumType", type_text(upload.meta.upload_type));
  }
  xml.number("PartNumberMarker", marker);
  xml.number("NextPartNumberMarker", page->parts.empty() ? marker : page->parts.back().number);
  xml.number("MaxParts", limit);
  xml.boolean("IsTruncated", page->truncated);
  for (const auto& part : page->parts) write_part(xml, part);
  co_return xml_response(xml.finish());
}

}  // namespace cairn::s3::ops
