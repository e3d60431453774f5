// HTTP/1.1 messages as plain values, and the server that speaks them (Beast inside; this header
// stays free of it).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/metrics.h"
#include "io/bytes.h"
#include "io/reactor.h"
#include "io/task.h"

namespace cairn::net {

// Header fields in arrival order; names compare without case.
class Headers {
 public:
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  void set(std::string_view name, std::string value);  // replaces all of that name
  void remove(std::string_view name);
  std::optional<std::string_view> get(std::string_view name) const;  // the first of that name
  std::string joined(std::string_view name) const;  // all of that name, comma separated
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }
  void clear() { fields_.clear(); }  // keeps the memory for the next message

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  std::string method{};
  std::string target{};  // as sent: "/bucket/key?x=y"
  std::string path{};    // the part before '?', still percent-encoded
  std::string query{};   // the part after '?', still percent-encoded
  Headers headers{};
  std::optional<std::uint64_t> content_length{};  // none: chunked (has_body) or no body
  bool has_body = false;
  io::ByteSource* body = nullptr;  // never null; at its end at once when there is no body. Reading
                                   // it sends 100 Continue first when the client asked for that.
  std::string peer{};   // "127.0.0.1:5000"
  bool secure = false;  // came over TLS
  std::string id{};     // request id, set by the server
  std::uint64_t body_received =
      0;  // bytes of body handed out so far (without the framing of chunks)
};

// What became of a response.
struct Sent {
  std::uint64_t body_bytes = 0;  // handed to the socket, without head and framing
  bool complete = false;         // false: the connection was cut before the end
};

struct Response {
  int status = 200;
  Headers headers{};      // without Content-Length, Date, Connection: the server adds them
  std::string content{};  // sent when `body` is null
  std::unique_ptr<io::SliceSource> body{};
  std::optional<std::uint64_t>
      content_length{};  // of `body`; none: chunked. For HEAD: the length it would have.
  bool close = false;    // end the connection after this response
  std::move_only_function<void(const Sent&)>
      on_sent{};  // called once, after the last byte was written or the cut
};

// Answers one request. The request outlives the task. Never fails: errors are responses. If the
// body source of a response fails after the head went out, the connection is cut (never a clean
// end).
using Handler = std::function<io::Task<Response>(Request&)>;

struct ServerOptions {
  std::string host = "0.0.0.0";
  std::uint16_t port = 9000;                 // 0: any free one
  std::size_t max_header_bytes = 64 * 1024;  // 431 beyond (400 for the request line: 414)
  std::size_t max_target_bytes = 16 * 1024;
  std::chrono::seconds idle_timeout{75};    // between requests
  std::chrono::seconds header_timeout{30};  // to send a whole head
  std::chrono::seconds body_timeout{60};    // without progress in either direction
  std::size_t max_connections = 16384;      // beyond: 503 and close
  std::size_t max_unread_body_drain =
      256 * 1024;  // an unread body up to this is read off to keep the connection
};

class Server {
 public:
  virtual ~Server() = default;
  // Binds and accepts on every reactor (SO_REUSEPORT). io_error with the address in its message
  // when it cannot.
  virtual Result<void> start() = 0;
  virtual std::uint16_t port() const = 0;
  // Stops accepting, lets requests in progress finish (up to `patience`), closes idle connections.
  virtual io::Task<void> drain(io::Duration patience) = 0;
};
// The handler and what it refers to live until drain() has returned and no handler runs any more;
// an undrained server cuts its connections when it is destroyed.
std::unique_ptr<Server> make_server(ServerOptions options, io::Reactors& reactors, Handler handler,
                                    metrics::Registry& metrics);

// Percent-decoding, '+' stays; none if malformed.
std::optional<std::string> percent_decode(std::string_view text);
// Encodes all but unreserved characters (RFC 3986); '/' stays when `keep_slash`.
std::string percent_encode(std::string_view text, bool keep_slash);
// name=value pairs of a query string, decoded ('+' is a space, as S3 has it), in order; a name
// without '=' has an empty value. none if malformed.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);
// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7)
std::string http_date(std::int64_t unix_ms);
std::optional<std::int64_t> parse_http_date(std::string_view text);

// ---- client: one keep-alive connection, for `cairn bench` and later peers.
struct ClientResponse {
  int status = 0;
  Headers headers{};
  std::uint64_t body_bytes = 0;
  std::string body{};  // when kept
};
class Client {
 public:
  virtual ~Client() = default;
  // Sends head and body (pieces outlive the call) and reads the answer. `keep_body`: into the
  // response, else counted.
  virtual io::Task<Result<ClientResponse>> request(std::string head, std::vector<io::Bytes> body,
                                                   bool is_head, bool keep_body) = 0;
};
// Connects within `timeout`; later on it is the longest wait without progress within a request.
// `host` is a name or an address. REQUIRES: runs on a reactor, and the client is used and destroyed
// on that reactor.
io::Task<Result<std::unique_ptr<Client>>> connect(std::string host, std::uint16_t port,
                                                  io::Duration timeout);

}  // namespace cairn::net
