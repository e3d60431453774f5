#include "object/meta.h"

#include "model/wire.h"
#include "object/meta.pb.h"
#include "object/proto_fields.h"

namespace cairn::object {
namespace {

constexpr char kFormatVersion = 1;

std::optional<crypto::Checksum> known_checksum(std::uint32_t number) {
  if (number < static_cast<std::uint32_t>(crypto::Checksum::crc32) ||
      number > static_cast<std::uint32_t>(crypto::Checksum::sha256)) {
    return std::nullopt;
  }
  return static_cast<crypto::Checksum>(number);
}

std::optional<ChecksumType> known_type(std::uint32_t number) {
  if (number != static_cast<std::uint32_t>(ChecksumType::full_object) &&
      number != static_cast<std::uint32_t>(ChecksumType::composite)) {
    return std::nullopt;
  }
  return static_cast<ChecksumType>(number);
}

using PbPairs = google::protobuf::RepeatedPtrField<pb::Pair>;

void encode_pairs(const Headers& from, PbPairs& into) {
  into.Reserve(static_cast<int>(from.size()));
  for (const auto& [name, value] : from) {
    pb::Pair* pair = into.Add();
    pair->set_name(name);
    pair->set_value(value);
  }
}

Headers decode_pairs(PbPairs& from) {
  Headers into;
  into.reserve(static_cast<std::size_t>(from.size()));
  for (pb::Pair& pair : from) {
    into.emplace_back(std::move(*pair.mutable_name()), std::move(*pair.mutable_value()));
  }
  return into;
}

Result<ObjectChecksum> decode_checksum(pb::Checksum& message) {
  const auto algorithm = known_checksum(message.algorithm());
  const auto type = known_type(message.type());
  if (!algorithm || !type || message.value().size() != crypto::checksum_bytes(*algorithm)) {
    return Error{Code::corrupt, "object metadata: a checksum that is none"};
  }
  return ObjectChecksum{*algorithm, *type, std::move(*message.mutable_value())};
}

}  // namespace

std::string_view Meta::content_type() const {
  for (const auto& [name, value] : system) {
    if (name == "content-type") return value;
  }
  return "binary/octet-stream";
}

std::string encode_meta(const Meta& meta) {
  pb::Meta message;
  encode_pairs(meta.system, *message.mutable_system());
  encode_pairs(meta.user, *message.mutable_user());
  encode_pairs(meta.tags, *message.mutable_tags());
  if (meta.checksum) {
    pb::Checksum& checksum = *message.mutable_checksum();
    checksum.set_algorithm(static_cast<std::uint32_t>(meta.checksum->algorithm));
    checksum.set_type(static_cast<std::uint32_t>(meta.checksum->type));
    checksum.set_value(meta.checksum->value);
  }
  message.set_owner(meta.owner);
  if (meta.upload_algorithm) {
    message.set_upload_algorithm(static_cast<std::uint32_t>(*meta.upload_algorithm));
    message.set_upload_type(static_cast<std::uint32_t>(meta.upload_type));
  }
  std::string out;
  out.reserve(message.ByteSizeLong() + meta.unknown.size() + 1);
  out.push_back(kFormatVersion);
  message.AppendToString(&out);
  out.append(meta.unknown);
  return out;
}

Result<Meta> decode_meta(std::string_view bytes) {
  if (bytes.empty() || bytes[0] != kFormatVersion) {
    return Error{Code::corrupt, "object metadata: unknown format version"};
  }
  pb::Meta message;
  if (!message.ParseFromArray(bytes.data() + 1, static_cast<int>(bytes.size() - 1))) {
    return Error{Code::corrupt, "object metadata: not a message"};
  }
  Meta meta;
  meta.system = decode_pairs(*message.mutable_system());
  meta.user = decode_pairs(*message.mutable_user());
  meta.tags = decode_pairs(*message.mutable_tags());
  if (message.has_checksum()) {
    CAIRN_ASSIGN(meta.checksum, decode_checksum(*message.mutable_checksum()));
  }
  meta.owner = std::move(*message.mutable_owner());
  if (message.upload_algorithm() != 0) {
    const auto algorithm = known_checksum(message.upload_algorithm());
    const auto type = known_type(message.upload_type());
    if (!algorithm || !type) return Error{Code::corrupt, "object metadata: an unknown algorithm"};
    meta.upload_algorithm = algorithm;
    meta.upload_type = *type;
  }
  meta.unknown = unknown_fields(bytes.substr(1), pb::Meta::kUploadTypeFieldNumber);
  return meta;
}

namespace {

Result<ListedMeta::Checksum> decode_listed_checksum(std::string_view bytes) {
  std::uint64_t algorithm = 0, type = 0;
  std::size_t value = 0;
  model::wire::Reader reader(bytes);
  model::wire::Field field;
  while (reader.next(field)) {
    const bool number = field.type == model::wire::Type::varint;
    if (number && field.number == pb::Checksum::kAlgorithmFieldNumber) algorithm = field.value;
    if (number && field.number == pb::Checksum::kTypeFieldNumber) type = field.value;
    if (field.type == model::wire::Type::bytes && field.number == pb::Checksum::kValueFieldNumber) {
      value = field.bytes.size();
    }
  }
  if (reader.malformed()) return Error{Code::corrupt, "object metadata: not a message"};
  const auto known = known_checksum(static_cast<std::uint32_t>(algorithm));
  const auto kind = known_type(static_cast<std::uint32_t>(type));
  if (!known || !kind || value != crypto::checksum_bytes(*known))
    return Error{Code::corrupt, "object metadata: a checksum that is none"};
  return ListedMeta::Checksum{*known, *kind};
}

}  // namespace

Result<ListedMeta> decode_listed_meta(std::string_view bytes) {
  if (bytes.empty() || bytes[0] != kFormatVersion) {
    return Error{Code::corrupt, "object metadata: unknown format version"};
  }
  ListedMeta meta;
  model::wire::Reader reader(bytes.substr(1));
  model::wire::Field field;
  while (reader.next(field)) {
    if (field.type != model::wire::Type::bytes) continue;
    if (field.number == pb::Meta::kOwnerFieldNumber) meta.owner = field.bytes;
    if (field.number != pb::Meta::kChecksumFieldNumber) continue;
    CAIRN_ASSIGN(meta.checksum, decode_listed_checksum(field.bytes));
  }
  if (reader.malformed()) return Error{Code::corrupt, "object metadata: not a message"};
  return meta;
}

}  // namespace cairn::object
