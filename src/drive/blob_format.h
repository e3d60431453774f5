// The bytes of a blob file (docs/format/blob.md): a header page, the shard's bytes, a checksum per
// 64 KiB block, a trailer. Pure; bounds-checked: a file may hold anything.
//
//   0            header   magic "CAIRNBLB", version, shard, data id; padded with zeros to 4096
//   4096         data     `size` bytes
//   4096 + size  table    XXH3-64 (big endian) of each block of 64 KiB; the last block may be
//   shorter
//   ...          trailer  64 bytes: magic, version, shard, data id, size, checksum of the table,
//   checksum of the trailer
// The seed of a block's checksum is made of data id, shard and block number, so that a block in the
// wrong place fails. A file without a valid trailer is incomplete.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "drive/drive.h"
#include "io/bytes.h"

namespace cairn::drive {

inline constexpr std::size_t kBlobDataOffset = 4096;
inline constexpr std::size_t kBlobTrailerBytes = 64;
inline constexpr std::size_t kBlockSumBytes = 8;

constexpr std::uint64_t blob_blocks(std::uint64_t size) {
  return size / kShardBlockBytes + (size % kShardBlockBytes != 0 ? 1 : 0);
}
constexpr std::uint64_t blob_table_offset(std::uint64_t size) {
  return kBlobDataOffset + size;
}
constexpr std::uint64_t blob_file_bytes(std::uint64_t size) {
  return kBlobDataOffset + size + blob_blocks(size) * kBlockSumBytes + kBlobTrailerBytes;
}

std::string blob_header(const BlobName& name);

// The checksums of all blocks of a shard, one after the other: a blob file's table.
// `sums`: they, where they are known; else empty. REQUIRES: all pieces but the last are whole
// blocks.
std::string block_table(const BlobName& name, const io::Slices& pieces,
                        const std::vector<std::uint64_t>& sums);
// The first of `blocks`, of which the first has the number `first`, that is not what the table
// says; none: all are. REQUIRES: `blocks` ends with a block.
std::optional<std::uint64_t> damaged_block(const BlobName& name, std::string_view table,
                                           std::uint64_t first, io::Bytes blocks);

struct BlobTrailer {
  std::uint64_t size = 0;  // of the data
  std::uint64_t table_sum = 0;
};
std::uint64_t table_sum(std::string_view table);
std::string encode_trailer(const BlobName& name, const BlobTrailer& trailer);
// The trailer of a file of `file_bytes` that is to be the blob `name`; corrupt, saying what is
// wrong.
Result<BlobTrailer> decode_trailer(const BlobName& name, std::string_view bytes,
                                   std::uint64_t file_bytes);

// "<data id in hex>.<shard>", and back.
std::string blob_file_name(const BlobName& name);
std::optional<BlobName> parse_blob_file_name(std::string_view text);

}  // namespace cairn::drive
