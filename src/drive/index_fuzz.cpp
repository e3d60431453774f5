// Keys and values of the index, and its log, of any bytes.
#include "base/assert.h"
#include "drive/format_file.h"
#include "drive/layout.h"
#include "drive/pending_journal.h"
#include "drive/write_ahead_log.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn::drive;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto key = decode_record_key(text); key && key->row) {
    CAIRN_ASSERT(row_key(key->unit, *key->row) == text);
  }
  static_cast<void>(decode_row(text));
  if (const auto head = decode_head(text)) CAIRN_ASSERT(encode_head(*head).size() == text.size());
  if (const auto pending = decode_pending({1, 2}, text))
    CAIRN_ASSERT(decode_pending({1, 2}, encode_pending(*pending)).has_value());
  static_cast<void>(decode_journal_row(text, [](const JournalEvent& event) -> cairn::Result<void> {
    CAIRN_ASSERT(!event.unit.empty());
    return {};
  }));
  if (const auto logged = decode_logged(text); logged && !logged->whole_sum)
    CAIRN_ASSERT(encode_logged(*logged) == text);
  static_cast<void>(decode_partition(std::string_view("p\0\0\0\1", 5), text));
  static_cast<void>(decode_ref(text));
  static_cast<void>(decode_format(text));
  static_cast<void>(decode_wal_record(text, 0));
  return 0;
}
