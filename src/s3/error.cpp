#include "s3/error.h"

#include <array>
#include <charconv>

#include "s3/xml.h"

namespace cairn::s3 {
namespace {

constexpr std::string_view kInternal = "We encountered an internal error. Please try again.";
constexpr std::string_view kBusy = "Service is unable to handle request. Please try again.";

struct Row {
  Code code;
  S3Error error;
};

// Operating errors tell nothing of the inside; what S3 means tells its own sentence.
constexpr Row kRows[] = {
    {Code::internal, {"InternalError", 500, kInternal, false}},
    {Code::not_implemented,
     {"NotImplemented", 501, "A header you provided implies functionality that is not implemented",
      true}},
    {Code::invalid_argument, {"InvalidArgument", 400, "Invalid Argument", true}},
    {Code::cancelled, {"ServiceUnavailable", 503, kBusy, false}},
    {Code::timeout, {"ServiceUnavailable", 503, kBusy, false}},
    {Code::unavailable, {"ServiceUnavailable", 503, kBusy, false}},
    {Code::slow_down, {"SlowDown", 503, "Please reduce your request rate.", false}},
    {Code::io_error, {"InternalError", 500, kInternal, false}},
    {Code::corrupt, {"InternalError", 500, kInternal, false}},
    {Code::no_space,
     {"InsufficientStorage", 507, "There is not enough free space to store the data.", false}},
    {Code::read_only, {"ServiceUnavailable", 503, kBusy, false}},
    {Code::not_found, {"InternalError", 500, kInternal, false}},
    {Code::already_exists, {"InternalError", 500, kInternal, false}},
    {Code::conflict,
     {"OperationAborted", 409,
      "A conflicting conditional operation is currently in progress against this resource. Please "
      "try again.",
      false}},
    {Code::drive_failed, {"ServiceUnavailable", 503, kBusy, false}},
    {Code::connection_closed, {"ServiceUnavailable", 503, kBusy, false}},
    {Code::too_many, {"SlowDown", 503, "Please reduce your request rate.", false}},
    {Code::stale_term, {"ServiceUnavailable", 503, kBusy, false}},
    {Code::stale_map, {"ServiceUnavailable", 503, kBusy, false}},
    {Code::wrong_drive, {"ServiceUnavailable", 503, kBusy, false}},
    {Code::no_base, {"ServiceUnavailable", 503, kBusy, false}},
    {Code::undecided, {"ServiceUnavailable", 503, kBusy, false}},

    {Code::no_such_bucket, {"NoSuchBucket", 404, "The specified bucket does not exist", false}},
    {Code::bucket_already_exists,
     {"BucketAlreadyExists", 409,
      "The requested bucket name is not available. The bucket namespace is shared by all users of "
      "the system. "
      "Please select a different name and try again.",
      false}},
    {Code::bucket_already_owned_by_you,
     {"BucketAlreadyOwnedByYou", 409,
      "Your previous request to create the named bucket succeeded and you already own it.", false}},
    {Code::bucket_not_empty,
     {"BucketNotEmpty", 409, "The bucket you tried to delete is not empty", true}},
    {Code::invalid_bucket_name,
     {"InvalidBucketName", 400, "The specified bucket is not valid.", false}},
    {Code::no_such_key, {"NoSuchKey", 404, "The specified key does not exist.", false}},
    {Code::no_such_version, {"NoSuchVersion", 404, "The specified version does not exist.", false}},
    {Code::method_not_allowed,
     {"MethodNotAllowed", 405, "The specified method is not allowed against this resource.",
      false}},
    {Code::no_such_upload,
     {"NoSuchUpload", 404,
      "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
      "been aborted or "
      "completed.",
      false}},
    {Code::invalid_part,
     {"InvalidPart", 400,
      "One or more of the specified parts could not be found.  The part may not have been "
      "uploaded, or the "
      "specified entity tag may not match the part's entity tag.",
      false}},
    {Code::invalid_part_order,
     {"InvalidPartOrder", 400,
      "The list of parts was not in ascending order. Parts must be ordered by part number.",
      false}},
    {Code::entity_too_small,
     {"EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size",
      false}},
    {Code::entity_too_large,
     {"EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size", false}},
    {Code::precondition_failed,
     {"PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold",
      false}},
    {Code::not_modified, {"NotModified", 304, "Not Modified", false}},
    {Code::invalid_range, {"InvalidRange", 416, "The requested range is not satisfiable", true}},
    {Code::bad_digest,
     {"BadDigest", 400, "The Content-MD5 you specified did not match what we received.", true}},
    {Code::invalid_digest,
     {"InvalidDigest", 400, "The Content-MD5 you specified was invalid.", false}},
    {Code::incomplete_body,
     {"IncompleteBody", 400,
      "You did not provide the number of bytes specified by the Content-Length HTTP header", true}},
    {Code::missing_content_length,
     {"MissingContentLength", 411, "You must provide the Content-Length HTTP header.", false}},
    {Code::key_too_long, {"KeyTooLongError", 400, "Your key is too long", false}},
    {Code::metadata_too_large,
     {"MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size",
      false}},
    {Code::invalid_tag, {"InvalidTag", 400, "The tag provided was not a valid tag.", true}},
    {Code::no_such_tag_set, {"NoSuchTagSet", 404, "The TagSet does not exist", false}},
    {Code::conditional_request_conflict,
     {"ConditionalRequestConflict", 409,
      "The conditional request cannot succeed due to a conflicting operation against this "
      "resource.",
      false}},
    {Code::too_many_buckets,
     {"TooManyBuckets", 400, "You have attempted to create more buckets than allowed", false}},
    {Code::invalid_part_number,
     {"InvalidPartNumber", 416, "The requested partnumber is not satisfiable", false}},
    {Code::illegal_version_id, {"InvalidArgument", 400, "Invalid version id specified", false}},
    {Code::invalid_storage_class,
     {"InvalidStorageClass", 400, "The storage class you specified is not valid", false}},
    {Code::invalid_object_state,
     {"InvalidObjectState", 403, "The operation is not valid for the object's storage class",
      true}},
    {Code::operation_aborted,
     {"OperationAborted", 409,
      "A conflicting conditional operation is currently in progress against this resource. Please "
      "try again.",
      false}},

    {Code::malformed_xml,
     {"MalformedXML", 400,
      "The XML you provided was not well-formed or did not validate against our published schema",
      true}},
    {Code::invalid_request, {"InvalidRequest", 400, "Invalid Request", true}},
    {Code::invalid_uri, {"InvalidURI", 400, "Couldn't parse the specified URI.", false}},
    {Code::missing_request_body, {"MissingRequestBodyError", 400, "Request Body is empty", false}},
    {Code::request_timeout,
     {"RequestTimeout", 400,
      "Your socket connection to the server was not read from or written to within the timeout "
      "period. Idle "
      "connections will be closed.",
      false}},
    {Code::max_message_length_exceeded,
     {"MaxMessageLengthExceeded", 400, "Your request was too big.", false}},
    {Code::unsupported_argument,
     {"UnsupportedArgument", 400, "The request contained an unsupported argument.", true}},
    {Code::invalid_location_constraint,
     {"InvalidLocationConstraint", 400, "The specified location-constraint is not valid", false}},
    {Code::illegal_location_constraint,
     {"IllegalLocationConstraintException", 400,
      "The location constraint is incompatible for the region specific endpoint this request was "
      "sent to.",
      true}},
    {Code::invalid_encoding_method,
     {"InvalidArgument", 400, "Invalid Encoding Method specified in Request", false}},
    {Code::missing_security_header,
     {"MissingSecurityHeader", 400, "Your request was missing a required header", true}},
    {Code::malformed_policy, {"MalformedPolicy", 400, "Policy has invalid resource.", true}},
    {Code::invalid_chunk_size,
     {"InvalidChunkSizeError", 403,
      "Only the last chunk is allowed to have a size less than 8192 bytes", true}},
    {Code::too_many_tags, {"BadRequest", 400, "Object tags cannot be greater than 10", true}},
    {Code::malformed_trailer,
     {"MalformedTrailerError", 400,
      "The request contained trailing data that was not well-formed or did not conform to our "
      "published schema.",
      false}},
    {Code::illegal_versioning_configuration,
     {"IllegalVersioningConfigurationException", 400, "The Versioning element must be specified",
      false}},

    {Code::access_denied, {"AccessDenied", 403, "Access Denied", true}},
    {Code::signature_does_not_match,
     {"SignatureDoesNotMatch", 403,
      "The request signature we calculated does not match the signature you provided. Check your "
      "key and signing "
      "method.",
      false}},
    {Code::invalid_access_key_id,
     {"InvalidAccessKeyId", 403,
      "The AWS Access Key Id you provided does not exist in our records.", false}},
    {Code::request_time_too_skewed,
     {"RequestTimeTooSkewed", 403,
      "The difference between the request time and the current time is too large.", false}},
    {Code::request_expired, {"AccessDenied", 403, "Request has expired", true}},
    {Code::authorization_header_malformed,
     {"AuthorizationHeaderMalformed", 400, "The authorization header you provided is invalid.",
      true}},
    {Code::authorization_query_parameters_error,
     {"AuthorizationQueryParametersError", 400, "Error parsing the X-Amz-Credential parameter",
      true}},
    {Code::content_sha256_mismatch,
     {"XAmzContentSHA256Mismatch", 400,
      "The provided 'x-amz-content-sha256' header does not match what was computed.", false}},
    {Code::invalid_security,
     {"InvalidSecurity", 403, "The provided security credentials are not valid.", true}},
    {Code::missing_authentication_token,
     {"MissingAuthenticationToken", 403, "The request was not signed.", true}},
    {Code::unsigned_headers,
     {"AccessDenied", 403, "There were headers present in the request which were not signed",
      true}},
    {Code::invalid_token,
     {"InvalidToken", 400, "The provided token is malformed or otherwise invalid.", true}},
};

std::string_view detail(const Error& error, std::string_view name) {
  for (const auto& [n, v] : error.details) {
    if (n == name) return v;
  }
  return {};
}

bool to_ms(std::string_view text, std::int64_t& out) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  return !text.empty() && failed == std::errc{} && end == text.data() + text.size();
}

// Details that travel as headers (object/object.h says which errors have them).
void add_headers(const Error& error, net::Response& response) {
  if (detail(error, "DeleteMarker") == "true") {
    response.headers.add("x-amz-delete-marker", "true");
    if (const auto version = detail(error, "VersionId"); !version.empty()) {
      response.headers.add("x-amz-version-id", std::string(version));
    }
    if (error.code == Code::method_not_allowed) response.headers.add("Allow", "DELETE");
  }
  if (error.code == Code::not_modified) {
    if (const auto etag = detail(error, "ETag"); !etag.empty()) {
      response.headers.add("ETag", '"' + std::string(etag) + '"');
    }
  }
  std::int64_t modified = 0;
  if ((error.code == Code::not_modified || error.code == Code::method_not_allowed) &&
      to_ms(detail(error, "LastModifiedMs"), modified)) {
    response.headers.add("Last-Modified", net::http_date(modified));
  }
  if (error.code == Code::invalid_range) {
    if (const auto size = detail(error, "ActualObjectSize"); !size.empty()) {
      response.headers.add("Content-Range", "bytes */" + std::string(size));
    }
  }
  if (error.code == Code::slow_down) response.headers.add("Retry-After", "1");
  // Where HEAD has no document to say it in: clients sign again for this region.
  if (const auto region = detail(error, "Region"); !region.empty()) {
    response.headers.add("x-amz-bucket-region", std::string(region));
  }
}

// Details that are headers, not elements of the document.
bool only_header(Code code, std::string_view name) {
  return name == "DeleteMarker" || name == "LastModifiedMs" ||
         (name == "ETag" && code == Code::precondition_failed);
}

}  // namespace

