// What the listings share: parameters, encoding-type, owners, common prefixes.
#pragma once

#include <string>
#include <string_view>

#include "object/object.h"
#include "s3/context.h"
#include "s3/xml.h"

namespace cairn::s3 {

struct ListParameters {
  std::string prefix{}, delimiter{};
  bool encode = false;       // encoding-type=url
  std::size_t limit = 1000;  // max-keys or max-uploads
};
// `limit_name`: "max-keys" or "max-uploads". invalid_argument.
Result<ListParameters> parse_list_parameters(const Context& context, std::string_view limit_name);

// Writes names (keys, prefixes, markers) as encoding-type asks for.
class NameWriter {
 public:
  NameWriter(XmlWriter& xml, bool encode) : xml_(xml), encode_(encode) {}
  void operator()(std::string_view element, std::string_view name);
  // Nothing when `name` is empty.
  void unless_empty(std::string_view element, std::string_view name) {
    if (!name.empty()) (*this)(element, name);
  }
  void common_prefixes(const std::vector<std::string>& prefixes);

 private:
  XmlWriter& xml_;
  bool encode_;
  std::string scratch_;
};

// Percent-encoding of encoding-type=url: all but unreserved characters and '/'.
void append_url_encoded(std::string& out, std::string_view text);

// <Owner> (or <Initiator>) with ID and DisplayName.
void write_owner(XmlWriter& xml, std::string_view element, std::string_view owner);

// <Contents> of ListObjects and ListObjectsV2.
void write_contents(XmlWriter& xml, NameWriter& names, const object::ListedObject& object,
                    std::string_view account, bool with_owner);
// LastModified, ETag, ChecksumAlgorithm, ChecksumType and Size of a listed object.
void write_modified(XmlWriter& xml, std::int64_t modified_ms);
void write_listed_data(XmlWriter& xml, const object::ListedObject& object);
std::string_view shown_class(std::string_view storage_class);

// What max-keys=0 answers: nothing of an existing bucket, not truncated. no_such_bucket.
template <class Page>
Result<Page> empty_page(const Context& context) {
  auto bucket = context.objects().bucket(context.bucket());
  if (!bucket) return std::move(bucket.error());
  return Page{};
}

}  // namespace cairn::s3
