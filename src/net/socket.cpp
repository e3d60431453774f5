#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include "net/asio_await.h"

namespace cairn::net {
namespace asio = boost::asio;

struct Socket::Impl {
  explicit Impl(asio::io_context& context) : socket(context) {}
  asio::generic::stream_protocol::socket socket;
};

Socket::Socket(io::Reactor& reactor, int fd)
    : impl_(std::make_unique<Impl>(context_of(reactor))), fd_(fd) {
  boost::system::error_code error;
  (void)impl_->socket.assign(asio::generic::stream_protocol(AF_INET, IPPROTO_TCP), fd, error);
  if (!error) (void)impl_->socket.native_non_blocking(true, error);
  if (!error) return;
  // No room in the reactor's set (or a bad descriptor): the socket is closed, every wait on it
  // fails.
  if (!impl_->socket.is_open()) ::close(fd);
  close();
}

Socket::~Socket() {
  close();
}

Moved Socket::try_read(std::span<const iovec> into) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(into.data());
  message.msg_iovlen = into.size();
  const ssize_t n = ::recvmsg(fd_, &message, MSG_DONTWAIT);
  return n >= 0 ? Moved{static_cast<std::size_t>(n), 0} : Moved{0, errno == EINTR ? EAGAIN : errno};
}

Moved Socket::try_write(std::span<const iovec> from) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(from.data());
  message.msg_iovlen = from.size();
  const ssize_t n = ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return n >= 0 ? Moved{static_cast<std::size_t>(n), 0} : Moved{0, errno == EINTR ? EAGAIN : errno};
}

void Socket::start_read(std::span<const iovec> into, Waiting& waiting) {
  std::array<asio::mutable_buffer, 2> buffers;
  for (std::size_t i = 0; i < into.size() && i < buffers.size(); ++i)
    buffers[i] = asio::mutable_buffer(into[i].iov_base, into[i].iov_len);
  if (into.size() == 1)
    impl_->socket.async_receive(buffers[0], Resume{&waiting});
  else
    impl_->socket.async_receive(buffers, Resume{&waiting});
}

void Socket::start_wait_readable(Waiting& waiting) {
  impl_->socket.async_wait(asio::socket_base::wait_read, Resume{&waiting});
}

void Socket::start_wait_writable(Waiting& waiting) {
  impl_->socket.async_wait(asio::socket_base::wait_write, Resume{&waiting});
}

void Socket::cancel() {
  boost::system::error_code ignored;
  (void)impl_->socket.cancel(ignored);
}

void Socket::shutdown_write() {
  ::shutdown(fd_, SHUT_WR);
}

void Socket::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void Socket::close() {
  boost::system::error_code ignored;
  (void)impl_->socket.close(ignored);
  fd_ = -1;  // the number may soon belong to another
}

}  // namespace cairn::net
