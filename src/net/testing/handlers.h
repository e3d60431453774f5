// Handlers for tests of the server. Each is a coroutine function, fit to be a Handler.
#pragma once

#include "net/http.h"

namespace cairn::net::testing {

// Answers with "METHOD path?query host" and the body it read; X-Length tells its size. A body that
// cannot be read is answered with 400, the error's name, and an end of the connection.
io::Task<Response> echo(Request& request);
// Never touches the body.
io::Task<Response> ignore_body(Request& request);
// Streams query (a number) bytes in pieces of 10,000, without a length when the path is "/chunked".
// "/fail" fails after half of them, "/short" ends after half, "/long" yields twice as much as it
// says.
io::Task<Response> stream(Request& request);
// The bytes that stream() sends.
std::string streamed_bytes(std::size_t count);

}  // namespace cairn::net::testing
