#include "base/error.h"

namespace cairn {

std::string_view name_of(Code code) {
  switch (code) {
#define N(c) \
  case Code::c: return #c;
    N(internal) N(not_implemented) N(invalid_argument) N(cancelled) N(timeout) N(unavailable) N(slow_down)
    N(io_error) N(corrupt) N(no_space) N(read_only) N(not_found) N(already_exists) N(conflict) N(drive_failed)
    N(connection_closed) N(too_many) N(stale_term) N(stale_map) N(wrong_drive) N(no_base) N(undecided)
    N(no_such_bucket) N(bucket_already_exists) N(bucket_already_owned_by_you) N(bucket_not_empty)
    N(invalid_bucket_name) N(no_such_key) N(no_such_version) N(method_not_allowed) N(no_such_upload)
    N(invalid_part) N(invalid_part_order) N(entity_too_small) N(entity_too_large) N(precondition_failed)
    N(not_modified) N(invalid_range) N(bad_digest) N(invalid_digest) N(incomplete_body)
    N(missing_content_length) N(key_too_long) N(metadata_too_large) N(invalid_tag) N(no_such_tag_set)
    N(conditional_request_conflict) N(too_many_buckets) N(invalid_part_number) N(illegal_version_id)
    N(invalid_storage_class) N(invalid_object_state) N(operation_aborted) N(malformed_xml) N(invalid_request)
    N(invalid_uri) N(missing_request_body) N(request_timeout) N(max_message_length_exceeded)
    N(unsupported_argument) N(invalid_location_constraint) N(illegal_location_constraint)
    N(invalid_encoding_method) N(missing_security_header) N(malformed_policy) N(invalid_chunk_size)
    N(too_many_tags) N(malformed_trailer) N(illegal_versioning_configuration)
    N(access_denied) N(signature_does_not_match)
    N(invalid_access_key_id) N(request_time_too_skewed) N(request_expired)
    N(authorization_header_malformed) N(authorization_query_parameters_error) N(content_sha256_mismatch)
    N(invalid_security) N(missing_authentication_token) N(unsigned_headers) N(invalid_token)
#undef N
  }
  return "unknown";
}

}  // namespace cairn
