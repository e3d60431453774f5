// Checksums in headers, trailers and documents.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/http.h"
#include "object/object.h"
#include "s3/xml.h"

namespace cairn::s3 {

using ChecksumValue = std::pair<crypto::Checksum, std::string>;  // raw bytes

// "x-amz-checksum-crc32c", and "ChecksumCRC32C" of documents.
std::string_view checksum_header_name(crypto::Checksum algorithm);
std::string_view checksum_element(crypto::Checksum algorithm);

// The algorithm an x-amz-checksum- header or trailer (any case) is of. none: it is not one of a
// value (x-amz-checksum-mode, -type, -algorithm, or another name). not_implemented: a value of an
// algorithm we do not know.
Result<std::optional<crypto::Checksum>> checksum_of_header(std::string_view name);

// Base64 of the right length; invalid_request naming the header. Composite values may end with
// "-N".
Result<std::string> decode_checksum(crypto::Checksum algorithm, std::string_view text);

// The one checksum value among the headers; invalid_request when there are two.
Result<std::optional<ChecksumValue>> checksum_among(const net::Headers& headers);

// x-amz-checksum-algorithm; invalid_request.
Result<std::optional<crypto::Checksum>> checksum_algorithm(const net::Headers& headers);
// x-amz-checksum-type; invalid_request.
Result<std::optional<object::ChecksumType>> checksum_type(const net::Headers& headers);
std::string_view type_text(object::ChecksumType type);

// As S3 shows it: base64, with "-N" for a composite of N parts.
std::string show_checksum(const object::ObjectChecksum& checksum, std::uint32_t part_count);

// Adds x-amz-checksum-* and, when `with_type`, x-amz-checksum-type.
void add_checksum(net::Headers& headers, const object::ObjectChecksum& checksum,
                  std::uint32_t part_count, bool with_type);
void write_checksum(XmlWriter& xml, const object::ObjectChecksum& checksum,
                    std::uint32_t part_count, bool with_type);

// "…-N" of an entity tag of a multipart object; 0 for others.
std::uint32_t parts_of_etag(std::string_view etag);

}  // namespace cairn::s3
