// Object metadata and bucket records as found on disk: any bytes decode or are refused; what
// decodes says the same after being encoded again.
#include <cstdint>

#include "base/assert.h"
#include "object/buckets.h"
#include "object/meta.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn::object;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(decode_listed_meta(bytes));
  if (auto meta = decode_meta(bytes)) {
    const std::string once = encode_meta(*meta);
    auto again = decode_meta(once);
    CAIRN_ASSERT(again.has_value());
    CAIRN_ASSERT(encode_meta(*again) == once);
    const auto listed = decode_listed_meta(once);
    CAIRN_ASSERT(listed && listed->owner == again->owner);
    CAIRN_ASSERT(listed->checksum.has_value() == again->checksum.has_value());
    CAIRN_ASSERT(!listed->checksum || (listed->checksum->algorithm == again->checksum->algorithm &&
                                       listed->checksum->type == again->checksum->type));
  }
  if (auto bucket = decode_bucket("name", bytes)) {
    const std::string once = encode_bucket(bucket->info, bucket->unknown);
    auto again = decode_bucket("name", once);
    CAIRN_ASSERT(again.has_value());
    CAIRN_ASSERT(encode_bucket(again->info, again->unknown) == once);
  }
  return 0;
}
