#include "s3/body.h"
#include "s3/checksums.h"
#include "s3/error.h"
#include "s3/headers.h"
#include "s3/ops/ops.h"
#include "s3/xml.h"

namespace cairn::s3::ops {
namespace {

Result<object::CompletePart> parse_part(XmlNode node) {
  object::CompletePart part;
  const std::string text = node.child("PartNumber").text();
  const bool negative = text.starts_with('-');
  const auto number = parse_number(negative ? std::string_view(text).substr(1) : text);
  if (!number || !node.child("ETag")) return Error{Code::malformed_xml, ""};
  if (negative || *number < 1) return argument_error("PartNumber must be >= 1", "PartNumber", text);
  if (*number > object::kMaxParts) {
    return argument_error("Part number must be an integer between 1 and 10000, inclusive",
                          "partNumber", std::to_string(*number));
  }
  part.number = static_cast<std::uint32_t>(*number);
  part.etag = unquote_etag(node.child("ETag").text());
  for (const XmlNode child : node.children()) {
    if (!child.name().starts_with("Checksum")) continue;
    const auto algorithm = crypto::parse_checksum(child.name().substr(8));
    if (!algorithm)
      return Error{Code::not_implemented, "The checksum algorithm of a part is not implemented."};
    auto raw = decode_checksum(*algorithm, child.text());
    if (!raw || part.checksum) {
      return argument_error("Invalid Base64 or multiple checksums present in request", "Checksum",
                            child.text());
    }
    part.checksum.emplace(*algorithm, std::move(*raw));
  }
  return part;
}

Result<std::vector<object::CompletePart>> parse_parts(std::string_view document) {
  CAIRN_ASSIGN(const XmlDocument xml, XmlDocument::parse(document));
  if (xml.root().name() != "CompleteMultipartUpload") return Error{Code::malformed_xml, ""};
  std::vector<object::CompletePart> parts;
  for (const XmlNode node : xml.root().children("Part")) {
    if (parts.size() == object::kMaxParts) return Error{Code::malformed_xml, ""};
    CAIRN_ASSIGN(object::CompletePart part, parse_part(node));
    // Ascending and without repetition: this also bounds what follows.
    if (!parts.empty() && part.number <= parts.back().number) {
      return Error{Code::invalid_part_order, "The list of parts was not in ascending order."};
    }
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return Error{Code::malformed_xml, ""};
  return parts;
}

// What the headers say about the object that will come out.
Result<object::CompleteRequest> parse_head(Context& c) {
  object::CompleteRequest complete{.bucket = c.bucket(), .key = c.key()};
  CAIRN_ASSIGN(complete.upload, upload_of(c));
  CAIRN_ASSIGN(complete.checksum, checksum_among(c.request.headers));
  CAIRN_ASSIGN(complete.checksum_type, checksum_type(c.request.headers));
  CAIRN_ASSIGN(complete.conditions, parse_write_conditions(c.request.headers));
  if (const auto size = c.header("x-amz-mp-object-size")) {
    complete.object_size = parse_number(*size);
    if (!complete.object_size) {
      return Error{Code::invalid_request, "Value for x-amz-mp-object-size header is invalid."};
    }
  }
  return complete;
}

std::string location(const Context& c) {
  std::string text = c.request.secure ? "https://" : "http://";
  text += c.header("host").value_or("");
  if (!c.target.virtual_host) text += '/' + c.bucket().text();
  return text + '/' + net::percent_encode(c.key().text(), true);
}

}  // namespace

Answer complete_multipart_upload(Context& c) {
  // 1. The head, then the list of parts. Checksum headers speak of the object, not of this
  // document.
  CAIRN_CO_ASSIGN(object::CompleteRequest complete, parse_head(c));
  auto document = co_await read_document(c, kMaxCompleteBytes, Integrity::only_md5);
  if (!document) co_return std::move(document.error());
  if (document->empty()) {
    co_return Error{Code::invalid_request, "You must specify at least one part"};
  }
  CAIRN_CO_ASSIGN(complete.parts, parse_parts(*document));
  const auto count = static_cast<std::uint32_t>(complete.parts.size());

  // 2. Make it the object: durable when this returns, and the same when repeated.
  auto done = co_await c.objects().complete_upload(std::move(complete));
  if (!done) co_return std::move(done.error());

  // 3. The answer.
  XmlWriter xml("CompleteMultipartUploadResult");
  xml.text("Location", location(c));
  xml.text("Bucket", c.bucket().text());
  xml.text("Key", c.key().text());
  xml.text("ETag", quote_etag(done->etag));
  if (const auto& sum = done->checksum) write_checksum(xml, *sum, count, true);
  net::Response response = xml_response(xml.finish());
  if (done->show_version) response.headers.add("x-amz-version-id", done->version.text());
  co_return response;
}

}  // namespace cairn::s3::ops
