#include "s3/xml.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <pugixml.hpp>
#include <utility>

namespace cairn::s3 {
namespace {

constexpr std::string_view kNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";

void append_reference(std::string& out, unsigned code_point) {
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), code_point, 16).ptr;
  out += "&#x";
  out.append(digits.data(), end);
  out += ';';
}

// Bytes that may have to be written in another way.
constexpr auto kSpecial = [] {
  std::array<bool, 256> special{};
  for (unsigned c = 0; c < 0x20; ++c) special[c] = true;
  for (const unsigned char c : {'&', '<', '>', '"'}) special[c] = true;
  special[0xEF] = true;
  return special;
}();

std::string_view local_name(const char* name) {
  const std::string_view full(name);
  const auto colon = full.rfind(':');
  return colon == std::string_view::npos ? full : full.substr(colon + 1);
}

Error malformed() {
  return {
      Code::malformed_xml,
      "The XML you provided was not well-formed or did not validate against our published schema"};
}

// Bytes of the sequence that starts here, 0 if it is not valid UTF-8.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  std::size_t length = 0;
  unsigned code = 0;
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    code = lead & 0x1Fu;
  } else if ((lead & 0xF0) == 0xE0) {
    length = 3;
    code = lead & 0x0Fu;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    code = lead & 0x07u;
  } else {
    return 0;
  }
  if (text.size() - at < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(at + i) & 0x3Fu);
  }
  if (length == 3 && (code < 0x800 || (code >= 0xD800 && code <= 0xDFFF))) return 0;
  if (length == 4 && (code < 0x10000 || code > 0x10FFFF)) return 0;
  return length;
}

// Whether the reference after '&' at the start of `text` is one that XML knows without a document
// type. pugixml takes the others for text, and one to NUL for the end of it: a key "a&#0;b" would
// be read as "a".
bool is_reference(std::string_view text) {
  const std::string_view name = text.substr(0, std::min(text.find(';'), text.size()));
  if (name.size() == text.size()) return false;
  if (!name.starts_with('#')) {
    return name == "amp" || name == "lt" || name == "gt" || name == "quot" || name == "apos";
  }
  const bool hex = name.starts_with("#x");
  const std::string_view digits = name.substr(hex ? 2 : 1);
  std::uint32_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, failed] = std::from_chars(digits.data(), end, value, hex ? 16 : 10);
  return failed == std::errc{} && stop == end && value != 0 && value <= 0x10FFFF &&
         (value < 0xD800 || value > 0xDFFF);
}

// Of a document that parses: sections without references are closed.
bool has_only_references(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> sections[] = {
      {"<![CDATA[", "]]>"}, {"<!--", "-->"}, {"<?", "?>"}};
  for (std::size_t at = 0; (at = text.find_first_of("&<", at)) < text.size(); ++at) {
    if (text[at] == '&') {
      if (!is_reference(text.substr(at + 1))) return false;
      continue;
    }
    for (const auto& [open, close] : sections) {
      if (text.substr(at).starts_with(open)) at = text.find(close, at + open.size());
      if (at >= text.size()) return true;
    }
  }
  return true;
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

void append_xml_text(std::string& out, std::string_view text) {
  if (std::ranges::none_of(text, [](char c) { return kSpecial[static_cast<unsigned char>(c)]; })) {
    out.append(text);
    return;
  }
  std::size_t plain = 0;  // start of the run not yet copied
  const auto flush = [&](std::size_t end) { out.append(text, plain, end - plain); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    std::size_t width = 1;
    if (c >= 0x20 && c != '&' && c != '<' && c != '>' && c != '"' && c != 0xEF) continue;
    if (c == 0xEF) {  // U+FFFE and U+FFFF are not characters of XML
      if (i + 2 >= text.size() || static_cast<unsigned char>(text[i + 1]) != 0xBF ||
          static_cast<unsigned char>(text[i + 2]) < 0xBE) {
        continue;
      }
      width = 3;
    }
    flush(i);
    plain = i + width;
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case 0xEF:
        append_reference(out, static_cast<unsigned char>(text[i + 2]) == 0xBE ? 0xFFFE : 0xFFFF);
        i += 2;
        break;
      default:
        append_reference(out, c);
    }
  }
  flush(text.size());
}

