// Logs, snapshots and promises of any bytes. Checksums are repaired, so that what they guard is
// reached too.
#include "base/assert.h"
#include "control/format.h"
#include "crypto/digest.h"

using namespace cairn;
namespace format = cairn::control::format;

namespace {

std::string sealed(std::string_view magic, std::string_view body) {
  std::string out = std::string(magic) + std::string(body);
  const std::uint64_t sum = crypto::xxh3_64(as_bytes(out));
  for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>(sum >> (8 * i)));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)format::decode_promise(input);
  (void)format::decode_promise(sealed("CRNCTLE\x01", input));
  (void)format::decode_snapshot(input);
  if (const auto snapshot = format::decode_snapshot(sealed("CRNCTLS\x01", input)))
    CAIRN_ASSERT(format::decode_snapshot(format::encode_snapshot(snapshot->epoch, snapshot->state))
                     .has_value());
  (void)format::decode_log(input, 1, 0);
  // A whole record, then the input as what was torn off.
  auto log = format::encode_log_header(1, 0);
  format::append_record(log, 1, 1, 0, {{"key", std::string(input)}, {"gone", std::nullopt}});
  const auto one = format::decode_log(log, 1, 0);
  CAIRN_ASSERT(one && one->size() == 1 && one->front().changes[0].value == input);
  log.append(input);
  const auto more = format::decode_log(log, 1, 0);
  CAIRN_ASSERT(!more || !more->empty());
  return 0;
}