S3Error s3_error(Code code) {
  for (const Row& row : kRows) {
    if (row.code == code) return row.error;
  }
  return {"InternalError", 500, kInternal, false};
}

std::string public_message(const Error& error) {
  const S3Error row = s3_error(error.code);
  return row.own_message && !error.message.empty() ? error.message : std::string(row.message);
}

net::Response error_response(const Error& error, const ErrorPlace& place) {
  const S3Error row = s3_error(error.code);
  net::Response response;
  response.status = row.status;
  add_headers(error, response);
  if (row.status == 304) return response;
  response.headers.add("Content-Type", "application/xml");
  if (place.head) return response;

  XmlWriter xml("Error", /*with_namespace=*/false);
  xml.text("Code", row.code);
  xml.text("Message", public_message(error));
  for (const auto& [name, value] : error.details) {
    if (!only_header(error.code, name)) xml.text(name, value);
  }
  if (detail(error, "Resource").empty()) xml.text("Resource", place.resource);
  xml.text("RequestId", place.request_id);
  xml.text("HostId", place.host_id);
  response.content = xml.finish();
  return response;
}

Error argument_error(std::string message, std::string_view name, std::string_view value) {
  return {Code::invalid_argument,
          std::move(message),
          {{"ArgumentName", std::string(name)}, {"ArgumentValue", std::string(value)}}};
}

Error header_not_implemented(std::string_view header) {
  return {Code::not_implemented,
          "A header you provided implies functionality that is not implemented",
          {{"Header", std::string(header)}}};
}

}  // namespace cairn::s3
