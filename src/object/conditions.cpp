#include "object/conditions.h"

#include <algorithm>

namespace cairn::object {
namespace {

bool matches(const std::vector<std::string>& tags, const std::string& etag) {
  return std::ranges::any_of(tags, [&](const std::string& t) { return t == "*" || t == etag; });
}

// HTTP dates have whole seconds.
std::int64_t seconds(std::int64_t ms) {
  return ms >= 0 ? ms / 1000 : (ms - 999) / 1000;
}

Error with_state(Code code, std::string message, std::string_view condition,
                 const model::Record& record) {
  Error error{code,
              std::move(message),
              {{"ETag", record.etag}, {"LastModifiedMs", std::to_string(record.modified_ms)}}};
  if (!condition.empty()) error.details.emplace_back("Condition", condition);
  return error;
}

Error failed(std::string_view condition, const model::Record& record) {
  return with_state(Code::precondition_failed,
                    "At least one of the pre-conditions you specified did not hold", condition,
                    record);
}

Error failed(std::string_view condition) {
  return {Code::precondition_failed,
          "At least one of the pre-conditions you specified did not hold",
          {{"Condition", std::string(condition)}}};
}

}  // namespace

Result<void> check_read(const ReadConditions& c, const model::Record& record) {
  const std::int64_t modified = seconds(record.modified_ms);
  // If-Match decides alone where it is given: true overrides a false If-Unmodified-Since.
  if (!c.if_match.empty()) {
    if (!matches(c.if_match, record.etag)) return failed("If-Match", record);
  } else if (c.if_unmodified_since_ms && modified > seconds(*c.if_unmodified_since_ms)) {
    return failed("If-Unmodified-Since", record);
  }
  if (!c.if_none_match.empty()) {
    if (matches(c.if_none_match, record.etag))
      return with_state(Code::not_modified, "Not Modified", {}, record);
  } else if (c.if_modified_since_ms && modified <= seconds(*c.if_modified_since_ms)) {
    return with_state(Code::not_modified, "Not Modified", {}, record);
  }
  return {};
}

Result<void> check_source(const ReadConditions& c, const model::Record& record) {
  auto checked = check_read(c, record);
  if (!checked && checked.code() == Code::not_modified) {
    return failed(c.if_none_match.empty() ? "x-amz-copy-source-If-Modified-Since"
                                          : "x-amz-copy-source-If-None-Match",
                  record);
  }
  return checked;
}

Result<void> check_write(const WriteConditions& c, const model::Record* current) {
  if (c.if_match) {
    if (!current) return Error{Code::no_such_key, "The specified key does not exist."};
    if (*c.if_match != "*" && *c.if_match != current->etag) return failed("If-Match");
  }
  if (c.if_none_match && current &&
      (*c.if_none_match == "*" || *c.if_none_match == current->etag)) {
    return failed("If-None-Match");
  }
  if (c.if_match_modified_ms && current &&
      seconds(*c.if_match_modified_ms) != seconds(current->modified_ms)) {
    return failed("x-amz-if-match-last-modified-time");
  }
  if (c.if_match_size && current && *c.if_match_size != current->size)
    return failed("x-amz-if-match-size");
  return {};
}

store::Precondition to_precondition(const WriteConditions& c) {
  store::Precondition out;
  out.if_match = c.if_match;
  out.if_none_match = c.if_none_match;
  out.if_modified_ms = c.if_match_modified_ms;
  out.if_size = c.if_match_size;
  return out;
}

Result<Span> resolve_range(const ByteRange& range, std::uint64_t size) {
  const Error unsatisfiable{Code::invalid_range,
                            "The requested range is not satisfiable",
                            {{"ActualObjectSize", std::to_string(size)}}};
  if (!range.first) {
    if (!range.last) return Span{0, size, false};
    if (*range.last == 0 || size == 0) return unsatisfiable;
    const std::uint64_t length = std::min(*range.last, size);
    return Span{size - length, length, true};
  }
  // A range that ends before it begins is none (RFC 9110 14.1.1): the whole object.
  if (range.last && *range.last < *range.first) return Span{0, size, false};
  if (*range.first >= size) return unsatisfiable;
  const std::uint64_t last = range.last ? std::min(*range.last, size - 1) : size - 1;
  return Span{*range.first, last - *range.first + 1, true};
}

}  // namespace cairn::object
