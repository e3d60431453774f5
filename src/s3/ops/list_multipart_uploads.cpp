#include "s3/checksums.h"
#include "s3/error.h"
#include "s3/listing.h"
#include "s3/ops/ops.h"
#include "s3/time_text.h"

namespace cairn::s3::ops {
namespace {

// The upload marker means something only together with a key marker.
Result<std::optional<model::UploadId>> parse_upload_marker(const Context& c) {
  const std::string_view text = c.query.get_or_empty("upload-id-marker");
  if (text.empty() || c.query.get_or_empty("key-marker").empty())
    return std::optional<model::UploadId>{};
  const auto id = model::UploadId::from_hex(text);
  if (!id) return argument_error("Invalid uploadId marker", "upload-id-marker", text);
  return id;
}

void write_upload(XmlWriter& xml, NameWriter& names, const object::UploadInfo& upload,
                  const std::string& account) {
  const std::string& owner = upload.meta.owner.empty() ? account : upload.meta.owner;
  xml.open("Upload");
  names("Key", upload.key);
  xml.text("UploadId", upload.upload.hex());
  write_owner(xml, "Initiator", owner);
  write_owner(xml, "Owner", owner);
  xml.text("StorageClass", shown_class(upload.storage_class));
  xml.text("Initiated", iso8601(upload.initiated_ms));
  if (upload.meta.upload_algorithm) {
    xml.text("ChecksumAlgorithm", crypto::checksum_name(*upload.meta.upload_algorithm));
    xml.text("ChecksumType", type_text(upload.meta.upload_type));
  }
  xml.close("Upload");
}

}  // namespace

Answer list_multipart_uploads(Context& c) {
  // 1. What is asked for.
  CAIRN_CO_ASSIGN(const ListParameters list, parse_list_parameters(c, "max-uploads"));
  CAIRN_CO_ASSIGN(const auto upload_marker, parse_upload_marker(c));
  const std::string key_marker(c.query.get_or_empty("key-marker"));

  // 2. List one page.
  Result<object::ListUploadsPage> page = object::ListUploadsPage{};
  if (list.limit == 0) {
    page = empty_page<object::ListUploadsPage>(c);
  } else {
    page = co_await c.objects().list_uploads({.bucket = c.bucket(),
                                              .prefix = list.prefix,
                                              .delimiter = list.delimiter,
                                              .key_marker = key_marker,
                                              .upload_marker = upload_marker,
                                              .max_uploads = list.limit});
  }
  if (!page) co_return std::move(page.error());

  // 3. The answer.
  XmlWriter xml("ListMultipartUploadsResult");
  NameWriter names(xml, list.encode);
  xml.text("Bucket", c.bucket().text());
  names("KeyMarker", key_marker);
  xml.text("UploadIdMarker", c.query.get_or_empty("upload-id-marker"));
  if (page->truncated) {
    names("NextKeyMarker", page->next_key);
    const auto& upload = page->next_upload;
    xml.text("NextUploadIdMarker", upload ? upload->hex() : std::string{});
  }
  names("Prefix", list.prefix);
  names.unless_empty("Delimiter", list.delimiter);
  if (list.encode) xml.text("EncodingType", "url");
  xml.number("MaxUploads", list.limit);
  xml.boolean("IsTruncated", page->truncated);
  for (const auto& upload : page->uploads) write_upload(xml, names, upload, c.owner());
  names.common_prefixes(page->common_prefixes);
  co_return xml_response(xml.finish());
}

}  // namespace cairn::s3::ops
