// From Asio's completion handlers to coroutines: the handler resumes the waiter directly, on the
// reactor's thread (Asio never calls it from within the initiating function). Only for the sources
// that include Asio. Private to net.
#pragma once

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include "io/reactor.h"
#include "net/socket.h"

namespace cairn::net {

inline boost::asio::io_context& context_of(io::Reactor& reactor) {
  return *static_cast<boost::asio::io_context*>(reactor.native());
}

inline int errno_of(const boost::system::error_code& error) {
  if (!error || error == boost::asio::error::eof) return 0;
  return error == boost::asio::error::operation_aborted ? ECANCELED : error.value();
}

// The handler of an operation whose outcome a coroutine waits for.
struct Resume {
  Waiting* waiting;
  void operator()(const boost::system::error_code& error, std::size_t bytes = 0) const {
    waiting->moved = Moved{bytes, errno_of(error)};
    waiting->coroutine.resume();
  }
};

}  // namespace cairn::net
