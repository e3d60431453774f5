// Trailers, file names and inline shards of any bytes.
#include "base/assert.h"
#include "drive/blob_format.h"
#include "drive/layout.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn::drive;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  BlobName name;
  name.shard = size > 0 ? data[0] : 0;
  if (const auto trailer = decode_trailer(name, text, size)) {
    CAIRN_ASSERT(blob_file_bytes(trailer->size) == size);
  }
  if (const auto parsed = parse_blob_file_name(text)) CAIRN_ASSERT(blob_file_name(*parsed) == text);
  static_cast<void>(open_inline(name.data_id, cairn::io::Slice::of(std::string(text))));
  return 0;
}
