// XML of the S3 protocol: a writer straight into a string, and a strict reader of small request
// bodies.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pugi {
struct xml_node_struct;
}

namespace cairn::s3 {

// Appends `text` as character data. What XML 1.0 cannot hold is written as a numeric reference, as
// AWS does.
void append_xml_text(std::string& out, std::string_view text);

// Writes one document. Elements are closed in the order they were opened; finish() closes the root.
class XmlWriter {
 public:
  // `root` and all names outlive the writer (literals). `with_namespace`: S3's default namespace on
  // the root.
  explicit XmlWriter(std::string_view root, bool with_namespace = true);

  void open(std::string_view name);
  void close(std::string_view name);
  void text(std::string_view name, std::string_view value);
  // As it is: markup.
  void markup(std::string_view text) { out_ += text; }
  void number_text(std::uint64_t value);
  void raw_text(std::string_view value) { append_xml_text(out_, value); }  // inside an open element
  void number(std::string_view name, std::uint64_t value);
  void boolean(std::string_view name, bool value) { text(name, value ? "true" : "false"); }
  void reserve(std::size_t bytes) { out_.reserve(bytes); }
  std::string finish();

 private:
  std::string_view root_;
  std::string out_;
};

// An element of a parsed document. Cheap to copy; valid as long as its document. An absent element
// is false, has no children and empty text. Namespaces and prefixes of names are ignored.
class XmlNode {
 public:
  XmlNode() = default;
  explicit XmlNode(pugi::xml_node_struct* node) : node_(node) {}
  explicit operator bool() const { return node_ != nullptr; }
  std::string_view name() const;
  std::string text() const;  // all character data directly inside
  XmlNode child(std::string_view name) const;
  std::vector<XmlNode> children() const;
  std::vector<XmlNode> children(std::string_view name) const;

 private:
  pugi::xml_node_struct* node_ = nullptr;
};

class XmlDocument {
 public:
  XmlDocument(XmlDocument&&) noexcept;
  ~XmlDocument();
  // One well-formed element in UTF-8, without document type or entities of its own; malformed_xml
  // otherwise.
  static Result<XmlDocument> parse(std::string_view text);
  XmlNode root() const;

 private:
  struct Impl;
  explicit XmlDocument(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Valid UTF-8 as RFC 3629 has it: no overlong forms, no surrogates.
bool is_utf8(std::string_view text);

}  // namespace cairn::s3
