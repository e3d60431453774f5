// The source of CopyObject and UploadPartCopy.
#include "object/conditions.h"
#include "object/engine.h"
#include "object/lookups.h"

namespace cairn::object {
namespace {

Result<Span> source_span(const std::optional<ByteRange>& range, std::uint64_t size) {
  if (!range) return Span{0, size, false};
  if (!range->first || !range->last || *range->first > *range->last || *range->last >= size) {
    return Error{Code::invalid_argument,
                 "Range specified is not valid for source object of size: " + std::to_string(size)};
  }
  return Span{*range->first, *range->last - *range->first + 1, true};
}

}  // namespace

io::Task<Result<Engine::Source>> Engine::open_source(SourceRequest request, MayCopy may_copy) {
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  const model::UnitKey unit = model::UnitKey::object(view.id, request.key.text());
  for (Lookups lookups;;) {
    auto found = co_await find_readable(view, unit, request.version, true, true);
    if (!found && found.code() == Code::method_not_allowed) {
      co_return Error{Code::invalid_request,
                      "The source of a copy request may not specifically refer to a delete marker "
                      "by version id."};
    }
    if (!found) co_return found.error();
    CAIRN_CO_TRY(check_source(request.conditions, found->record));
    CAIRN_CO_ASSIGN(const Span span, source_span(request.range, found->record.size));
    if (span.length > kMaxPutBytes) {
      co_return Error{Code::invalid_request,
                      "The specified copy source is larger than the maximum allowable size for a "
                      "copy source: " +
                          std::to_string(kMaxPutBytes)};
    }
    Source source;
    source.view = view;
    source.record = found->record;
    source.length = span.length;
    CAIRN_CO_ASSIGN(source.meta, decode_meta(source.record.meta));
    CAIRN_CO_TRY(may_copy(source.record));
    if (span.length == 0) co_return source;

    if (!lookups.again(*found))
      co_return Error{Code::unavailable, "the data of the source could not be opened"};
    auto body = co_await store_.open_data(unit, std::move(*found), span.offset, span.length);
    if (body) {
      source.body = std::move(*body);
      co_return source;
    }
    if (body.code() != Code::not_found && body.code() != Code::conflict) co_return body.error();
  }
}

}  // namespace cairn::object
