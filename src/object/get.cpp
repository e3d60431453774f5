// GetObject, HeadObject and the parts of GetObjectAttributes.
#include <algorithm>

#include "object/conditions.h"
#include "object/engine.h"
#include "object/lookups.h"

namespace cairn::object {
namespace {

Error no_such_part(std::uint32_t asked, std::uint32_t count) {
  return {
      Code::invalid_part_number,
      "The requested partnumber is not satisfiable",
      {{"PartNumberRequested", std::to_string(asked)}, {"ActualPartCount", std::to_string(count)}}};
}

Result<void> select_part(const store::Found& found, std::uint32_t number, GetResult& result) {
  const model::Record& record = found.record;
  if (record.part_count == 0) {
    if (number != 1) return no_such_part(number, 1);
    result.partial = result.length > 0;
    return {};
  }
  std::uint64_t offset = 0;
  for (const model::DataPart& part : found.parts) {
    if (part.part_number == number) {
      result.offset = offset;
      result.length = part.size;
      result.partial = part.size > 0;
      if (!part.checksum.empty()) result.part_checksum = part.checksum;
      return {};
    }
    offset += part.size;
  }
  return no_such_part(number, record.part_count);
}

// What of the version is sent.
Result<void> select_bytes(const GetRequest& request, const store::Found& found, GetResult& result) {
  result.length = found.record.size;
  if (request.part_number) return select_part(found, *request.part_number, result);
  if (!request.range) return {};
  CAIRN_ASSIGN(const Span span, resolve_range(*request.range, found.record.size));
  result.offset = span.offset;
  result.length = span.length;
  result.partial = span.partial;
  return {};
}

}  // namespace

io::Task<Result<GetResult>> Engine::get(GetRequest request) {
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  const model::UnitKey unit = model::UnitKey::object(view.id, request.key.text());
  const bool want_parts = request.want_body || request.part_number.has_value();
  for (Lookups lookups;;) {
    CAIRN_CO_ASSIGN(store::Found found, co_await find_readable(view, unit, request.version,
                                                               want_parts, request.want_body));
    CAIRN_CO_TRY(check_read(request.conditions, found.record));
    CAIRN_CO_ASSIGN(Meta meta, decode_meta(found.record.meta));
    GetResult result;
    result.info =
        make_info(view, request.key.text(), found.record, std::move(meta), found.is_latest);
    CAIRN_CO_TRY(select_bytes(request, found, result));
    if (!request.want_body || result.length == 0) co_return result;

    if (!lookups.again(found))
      co_return Error{Code::unavailable, "the data of this version could not be opened"};
    auto body = co_await store_.open_data(unit, std::move(found), result.offset, result.length);
    if (body) {
      result.body = std::move(*body);
      co_return result;
    }
    if (body.code() != Code::not_found && body.code() != Code::conflict) co_return body.error();
  }
}

io::Task<Result<std::vector<PartInfo>>> Engine::object_parts(BucketName bucket, ObjectKey key,
                                                             std::optional<VersionId> version) {
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(bucket));
  const model::UnitKey unit = model::UnitKey::object(view.id, key.text());
  CAIRN_CO_ASSIGN(const store::Found found,
                  co_await find_readable(view, unit, version, true, false));
  std::vector<PartInfo> parts;
  if (found.record.part_count == 0) co_return parts;
  CAIRN_CO_ASSIGN(const Meta meta, decode_meta(found.record.meta));
  parts.reserve(found.parts.size());
  for (const model::DataPart& part : found.parts) {
    PartInfo info;
    info.number = part.part_number;
    info.size = part.size;
    info.modified_ms = found.record.modified_ms;
    info.etag = part.etag;
    if (meta.checksum && !part.checksum.empty()) {
      info.checksum =
          ObjectChecksum{meta.checksum->algorithm, ChecksumType::full_object, part.checksum};
    }
    parts.push_back(std::move(info));
  }
  co_return parts;
}

}  // namespace cairn::object
