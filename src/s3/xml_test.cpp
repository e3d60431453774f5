#include "s3/xml.h"

#include <gtest/gtest.h>

namespace cairn::s3 {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  append_xml_text(out, text);
  return out;
}

TEST(XmlWriter, EscapesMarkupAndWhatXmlCannotHold) {
  EXPECT_EQ(escaped("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c'");
  EXPECT_EQ(escaped(std::string_view("\0\x01\t\n\r\x1f ", 7)), "&#x0;&#x1;&#x9;&#xa;&#xd;&#x1f; ");
  EXPECT_EQ(escaped("\xEF\xBF\xBE\xEF\xBF\xBF"), "&#xfffe;&#xffff;");
  EXPECT_EQ(escaped("\xEF\xBF\xBD\xEF\xBC\x81\xEF"), "\xEF\xBF\xBD\xEF\xBC\x81\xEF");
  EXPECT_EQ(escaped("ключ/鍵"), "ключ/鍵");
}

TEST(XmlWriter, WritesADocument) {
  XmlWriter xml("A");
  xml.open("B");
  xml.number("N", 18446744073709551615ull);
  xml.boolean("T", true);
  xml.close("B");
  EXPECT_EQ(xml.finish(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<A "
            "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<B><N>18446744073709551615</N><T>true</T></B></A>");
}

TEST(XmlDocument, ReadsWithAndWithoutNamespaces) {
  for (const std::string_view text :
       {"<A><B> x </B></A>", "<A xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><B> x </B></A>",
        "<s:A xmlns:s=\"u\"><s:B> x </s:B></s:A>",
        "\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<!-- c --><A><B> x </B></A>\n",
        "<A><B><![CDATA[ x ]]></B></A>", "<A><B>&#x20;x<!-- c -->&#32;</B></A>"}) {
    const auto document = XmlDocument::parse(text);
    ASSERT_TRUE(document) << text;
    EXPECT_EQ(document->root().name(), "A");
    EXPECT_EQ(document->root().child("B").text(), " x ") << text;
  }
}

TEST(XmlDocument, KeepsBlankText) {
  const auto document = XmlDocument::parse("<A><Key>  </Key></A>");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().child("Key").text(), "  ");
}

TEST(XmlDocument, RoundTripsWhatTheWriterEscapes) {
  const std::string text = "a<b>&\"\x01\t\n\r\x7f\xEF\xBF\xBE key";
  XmlWriter xml("A");
  xml.text("B", text);
  const auto document = XmlDocument::parse(xml.finish());
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().child("B").text(), text);
}

TEST(XmlDocument, RefusesWhatIsNotOnePlainElement) {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {""sv, " "sv, "text"sv, "<A>"sv, "<A></B>"sv, "<A/><B/>"sv, "<A>\0</A>"sv, "<A>\xff</A>"sv,
        "<A>\xC0\x80</A>"sv, "<!DOCTYPE A [<!ENTITY e \"x\">]><A>&e;</A>"sv,
        "<!DOCTYPE A SYSTEM \"file:///etc/passwd\"><A/>"sv, "<!DOCTYPE A><A/>"sv, "<A b=></A>"sv}) {
    const auto document = XmlDocument::parse(text);
    ASSERT_FALSE(document) << text;
    EXPECT_EQ(document.code(), Code::malformed_xml);
  }
}

TEST(XmlDocument, KnowsReferencesThatXmlKnows) {
  for (const std::string_view text :
       {"<A>&none;</A>", "<A>a & b</A>", "<A>&</A>", "<A>&amp</A>", "<A>&;</A>", "<A>&#;</A>",
        "<A>&#x;</A>", "<A>a&#0;b</A>", "<A>a&#x0;b</A>", "<A>&#xD800;</A>", "<A>&#x110000;</A>",
        "<A>&#x100000041;</A>", "<A>&#-1;</A>", "<A>&#65a;</A>", "<A b='&none;'/>",
        "<A><!-- & --><?p & ?><![CDATA[&]]>&</A>"}) {
    EXPECT_EQ(XmlDocument::parse(text).code(), Code::malformed_xml) << text;
  }
  const auto document = XmlDocument::parse(
      "<?p &?><A><!--&-->&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#x1;<![CDATA[&none;]]></A>");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().text(), "<>&\"'AB\x01&none;");
}

TEST(XmlDocument, DeepNestingIsNoDanger) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "<a>";
  for (int i = 0; i < 100'000; ++i) text += "</a>";
  EXPECT_TRUE(XmlDocument::parse(text));
}

TEST(XmlNode, AbsentNodesAreEmpty) {
  const XmlNode none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.name(), "");
  EXPECT_EQ(none.text(), "");
  EXPECT_TRUE(none.children().empty());
  EXPECT_FALSE(none.child("A"));
}

}  // namespace
}  // namespace cairn::s3