XmlWriter::XmlWriter(std::string_view root, bool with_namespace) : root_(root) {
  out_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<";
  out_ += root;
  if (with_namespace) {
    out_ += " xmlns=\"";
    out_ += kNamespace;
    out_ += '"';
  }
  out_ += '>';
}

void XmlWriter::open(std::string_view name) {
  out_ += '<';
  out_ += name;
  out_ += '>';
}

void XmlWriter::close(std::string_view name) {
  out_ += "</";
  out_ += name;
  out_ += '>';
}

void XmlWriter::text(std::string_view name, std::string_view value) {
  open(name);
  append_xml_text(out_, value);
  close(name);
}

void XmlWriter::number_text(std::uint64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out_.append(digits.data(), end);
}

void XmlWriter::number(std::string_view name, std::uint64_t value) {
  open(name);
  number_text(value);
  close(name);
}

std::string XmlWriter::finish() {
  close(root_);
  return std::move(out_);
}

std::string_view XmlNode::name() const {
  return node_ ? local_name(pugi::xml_node(node_).name()) : std::string_view{};
}

std::string XmlNode::text() const {
  std::string out;
  for (const pugi::xml_node part : pugi::xml_node(node_)) {
    if (part.type() == pugi::node_pcdata || part.type() == pugi::node_cdata) out += part.value();
  }
  return out;
}

XmlNode XmlNode::child(std::string_view name) const {
  for (const pugi::xml_node part : pugi::xml_node(node_)) {
    if (part.type() == pugi::node_element && local_name(part.name()) == name) {
      return XmlNode(part.internal_object());
    }
  }
  return {};
}

std::vector<XmlNode> XmlNode::children() const {
  std::vector<XmlNode> out;
  for (const pugi::xml_node part : pugi::xml_node(node_)) {
    if (part.type() == pugi::node_element) out.emplace_back(part.internal_object());
  }
  return out;
}

std::vector<XmlNode> XmlNode::children(std::string_view name) const {
  std::vector<XmlNode> out;
  for (const pugi::xml_node part : pugi::xml_node(node_)) {
    if (part.type() == pugi::node_element && local_name(part.name()) == name) {
      out.emplace_back(part.internal_object());
    }
  }
  return out;
}

struct XmlDocument::Impl {
  pugi::xml_document document;
};

XmlDocument::XmlDocument(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XmlDocument::XmlDocument(XmlDocument&&) noexcept = default;
XmlDocument::~XmlDocument() = default;

Result<XmlDocument> XmlDocument::parse(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  // pugixml would stop at a NUL and take the rest for proven.
  if (text.empty() || text.find('\0') != std::string_view::npos || !is_utf8(text))
    return malformed();
  auto impl = std::make_unique<Impl>();
  constexpr unsigned options = pugi::parse_cdata | pugi::parse_escapes | pugi::parse_eol |
                               pugi::parse_ws_pcdata_single | pugi::parse_doctype;
  const auto parsed =
      impl->document.load_buffer(text.data(), text.size(), options, pugi::encoding_utf8);
  if (!parsed || !has_only_references(text)) return malformed();
  std::size_t elements = 0;
  for (const pugi::xml_node part : impl->document) {
    if (part.type() == pugi::node_doctype) return malformed();
    if (part.type() == pugi::node_element) ++elements;
  }
  if (elements != 1) return malformed();
  return XmlDocument(std::move(impl));
}

XmlNode XmlDocument::root() const {
  return XmlNode(impl_->document.document_element().internal_object());
}

}  // namespace cairn::s3
