#include "model/record.h"

#include <cstring>
#include <limits>

#include "base/assert.h"
#include "model/wire.h"

namespace cairn::model {
namespace {

using wire::Field;
using wire::Reader;
using wire::Type;

constexpr char kEnvelope = 1;

Error corrupt(const char* what) {
  return Error{Code::corrupt, what};
}

// Readers of single values: false if the field is not what its number promises.
template <class T>
bool get_number(const Field& field, T& out) {
  if (field.type != Type::varint || field.value > std::numeric_limits<T>::max()) return false;
  out = static_cast<T>(field.value);
  return true;
}
bool get_number(const Field& field, bool& out) {
  if (field.type != Type::varint || field.value > 1) return false;
  out = field.value != 0;
  return true;
}
bool get_signed(const Field& field, std::int64_t& out) {
  if (field.type != Type::varint) return false;
  out = wire::unzigzag(field.value);
  return true;
}
template <class String>
bool get_bytes(const Field& field, String& out) {
  if (field.type != Type::bytes) return false;
  out = field.bytes;
  return true;
}
bool get_id(const Field& field, ValueId& out) {
  if (field.type != Type::bytes || field.bytes.size() != out.bytes.size()) return false;
  std::memcpy(out.bytes.data(), field.bytes.data(), out.bytes.size());
  return true;
}

void put_id(std::string& out, std::uint32_t number, const ValueId& id) {
  if (!id.is_zero()) wire::put_bytes(out, number, id.raw());
}

// Fields of message DataPart.
void append_part(std::string& out, const DataPart& part) {
  put_id(out, 1, part.data_id);
  wire::put_number(out, 2, part.size);
  wire::put_number(out, 3, part.part_number);
  wire::put_number(out, 4, part.layout.profile.data);
  wire::put_number(out, 5, part.layout.profile.parity);
  wire::put_number(out, 6, part.layout.chunk_bytes);
  wire::put_bytes(out, 7, part.etag);
  wire::put_bytes(out, 8, part.checksum);
  out.append(part.unknown);
}

void put_part(std::string& out, std::uint32_t number, const DataPart& part) {
  CAIRN_ASSERT(profile_is_allowed(part.layout.profile.data, part.layout.profile.parity));
  // A part is small as a rule; its length takes one byte then, and the message is written in place.
  wire::put_varint(out, number << 3 | static_cast<std::uint32_t>(Type::bytes));
  const std::size_t at = out.size();
  out.push_back(0);
  append_part(out, part);
  const std::size_t length = out.size() - at - 1;
  if (length < 0x80) {
    out[at] = static_cast<char>(length);
    return;
  }
  std::string prefix;
  wire::put_varint(prefix, length);
  out.replace(at, 1, prefix);
}

bool get_part_field(const Field& field, DataPart& part) {
  switch (field.number) {
    case 1:
      return get_id(field, part.data_id);
    case 2:
      return get_number(field, part.size);
    case 3:
      return get_number(field, part.part_number);
    case 4:
      return get_number(field, part.layout.profile.data);
    case 5:
      return get_number(field, part.layout.profile.parity);
    case 6:
      return get_number(field, part.layout.chunk_bytes);
    case 7:
      return get_bytes(field, part.etag);
    case 8:
      return get_bytes(field, part.checksum);
    default:
      part.unknown.append(field.encoded);
      return true;
  }
}

bool get_part(const Field& outer, DataPart& part) {
  if (outer.type != Type::bytes) return false;
  part = DataPart{};
  part.layout.profile.data = 0;  // must be named: nothing divides by a zero that came from a disk
  Reader reader(outer.bytes);
  Field field;
  while (reader.next(field))
    if (!get_part_field(field, part)) return false;
  const auto& profile = part.layout.profile;
  return !reader.malformed() && profile_is_allowed(profile.data, profile.parity);
}

bool get_kind(const Field& field, Record::DataKind& out) {
  std::uint8_t kind;
  if (!get_number(field, kind) || kind > static_cast<std::uint8_t>(Record::DataKind::parts))
    return false;
  out = static_cast<Record::DataKind>(kind);
  return true;
}

// The fields that listings share with everybody; `handled` is false for the others.
template <class Target>
bool get_common_field(const Field& field, Target& record, bool& named, bool& handled) {
  handled = true;
  switch (field.number) {
    case 1:
      return get_number(field, named);
    case 2:
      return get_number(field, record.version.order.term);
    case 3:
      return get_number(field, record.version.order.sequence);
    case 4:
      return get_number(field, record.delete_marker);
    case 5:
      return get_number(field, record.size);
    case 6:
      return get_signed(field, record.modified_ms);
    case 7:
      return get_bytes(field, record.etag);
    case 8:
      return get_bytes(field, record.storage_class);
    case 15:
      return get_bytes(field, record.meta);
    default:
      handled = false;
      return true;
  }
}

bool get_record_field(const Field& field, Record& record, bool& named) {
  bool handled;
  if (!get_common_field(field, record, named, handled)) return false;
  if (handled) return true;
  switch (field.number) {
    case 9:
      return get_kind(field, record.data_kind);
    case 10:
      return get_part(field, record.data);
    case 11:
      return get_number(field, record.part_count);
    case 12:
      return get_id(field, record.value);
    default:
      record.unknown.append(field.encoded);
      return true;
  }
}

bool set_version(VersionId& version, bool named) {
  version.null = !named;
  return named || version.order.is_zero();
}

bool has_envelope(std::string_view bytes) {
  return !bytes.empty() && bytes[0] == kEnvelope;
}

}  // namespace

std::string encode_record(const Record& record) {
  std::string out;
  out.reserve(128 + record.etag.size() + record.storage_class.size() + record.meta.size() +
              record.data.etag.size() + record.data.checksum.size() + record.unknown.size());
  out.push_back(kEnvelope);
  if (!record.version.null) {
    wire::put_number(out, 1, 1);
    wire::put_number(out, 2, record.version.order.term);
    wire::put_number(out, 3, record.version.order.sequence);
  }
  wire::put_number(out, 4, record.delete_marker ? 1 : 0);
  wire::put_number(out, 5, record.size);
  wire::put_number(out, 6, wire::zigzag(record.modified_ms));
  wire::put_bytes(out, 7, record.etag);
  wire::put_bytes(out, 8, record.storage_class);
  wire::put_number(out, 9, static_cast<std::uint8_t>(record.data_kind));
  if (record.data != DataPart{}) put_part(out, 10, record.data);
  wire::put_number(out, 11, record.part_count);
  put_id(out, 12, record.value);
  wire::put_bytes(out, 15, record.meta);
  out.append(record.unknown);
  return out;
}

Result<Record> decode_record(std::string_view bytes) {
  if (!has_envelope(bytes)) return corrupt("record: unknown envelope");
  Result<Record> result{std::in_place};
  Record& record = *result;
  bool named = false;
  Reader reader(bytes.substr(1));
  Field field;
  while (reader.next(field))
    if (!get_record_field(field, record, named)) return corrupt("record: a field has a bad value");
  if (reader.malformed()) return corrupt("record: malformed");
  if (!set_version(record.version, named)) return corrupt("record: null version with an order");
  return result;
}

Result<ListedRecord> decode_listed(std::string_view bytes) {
  if (!has_envelope(bytes)) return corrupt("record: unknown envelope");
  ListedRecord record;
  bool named = false, handled;
  Reader reader(bytes.substr(1));
  Field field;
  while (reader.next(field))
    if (!get_common_field(field, record, named, handled))
      return corrupt("record: a field has a bad value");
  if (reader.malformed()) return corrupt("record: malformed");
  if (!set_version(record.version, named)) return corrupt("record: null version with an order");
  return record;
}

bool is_delete_marker(std::string_view bytes) {
  constexpr std::uint32_t kDeleteMarker = 4;  // fields stand in the order of their numbers
  if (!has_envelope(bytes)) return false;
  Reader reader(bytes.substr(1));
  Field field;
  while (reader.next(field) && field.number <= kDeleteMarker) {
    if (field.number == kDeleteMarker) return field.type == Type::varint && field.value == 1;
  }
  return false;
}

std::string encode_parts(const std::vector<DataPart>& parts) {
  std::string out;
  out.reserve(1 + parts.size() * 80);
  out.push_back(kEnvelope);
  for (const auto& part : parts) put_part(out, 1, part);
  return out;
}

Result<std::vector<DataPart>> decode_parts(std::string_view bytes) {
  if (!has_envelope(bytes)) return corrupt("part table: unknown envelope");
  std::vector<DataPart> parts;
  Reader reader(bytes.substr(1));
  Field field;
  while (reader.next(field)) {
    // A field beside the parts would be lost on the way to the next drive, so it needs a new
    // envelope.
    if (field.number != 1 || !get_part(field, parts.emplace_back()))
      return corrupt("part table: a field has a bad value");
  }
  if (reader.malformed()) return corrupt("part table: malformed");
  return parts;
}

}  // namespace cairn::model
