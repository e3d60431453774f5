// User metadata in headers: values that are not printable ASCII travel as RFC 2047 encoded words,
// as AWS sends them.
#pragma once

#include <string>
#include <string_view>

namespace cairn::s3 {

// The value as UTF-8: encoded words (UTF-8, US-ASCII, ISO-8859-1; B and Q) are decoded, others are
// left as they are; bytes that are not UTF-8 are taken for ISO-8859-1.
std::string decode_header_text(std::string_view value);
// Printable ASCII as it is, everything else as one encoded word. Never holds CR, LF or NUL.
std::string encode_header_text(std::string_view utf8);

}  // namespace cairn::s3
