// Heads of HTTP/1.1 messages: where one ends, and what it says. Pure; private to net.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/http.h"

namespace cairn::net {

// Finds the end of a head in bytes that arrive piece by piece, and refuses what no head can be, as
// soon as it is seen: a line that ends without CR, a folded line, too much of anything.
class HeadScanner {
 public:
  struct Limits {
    std::size_t max_first_line = 16 * 1024;
    std::size_t max_bytes = 64 * 1024;  // of all lines after the first
    std::size_t max_fields = 1000;
  };
  enum class Step { need_more, complete, bad };

  explicit HeadScanner(const Limits& limits) : limits_(limits) {}
  // `input` begins where the message begins and has grown since the last call; only new bytes are
  // looked at.
  Step scan(std::string_view input);
  void reset() { *this = HeadScanner(limits_); }

  std::size_t begin() const {
    return begin_;
  }  // empty lines before the head are skipped (RFC 9112 2.2)
  std::size_t end() const { return line_; }  // of a complete head
  int status() const { return status_; }     // why it is bad: 400, 414, 431

 private:
  Step line_ended(std::string_view line);
  Step unfinished(std::size_t size);
  Step refuse(int status);

  Limits limits_;
  std::size_t begin_ = 0;
  std::size_t line_ = 0;          // where the line being read begins
  std::size_t seen_ = 0;          // bytes looked at
  std::size_t fields_begin_ = 0;  // after the first line; 0: still in it
  std::size_t fields_ = 0;
  int status_ = 0;
};

// What a head means for reading the body and for the connection.
struct Framing {
  bool http11 = true;
  bool keep_alive = true;
  bool chunked = false;
  bool expect_continue = false;
  std::optional<std::uint64_t> content_length{};
};

// Parses a complete head into `request` (method, target, path, query, headers, content_length,
// has_body). Returns 0, or the status that refuses it: 400, 414, 417, 431, 501, 505.
int parse_request_head(std::string_view head, std::size_t max_target_bytes, Request& request,
                       Framing& framing);

// Parses the head of a response. False: malformed. `framing.content_length` none and not chunked:
// until the end of the connection (unless the status or the method rule a body out, which is the
// caller's to know).
bool parse_response_head(std::string_view head, int& status, Headers& headers, Framing& framing);

}  // namespace cairn::net
