// A record: what a drive's index keeps of one version of one unit (docs/format/record.md).
//
// Encoded as an envelope byte (format version 1) and a protobuf message (model/record.proto); fields that a newer
// version wrote are kept on re-encoding. What S3 keeps about an object beyond what listing and the commit protocol need
// (headers, user metadata, tags, ...) is `meta`: opaque bytes of the object layer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "model/profile.h"

namespace cairn::model {

// How the bytes of one blob are cut into shards (docs/format/blob.md).
struct StripeLayout {
  ErasureProfile profile;
  std::uint32_t chunk_bytes = 0;   // bytes of one chunk; a stripe is profile.data chunks
  auto operator<=>(const StripeLayout&) const = default;
};

// One run of object bytes that is stored under one data id: a whole object, or one part of a multipart object.
struct DataPart {
  ValueId data_id{};
  std::uint64_t size = 0;           // object bytes
  std::uint32_t part_number = 0;    // 0 for objects that were not multipart
  StripeLayout layout{};
  std::string etag{};               // hex MD5 of the part; empty when it equals the record's
  std::string checksum{};           // raw bytes of the part's checksum in the object's algorithm; may be empty
  std::string unknown{};            // fields of a newer version, kept
  auto operator<=>(const DataPart&) const = default;
};

struct Record {
  enum class DataKind : std::uint8_t {
    none = 0,     // no bytes (delete marker, empty object, upload)
    inline_ = 1,  // shard beside the record, keyed by data id
    blob = 2,     // one blob file per drive
    parts = 3,    // several blobs; the table stands apart so that HEAD stays cheap
  };
  VersionId version{};
  bool delete_marker = false;
  std::uint64_t size = 0;
  std::int64_t modified_ms = 0;
  std::string etag{};            // without quotes; "…-N" for multipart
  std::string storage_class{};   // empty: STANDARD
  DataKind data_kind = DataKind::none;
  DataPart data{};               // of kinds inline_ and blob
  std::uint32_t part_count = 0;  // of kind parts; the table is a separate value keyed by data.data_id
  ValueId value{};               // of the mutation that wrote this row (protocol.md 1)
  std::string meta{};            // object layer
  std::string unknown{};         // fields of a newer version, kept
};

std::string encode_record(const Record& record);
Result<Record> decode_record(std::string_view bytes);  // corrupt

// What a listing needs of a record. Views point into the bytes that were decoded; nothing is allocated.
struct ListedRecord {
  VersionId version{};
  bool delete_marker = false;
  std::uint64_t size = 0;
  std::int64_t modified_ms = 0;
  std::string_view etag{};
  std::string_view storage_class{};
  std::string_view meta{};
};
Result<ListedRecord> decode_listed(std::string_view bytes);  // corrupt; checks only what it returns
// Whether a record, as encode_record writes it, is of a delete marker: reads no further than it must. False also of bytes
// that are no record.
bool is_delete_marker(std::string_view bytes);

std::string encode_parts(const std::vector<DataPart>& parts);
Result<std::vector<DataPart>> decode_parts(std::string_view bytes);  // corrupt

}  // namespace cairn::model
