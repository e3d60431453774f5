// A blocking TCP connection for tests: sends exactly the bytes it is given, when it is told to.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::net::testing {

struct RawResponse {
  int status = 0;
  std::string head{};  // with the empty line
  std::string body{};  // decoded
  bool whole = false;  // the body ended as its head announced
  bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};

class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // Whether anybody listens.
  static bool possible(std::uint16_t port);

  // False once the peer has closed.
  bool send(std::string_view text);
  bool send_slowly(std::string_view text);  // each byte in a packet of its own
  void finish_sending();
  // The next response; `head_only` for the answer to a HEAD. Waits up to 20 s.
  RawResponse receive(bool head_only = false);
  // Whether the connection ends cleanly (true), or by a reset (false); nothing if it does not end
  // within `time`.
  std::optional<bool> ends(std::chrono::milliseconds time = std::chrono::seconds(20));
  // Everything until the end.
  std::string receive_all();
  // True if a byte can be read (or the end was reached) within `time`.
  bool readable(std::chrono::milliseconds time);

 private:
  bool fill();  // false at the end
  std::string take(std::size_t bytes);
  bool take_line(std::string& line);
  void receive_chunked(RawResponse& response);

  int fd_ = -1;
  std::string buffered_;
  bool reset_ = false;
};

}  // namespace cairn::net::testing
