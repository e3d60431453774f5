// Whatever decodes must encode to something that decodes to the same.
#include "base/assert.h"
#include "model/record.h"
#include "model/unit_key.h"

using namespace cairn;

namespace {

void fuzz_record(std::string_view input) {
  const auto record = model::decode_record(input);
  if (!record) return;
  const auto listed = model::decode_listed(input);
  CAIRN_ASSERT(listed && listed->etag == record->etag && listed->size == record->size &&
               listed->meta == record->meta && listed->version == record->version);
  const std::string encoded = model::encode_record(*record);
  CAIRN_ASSERT(model::is_delete_marker(encoded) == record->delete_marker);
  const auto again = model::decode_record(encoded);
  CAIRN_ASSERT(again && model::encode_record(*again) == encoded);
}

void fuzz_parts(std::string_view input) {
  const auto parts = model::decode_parts(input);
  if (!parts) return;
  const auto again = model::decode_parts(model::encode_parts(*parts));
  CAIRN_ASSERT(again && *again == *parts);
}

void fuzz_unit_key(std::string_view input) {
  const auto unit = model::UnitKey::decode(input);
  if (!unit) return;
  const std::string key = unit->object_key();
  model::UnitKey again;
  switch (unit->kind()) {
    case model::UnitKind::object:
      again = model::UnitKey::object(unit->bucket(), key);
      break;
    case model::UnitKind::upload:
      again = model::UnitKey::upload(unit->bucket(), key, unit->upload_id());
      break;
    case model::UnitKind::part:
      again = model::UnitKey::part(unit->bucket(), key, unit->upload_id(), unit->part_number());
      break;
  }
  CAIRN_ASSERT(again == *unit);
}

void fuzz_escape(std::string_view input) {
  CAIRN_ASSERT(*model::unescape_key(model::escape_key(input)) == input);
  const auto key = model::unescape_key(input);
  CAIRN_ASSERT(!key || model::escape_key(*key) == input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  fuzz_record(input);
  fuzz_parts(input);
  fuzz_unit_key(input);
  fuzz_escape(input);
  (void)model::VersionId::parse(input);
  (void)model::BucketName::parse(input);
  (void)model::ObjectKey::parse(input);
  (void)model::ErasureProfile::parse(input);
  return 0;
}
