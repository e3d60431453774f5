#include "drive/blob_format.h"

#include <algorithm>
#include <charconv>

#include "base/assert.h"
#include "crypto/digest.h"
#include "drive/codec.h"

namespace cairn::drive {
namespace {

constexpr std::string_view kHeaderMagic = "CAIRNBLB";
constexpr std::string_view kTrailerMagic = "CAIRNEND";
constexpr std::uint32_t kVersion = 1;

Error corrupt(const BlobName& name, std::string_view what) {
  return Error{Code::corrupt, "blob " + blob_file_name(name) + ": " + std::string(what)};
}

}  // namespace

std::string blob_header(const BlobName& name) {
  Writer w(kBlobDataOffset);
  w.raw(kHeaderMagic).u32(kVersion).u8(name.shard).id(name.data_id);
  std::string out = w.take();
  out.resize(kBlobDataOffset, '\0');
  return out;
}

std::uint64_t block_sum(const BlobName& name, std::uint64_t block, io::Bytes bytes) {
  Writer seed(32);
  seed.id(name.data_id).u8(name.shard).u64(block);
  return crypto::xxh3_64(bytes, crypto::xxh3_64(as_bytes(seed.view())));
}

std::string block_table(const BlobName& name, const io::Slices& pieces,
                        const std::vector<std::uint64_t>& sums) {
  const std::uint64_t blocks = blob_blocks(io::size_of(pieces));
  Writer w(static_cast<std::size_t>(blocks) * kBlockSumBytes);
  if (!sums.empty()) {
    CAIRN_ASSERT(sums.size() == blocks);
    for (const std::uint64_t sum : sums) w.u64(sum);
    return w.take();
  }
  std::uint64_t block = 0;
  std::size_t last = 0;
  for (const io::Slice& piece : pieces) {
    CAIRN_ASSERT(last % kShardBlockBytes == 0);
    last = piece.bytes.size();
    for (io::Bytes rest = piece.bytes; !rest.empty(); ++block) {
      const io::Bytes bytes = rest.first(std::min(rest.size(), kShardBlockBytes));
      w.u64(block_sum(name, block, bytes));
      rest = rest.subspan(bytes.size());
    }
  }
  return w.take();
}

std::optional<std::uint64_t> damaged_block(const BlobName& name, std::string_view table,
                                           std::uint64_t first, io::Bytes blocks) {
  for (std::uint64_t block = first; !blocks.empty(); ++block) {
    const io::Bytes bytes = blocks.first(std::min(blocks.size(), kShardBlockBytes));
    if ((block + 1) * kBlockSumBytes > table.size()) return block;
    Decoder sum(table.substr(block * kBlockSumBytes, kBlockSumBytes));
    if (block_sum(name, block, bytes) != sum.u64()) return block;
    blocks = blocks.subspan(bytes.size());
  }
  return std::nullopt;
}

std::uint64_t table_sum(std::string_view table) {
  return crypto::xxh3_64(as_bytes(table));
}

std::string encode_trailer(const BlobName& name, const BlobTrailer& trailer) {
  Writer w(kBlobTrailerBytes);
  w.raw(kTrailerMagic)
      .u32(kVersion)
      .u8(name.shard)
      .raw(std::string_view("\0\0\0", 3))
      .id(name.data_id);
  w.u64(trailer.size).u64(trailer.table_sum).u64(0);
  w.u64(crypto::xxh3_64(as_bytes(w.view())));
  CAIRN_ASSERT(w.view().size() == kBlobTrailerBytes);
  return w.take();
}

Result<BlobTrailer> decode_trailer(const BlobName& name, std::string_view bytes,
                                   std::uint64_t file_bytes) {
  if (bytes.size() != kBlobTrailerBytes) return corrupt(name, "the file is too short");
  const auto sum = crypto::xxh3_64(as_bytes(bytes.substr(0, kBlobTrailerBytes - 8)));
  Decoder d(bytes);
  if (d.raw(8) != kTrailerMagic) return corrupt(name, "it was never finished");
  const auto version = d.u32();
  const auto shard = d.u8();
  d.raw(3);
  const auto data_id = d.id<model::ValueId>();
  BlobTrailer out;
  out.size = d.u64();
  out.table_sum = d.u64();
  d.u64();
  if (d.u64() != sum) return corrupt(name, "its trailer's checksum does not match");
  if (version != kVersion) return corrupt(name, "it has a format that is not known");
  if (shard != name.shard || data_id != name.data_id)
    return corrupt(name, "it is another blob's file");
  if (out.size > file_bytes || blob_file_bytes(out.size) != file_bytes)
    return corrupt(name, "its length does not match its trailer");
  return out;
}

std::string blob_file_name(const BlobName& name) {
  return name.data_id.hex() + "." + std::to_string(name.shard);
}

std::optional<BlobName> parse_blob_file_name(std::string_view text) {
  if (text.size() < 34 || text[32] != '.') return std::nullopt;
  const auto id = model::ValueId::from_hex(text.substr(0, 32));
  BlobName name;
  const auto digits = text.substr(33);
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), name.shard);
  if (!id || error != std::errc{} || end != digits.end()) return std::nullopt;
  name.data_id = *id;
  if (blob_file_name(name) != text) return std::nullopt;
  return name;
}

}  // namespace cairn::drive
