// XML bodies of any bytes: parsed or refused, and what was parsed can be walked.
#include "s3/tags.h"
#include "s3/xml.h"

namespace {
void walk(cairn::s3::XmlNode node, int depth) {
  (void)node.name();
  (void)node.text();
  if (depth == 0) return;
  for (const auto child : node.children()) walk(child, depth - 1);
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto document = cairn::s3::XmlDocument::parse(text)) walk(document->root(), 16);
  (void)cairn::s3::parse_tag_document(text, cairn::s3::kMaxObjectTags).has_value();
  std::string out;
  cairn::s3::append_xml_text(out, text);
  return 0;
}
