// Listening, accepting, connecting: the socket calls around addresses.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include "io/sync.h"
#include "net/socket.h"

namespace cairn::net {
namespace {

constexpr int kBacklog = 4096;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::string without_brackets(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  return std::string(host);
}

// Never empty.
Result<std::vector<Address>> look_up(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string name = without_brackets(host);
  const int failed = ::getaddrinfo(name.empty() ? nullptr : name.c_str(),
                                   std::to_string(port).c_str(), &hints, &found);
  if (failed != 0)
    return Error{Code::io_error, "cannot resolve " + host + ": " + ::gai_strerror(failed)};
  std::vector<Address> addresses;
  for (const addrinfo* next = found; next != nullptr; next = next->ai_next) {
    Address& address = addresses.emplace_back();
    std::memcpy(&address.storage, next->ai_addr, next->ai_addrlen);
    address.size = next->ai_addrlen;
  }
  ::freeaddrinfo(found);
  return addresses;
}

void set_on(int fd, int level, int option) {
  const int on = 1;
  ::setsockopt(fd, level, option, &on, sizeof on);
}

Error address_error(std::string_view doing, const std::string& host, std::uint16_t port,
                    int error) {
  return Error{Code::io_error, std::string(doing) + " " + host + ":" + std::to_string(port) + ": " +
                                   std::generic_category().message(error)};
}

Result<int> bound_socket(const Address& address, const std::string& host, std::uint16_t port,
                         bool share) {
  Descriptor fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return address_error("cannot make a socket for", host, port, errno);
  set_on(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  if (share) set_on(fd.get(), SOL_SOCKET, SO_REUSEPORT);
  if (address.family() == AF_INET6) {
    const int both = 0;  // "::" takes IPv4 as well
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof both);
  }
  if (::bind(fd.get(), address.get(), address.size) != 0)
    return address_error("cannot listen on", host, port, errno);
  return fd.release();
}

std::uint16_t port_of(int fd) {
  Address address;
  address.size = sizeof address.storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0)
    return 0;
  if (address.family() == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
}

std::string text_of(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET6) {
    const auto& a = reinterpret_cast<const sockaddr_in6&>(storage);
    const auto port = ":" + std::to_string(ntohs(a.sin6_port));
    if (IN6_IS_ADDR_V4MAPPED(&a.sin6_addr)) {
      ::inet_ntop(AF_INET, &a.sin6_addr.s6_addr[12], text, sizeof text);
      return text + port;
    }
    ::inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]" + port;
  }
  const auto& a = reinterpret_cast<const sockaddr_in&>(storage);
  ::inet_ntop(AF_INET, &a.sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(a.sin_port));
}

io::Task<Result<std::vector<Address>>> look_up_by(io::Instant deadline, std::string host,
                                                  std::uint16_t port) {
  auto numeric = look_up(host, port, AI_NUMERICHOST);
  if (numeric) co_return std::move(numeric);
  io::Mailbox<Result<std::vector<Address>>> box;
  std::thread([box, host, port] { box.push(look_up(host, port, 0)); }).detach();
  auto found = co_await box.pop(deadline);
  if (!found) co_return Error{Code::timeout, "looking up " + host + " took too long"};
  co_return std::move(*found);
}

// All arguments outlive the call.
io::Task<Result<std::unique_ptr<Socket>>> connect_one(io::Reactor& reactor, const Address& address,
                                                      io::Instant deadline, const std::string& host,
                                                      std::uint16_t port) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return address_error("cannot make a socket for", host, port, errno);
  set_on(fd, IPPROTO_TCP, TCP_NODELAY);
  auto socket = std::make_shared<std::unique_ptr<Socket>>(std::make_unique<Socket>(reactor, fd));
  if (::connect(fd, address.get(), address.size) != 0 && errno != EINPROGRESS)
    co_return address_error("cannot connect to", host, port, errno);
  reactor.post_at(deadline, [weak = std::weak_ptr(socket)] {
    if (const auto still = weak.lock(); still && *still) (*still)->cancel();
  });
  const Moved waited = co_await WaitWritable{**socket};
  int error = waited.error;
  socklen_t size = sizeof error;
  if (error == 0) ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == ECANCELED)
    co_return Error{Code::timeout, "connecting to " + host + " took too long"};
  if (error != 0) co_return address_error("cannot connect to", host, port, error);
  co_return std::move(*socket);
}

}  // namespace

Result<int> listen_on(const std::string& host, std::uint16_t& port) {
  CAIRN_ASSIGN(const auto addresses, look_up(host, port, AI_PASSIVE));
  if (port != 0) {
    // Sharing the port is for our own reactors: another process that has it is found by not sharing
    // at first.
    CAIRN_ASSIGN(const int alone, bound_socket(addresses.front(), host, port, false));
    ::close(alone);
  }
  CAIRN_ASSIGN(const int fd, bound_socket(addresses.front(), host, port, true));
  Descriptor owned(fd);
  set_on(fd, IPPROTO_TCP, TCP_NODELAY);  // connections inherit it
  if (::listen(fd, kBacklog) != 0) return address_error("cannot listen on", host, port, errno);
  port = port_of(fd);
  return owned.release();
}

Result<int> listen_beside(const std::string& host, std::uint16_t port) {
  CAIRN_ASSIGN(const auto addresses, look_up(host, port, AI_PASSIVE));
  CAIRN_ASSIGN(const int fd, bound_socket(addresses.front(), host, port, true));
  Descriptor owned(fd);
  set_on(fd, IPPROTO_TCP, TCP_NODELAY);
  if (::listen(fd, kBacklog) != 0) return address_error("cannot listen on", host, port, errno);
  return owned.release();
}

int accept_on(int listener, std::string& peer) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  const int fd = ::accept4(listener, reinterpret_cast<sockaddr*>(&storage), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -errno;
  peer = text_of(storage);
  return fd;
}

io::Task<Result<std::unique_ptr<Socket>>> connect_to(io::Reactor& reactor, std::string host,
                                                     std::uint16_t port, io::Duration timeout) {
  const io::Instant deadline = reactor.now() + timeout;
  CAIRN_CO_ASSIGN(const std::vector<Address> addresses, co_await look_up_by(deadline, host, port));
  Error failed{Code::io_error, "no address"};
  for (const Address& address : addresses) {
    auto socket = co_await connect_one(reactor, address, deadline, host, port);
    if (socket) co_return std::move(socket);
    failed = std::move(socket.error());
    if (failed.code == Code::timeout) break;
  }
  co_return failed;
}

}  // namespace cairn::net
