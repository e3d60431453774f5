#include "s3/listing.h"

#include "s3/checksums.h"
#include "s3/error.h"
#include "s3/headers.h"
#include "s3/time_text.h"

namespace cairn::s3 {
namespace {

constexpr std::size_t kMaxListed = 1000;

bool unreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
         c == '_' || c == '.' || c == '~' || c == '/';
}

}  // namespace

Result<ListParameters> parse_list_parameters(const Context& context, std::string_view limit_name) {
  const Query& query = context.query;
  ListParameters list;
  list.prefix = query.get_or_empty("prefix");
  list.delimiter = query.get_or_empty("delimiter");
  if (const auto encoding = query.get("encoding-type"); encoding && !encoding->empty()) {
    if (*encoding != "url") {
      return argument_error("Invalid Encoding Method specified in Request", "encoding-type",
                            *encoding);
    }
    list.encode = true;
  }
  CAIRN_ASSIGN(list.limit, parse_limit(query.get(limit_name), limit_name, kMaxListed, kMaxListed));
  return list;
}

void append_url_encoded(std::string& out, std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  for (const char c : text) {
    if (unreserved(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
}

void NameWriter::operator()(std::string_view element, std::string_view name) {
  if (!encode_) {
    xml_.text(element, name);
    return;
  }
  scratch_.clear();
  append_url_encoded(scratch_, name);
  xml_.text(element, scratch_);
}

void NameWriter::common_prefixes(const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) {
    xml_.open("CommonPrefixes");
    (*this)("Prefix", prefix);
    xml_.close("CommonPrefixes");
  }
}

void write_owner(XmlWriter& xml, std::string_view element, std::string_view owner) {
  xml.open(element);
  xml.text("ID", owner);
  xml.text("DisplayName", owner);
  xml.close(element);
}

std::string_view shown_class(std::string_view storage_class) {
  return storage_class.empty() ? std::string_view("STANDARD") : storage_class;
}

void write_modified(XmlWriter& xml, std::int64_t modified_ms) {
  xml.markup("<LastModified>");
  xml.markup(Iso8601(modified_ms).view());
  xml.markup("</LastModified>");
}

void write_listed_data(XmlWriter& xml, const object::ListedObject& object) {
  xml.markup("<ETag>&quot;");
  xml.raw_text(object.etag);
  xml.markup("&quot;</ETag>");
  if (const auto& checksum = object.meta.checksum) {
    xml.markup("<ChecksumAlgorithm>");
    xml.markup(crypto::checksum_name(checksum->algorithm));
    xml.markup("</ChecksumAlgorithm><ChecksumType>");
    xml.markup(type_text(checksum->type));
    xml.markup("</ChecksumType>");
  }
  xml.markup("<Size>");
  xml.number_text(object.size);
  xml.markup("</Size>");
}

void write_contents(XmlWriter& xml, NameWriter& names, const object::ListedObject& object,
                    std::string_view account, bool with_owner) {
  xml.markup("<Contents>");
  names("Key", object.key);
  write_modified(xml, object.modified_ms);
  write_listed_data(xml, object);
  if (with_owner)
    write_owner(xml, "Owner", object.meta.owner.empty() ? account : object.meta.owner);
  xml.markup("<StorageClass>");
  xml.raw_text(shown_class(object.storage_class));
  xml.markup("</StorageClass></Contents>");
}

}  // namespace cairn::s3
