// Errors as S3 clients see them: the one table from base codes to AWS's code, status and message,
// and the document. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http.h"

namespace cairn::s3 {

struct S3Error {
  std::string_view code;     // "NoSuchKey"
  int status;                // HTTP
  std::string_view message;  // shown when the error's own must not be, or is empty
  bool own_message;          // the error's sentence is for the client
};
// Total: every Code has a row, unknown numbers are InternalError.
S3Error s3_error(Code code);

// What a client is told of `error`: its own sentence where it is for clients, else the table's.
std::string public_message(const Error& error);

struct ErrorPlace {
  std::string_view resource;  // path as sent
  std::string_view request_id;
  std::string_view host_id;
  bool head = false;  // no document
};
// The whole answer: status, document, and the headers that some errors carry (delete markers, 304,
// 416).
net::Response error_response(const Error& error, const ErrorPlace& place);

// Shorthand of errors that name an argument, as AWS does.
Error argument_error(std::string message, std::string_view name, std::string_view value);
// 501 for a header whose meaning is not implemented.
Error header_not_implemented(std::string_view header);

}  // namespace cairn::s3
