// Whatever decodes must encode to the same bytes' worth of map. The checksum is repaired, so that
// what it guards is reached too.
#include "base/assert.h"
#include "crypto/digest.h"
#include "placement/placement.h"

using namespace cairn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string repaired(input);
  const std::uint64_t sum = crypto::xxh3_64(as_bytes(repaired));
  for (unsigned i = 0; i < 8; ++i) repaired.push_back(static_cast<char>(sum >> (8 * i)));
  for (const std::string_view bytes : {input, std::string_view(repaired)})
    if (const auto map = placement::decode_map(bytes)) {
      const auto again = placement::decode_map(placement::encode_map(*map));
      CAIRN_ASSERT(again && *again == *map);
    }
  if (const auto entry = placement::decode_entry(input))
    CAIRN_ASSERT(placement::encode_entry(*entry) == input);
  return 0;
}
