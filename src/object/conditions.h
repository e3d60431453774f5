// What a request asks of the version it finds: conditions (RFC 9110 section 13.2.2, as S3 reads
// them) and ranges. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/error.h"
#include "model/record.h"
#include "object/object.h"
#include "store/store.h"

namespace cairn::object {

// not_modified or precondition_failed, with {"ETag"} {"LastModifiedMs"}.
Result<void> check_read(const ReadConditions& conditions, const model::Record& record);
// Of copy sources: every failure is precondition_failed.
Result<void> check_source(const ReadConditions& conditions, const model::Record& record);

inline bool has_conditions(const WriteConditions& c) {
  return c.if_match || c.if_none_match || c.if_match_modified_ms || c.if_match_size;
}
// Against the version they apply to; null: there is none (a delete marker is none). no_such_key
// where something must match and nothing is there; precondition_failed.
Result<void> check_write(const WriteConditions& conditions, const model::Record* current);
store::Precondition to_precondition(const WriteConditions& conditions);

struct Span {
  std::uint64_t offset = 0, length = 0;
  bool partial = false;
};
// The bytes of an object of `size` that a range asks for, clamped. invalid_range with
// {"ActualObjectSize"}.
Result<Span> resolve_range(const ByteRange& range, std::uint64_t size);

}  // namespace cairn::object
