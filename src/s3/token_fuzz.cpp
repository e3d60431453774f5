// Continuation tokens of any bytes: refused, or exactly what encode_token makes.
#include "base/assert.h"
#include "s3/token.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto position = cairn::s3::decode_token(text)) {
    CAIRN_ASSERT(cairn::s3::encode_token(*position) == text);
  }
  const auto back = cairn::s3::decode_token(cairn::s3::encode_token(text));
  CAIRN_ASSERT(back && *back == text);
  return 0;
}
