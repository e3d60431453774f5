// The one error channel of Cairn.
//
// Every operation that can fail returns Result<T>. An Error carries a stable code (numbers are never reused: they
// travel between nodes and into logs), a sentence for the person who reads it, and details for the S3 error document.
// Bugs are not errors: they end the process through CAIRN_ASSERT (base/assert.h).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn {

// DO NOT CHANGE the numbers. Add at the end of a block.
enum class Code : std::uint16_t {
  // Operating errors of any layer.
  internal = 1,             // a bug that was caught, never the outcome of an operation
  not_implemented = 2,
  invalid_argument = 3,
  cancelled = 4,            // the caller or a shutdown gave up
  timeout = 5,              // a deadline passed; the outcome is unknown
  unavailable = 6,          // fewer members than the quorum answered; the outcome is unknown
  slow_down = 7,            // a budget (memory, queue) is spent; nothing was done
  io_error = 8,             // a system call failed; the drive decides what that means
  corrupt = 9,              // bytes failed their checksum or their format
  no_space = 10,
  read_only = 11,
  not_found = 12,           // proven absent; "could not ask" is `unavailable`
  already_exists = 13,
  conflict = 14,            // a compare-and-swap lost, or a concurrent change; repeat after reading
  drive_failed = 15,        // the drive left service
  connection_closed = 16,   // the peer closed or broke the connection
  too_many = 17,            // more of something than a stated limit

  // Commit protocol (refusals of a drive or a leader).
  stale_term = 40,
  stale_map = 41,
  wrong_drive = 42,
  no_base = 43,
  undecided = 44,           // a unit in doubt that cannot be decided with the members at hand

  // What S3 means (object layer); s3/error.cpp maps each to the AWS code and status.
  no_such_bucket = 100,
  bucket_already_exists = 101,
  bucket_already_owned_by_you = 102,
  bucket_not_empty = 103,
  invalid_bucket_name = 104,
  no_such_key = 105,
  no_such_version = 106,
  method_not_allowed = 107,
  no_such_upload = 108,
  invalid_part = 109,
  invalid_part_order = 110,
  entity_too_small = 111,
  entity_too_large = 112,
  precondition_failed = 113,
  not_modified = 114,
  invalid_range = 115,
  bad_digest = 116,
  invalid_digest = 117,
  incomplete_body = 118,
  missing_content_length = 119,
  key_too_long = 120,
  metadata_too_large = 121,
  invalid_tag = 122,
  no_such_tag_set = 123,
  conditional_request_conflict = 124,
  too_many_buckets = 125,
  invalid_part_number = 126,
  illegal_version_id = 127,  // a version id that cannot have been given out
  invalid_storage_class = 128,
  invalid_object_state = 129,
  operation_aborted = 130,

  // The S3 request itself.
  malformed_xml = 160,
  invalid_request = 161,
  invalid_uri = 162,
  missing_request_body = 163,
  request_timeout = 164,
  max_message_length_exceeded = 165,
  unsupported_argument = 166,
  invalid_location_constraint = 167,
  illegal_location_constraint = 168,
  invalid_encoding_method = 169,
  missing_security_header = 170,
  malformed_policy = 171,
  invalid_chunk_size = 172,
  too_many_tags = 173,
  malformed_trailer = 174,
  illegal_versioning_configuration = 175,

  // Who and may.
  access_denied = 200,
  signature_does_not_match = 201,
  invalid_access_key_id = 202,
  request_time_too_skewed = 203,
  request_expired = 204,
  authorization_header_malformed = 205,
  authorization_query_parameters_error = 206,
  content_sha256_mismatch = 207,
  invalid_security = 208,
  missing_authentication_token = 209,
  unsigned_headers = 210,    // headers that must be signed are not
  invalid_token = 211,
};

// Stable name of a code for logs and metrics ("no_such_key").
std::string_view name_of(Code code);

struct Error {
  Code code = Code::internal;
  std::string message;                                          // one sentence; for people
  std::vector<std::pair<std::string, std::string>> details{};   // extra elements of the S3 error document

  Error(Code c, std::string m) : code(c), message(std::move(m)) {}
  Error(Code c, std::string m, std::vector<std::pair<std::string, std::string>> d)
      : code(c), message(std::move(m)), details(std::move(d)) {}
};

template <class T = void>
class [[nodiscard]] Result : public std::expected<T, Error> {
  using Base = std::expected<T, Error>;

 public:
  using Base::Base;
  Result(Error error) : Base(std::unexpect, std::move(error)) {}
  Result(Code code, std::string message) : Base(std::unexpect, Error{code, std::move(message)}) {}
  Code code() const { return this->error().code; }
};

}  // namespace cairn

#define CAIRN_CONCAT_(a, b) a##b
#define CAIRN_CONCAT(a, b) CAIRN_CONCAT_(a, b)

// TRY(expr): on error, returns it from the function. ASSIGN_OR_RETURN(auto x, expr): else x = value.
// CO_TRY and CO_ASSIGN are the same inside coroutines.
#define CAIRN_TRY(expr)                                                            \
  do {                                                                             \
    auto&& cairn_try_ = (expr);                                                    \
    if (!cairn_try_) [[unlikely]]                                                  \
      return ::cairn::Error{std::move(cairn_try_.error())};                        \
  } while (0)
#define CAIRN_CO_TRY(expr)                                                         \
  do {                                                                             \
    auto&& cairn_try_ = (expr);                                                    \
    if (!cairn_try_) [[unlikely]]                                                  \
      co_return ::cairn::Error{std::move(cairn_try_.error())};                     \
  } while (0)
#define CAIRN_ASSIGN(decl, expr) CAIRN_ASSIGN_(CAIRN_CONCAT(cairn_assign_, __COUNTER__), return, decl, expr)
#define CAIRN_CO_ASSIGN(decl, expr) \
  CAIRN_ASSIGN_(CAIRN_CONCAT(cairn_assign_, __COUNTER__), co_return, decl, expr)
#define CAIRN_ASSIGN_(tmp, ret, decl, expr)                         \
  auto tmp = (expr);                                                \
  if (!tmp) [[unlikely]]                                            \
    ret ::cairn::Error{std::move(tmp.error())};                     \
  decl = std::move(*tmp)
