#include "object/bucket.pb.h"
#include "object/buckets.h"
#include "object/proto_fields.h"

namespace cairn::object {
namespace {
constexpr char kFormatVersion = 1;
}

std::string encode_bucket(const BucketInfo& info, std::string_view unknown) {
  pb::Bucket message;
  message.set_id(info.id.value);
  message.set_created_ms(info.created_ms);
  message.set_region(info.region);
  message.set_versioning(static_cast<std::uint32_t>(info.versioning));
  for (const auto& [key, value] : info.tags) {
    pb::BucketTag* tag = message.add_tags();
    tag->set_key(key);
    tag->set_value(value);
  }
  message.set_deleting(info.deleting);
  std::string out(1, kFormatVersion);
  message.AppendToString(&out);
  out.append(unknown);
  return out;
}

Result<StoredBucket> decode_bucket(std::string_view name, std::string_view bytes) {
  if (bytes.empty() || bytes[0] != kFormatVersion) {
    return Error{Code::corrupt, "bucket record: unknown format version"};
  }
  pb::Bucket message;
  if (!message.ParseFromArray(bytes.data() + 1, static_cast<int>(bytes.size() - 1))) {
    return Error{Code::corrupt, "bucket record: not a message"};
  }
  if (message.id() == 0 ||
      message.versioning() > static_cast<std::uint32_t>(Versioning::suspended)) {
    return Error{Code::corrupt, "bucket record: a field out of its range"};
  }
  StoredBucket out;
  out.info.name = name;
  out.info.id = model::BucketId(message.id());
  out.info.created_ms = message.created_ms();
  out.info.region = message.region();
  out.info.versioning = static_cast<Versioning>(message.versioning());
  for (const pb::BucketTag& tag : message.tags())
    out.info.tags.emplace_back(tag.key(), tag.value());
  out.info.deleting = message.deleting();
  out.unknown = unknown_fields(bytes.substr(1), pb::Bucket::kDeletingFieldNumber);
  return out;
}

}  // namespace cairn::object
