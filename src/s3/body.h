// Request bodies: decoding, integrity headers, and whole small documents.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "s3/context.h"

namespace cairn::s3 {

// A body about to be read, with what it must match.
struct Body {
  io::ByteSource* source = nullptr;     // lives as long as the context
  std::optional<std::uint64_t> size{};  // decoded bytes; none: not known before the end
  std::optional<std::string> content_md5{};
  std::optional<object::ExpectedChecksum> checksum{};
};

// Prepares the body of `context` without reading it. missing_content_length when neither a length
// nor a transfer coding announces one; invalid_digest, invalid_request, invalid_argument,
// not_implemented for integrity headers.
enum class Integrity : unsigned char {
  of_body,   // Content-MD5 and checksums, where given
  required,  // one of them must be given: invalid_request
  only_md5,  // checksum headers speak of something else (the completed object)
};
Result<Body> open_body(Context& context, Integrity integrity = Integrity::of_body);

// entity_too_large when the length stated up front exceeds `most`.
Result<void> check_size(const Body& body, std::uint64_t most);

// Reads and verifies a whole body of at most `most` bytes; max_message_length_exceeded beyond. No
// body at all is empty.
io::Task<Result<std::string>> read_document(Context& context, std::size_t most,
                                            Integrity integrity = Integrity::of_body);

inline constexpr std::size_t kMaxDocumentBytes = 1 << 20;
inline constexpr std::size_t kMaxCompleteBytes =
    4 << 20;  // 10,000 parts with checksums, generously spaced

}  // namespace cairn::s3
