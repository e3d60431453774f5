#include "net/testing/raw_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/assert.h"

namespace cairn::net::testing {

namespace {
bool connect_to(int fd, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}
}  // namespace

bool RawConnection::possible(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = connect_to(fd, port);
  ::close(fd);
  return connected;
}

RawConnection::RawConnection(std::uint16_t port)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval limit{20, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  CAIRN_ASSERT(connect_to(fd_, port));
}

RawConnection::~RawConnection() {
  ::close(fd_);
}

bool RawConnection::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool RawConnection::send_slowly(std::string_view text) {
  for (const char& c : text)
    if (!send(std::string_view(&c, 1))) return false;
  return true;
}

void RawConnection::finish_sending() {
  ::shutdown(fd_, SHUT_WR);
}

bool RawConnection::fill() {
  char chunk[64 * 1024];
  const ssize_t n = ::recv(fd_, chunk, sizeof chunk, 0);
  if (n < 0 && errno == ECONNRESET) reset_ = true;
  if (n <= 0) return false;
  buffered_.append(chunk, static_cast<std::size_t>(n));
  return true;
}

std::string RawConnection::take(std::size_t bytes) {
  while (buffered_.size() < bytes && fill()) {
  }
  std::string out = buffered_.substr(0, bytes);
  buffered_.erase(0, out.size());
  return out;
}

bool RawConnection::take_line(std::string& line) {
  for (;;) {
    const auto end = buffered_.find("\r\n");
    if (end != std::string::npos) {
      line = buffered_.substr(0, end);
      buffered_.erase(0, end + 2);
      return true;
    }
    if (!fill()) return false;
  }
}

void RawConnection::receive_chunked(RawResponse& response) {
  std::string line;
  while (take_line(line)) {
    const auto size = std::strtoull(line.c_str(), nullptr, 16);
    if (size == 0) {
      response.whole = take_line(line) && line.empty();
      return;
    }
    response.body += take(size);
    if (take(2) != "\r\n") return;
  }
}

RawResponse RawConnection::receive(bool head_only) {
  RawResponse response;
  std::string line;
  while (take_line(line)) {
    response.head += line + "\r\n";
    if (line.empty()) break;
  }
  if (response.head.size() < 12) return response;
  response.status = std::atoi(response.head.c_str() + 9);
  const auto length = response.head.find("\r\nContent-Length: ");
  if (head_only || response.status / 100 == 1 || response.status == 204 || response.status == 304) {
    response.whole = true;
  } else if (length != std::string::npos) {
    const auto bytes = std::strtoull(response.head.c_str() + length + 18, nullptr, 10);
    response.body = take(bytes);
    response.whole = response.body.size() == bytes;
  } else if (response.has("\r\nTransfer-Encoding: chunked\r\n")) {
    receive_chunked(response);
  } else {
    response.body = receive_all();
    response.whole = !reset_;
  }
  return response;
}

std::optional<bool> RawConnection::ends(std::chrono::milliseconds time) {
  while (readable(time)) {
    if (!fill()) return !reset_;
    buffered_.clear();
  }
  return std::nullopt;
}

std::string RawConnection::receive_all() {
  while (fill()) {
  }
  return std::move(buffered_);
}

bool RawConnection::readable(std::chrono::milliseconds time) {
  if (!buffered_.empty()) return true;
  pollfd wait{fd_, POLLIN, 0};
  return ::poll(&wait, 1, static_cast<int>(time.count())) > 0;
}

}  // namespace cairn::net::testing
