// Writes one response to a connection. Private to net.
#pragma once

#include <string>
#include <vector>

#include "net/head.h"
#include "net/response_head.h"
#include "net/transport.h"

namespace cairn::net {

class ResponseWriter {
 public:
  ResponseWriter(io::Reactor& reactor, Transport& transport, Transport::Tick patience)
      : reactor_(reactor), transport_(transport), patience_(patience) {}

  struct Context {
    bool head_only = false;  // the answer to a HEAD
    bool http11 = true;
    bool keep_alive = true;  // cleared where the form of the body needs the connection's end
    std::string_view date{};
  };
  // Writes head and body. `context.keep_alive` tells afterwards whether another request may follow.
  // The outcome counts body bytes; incomplete: the connection is to be reset, the client must not
  // take what it got for whole.
  io::Task<Sent> write(Response& response, Context& context);

 private:
  HeadFacts facts_of(const Response& response, Context& context) const;
  io::Task<bool> stream(io::SliceSource& source, const HeadFacts& facts, Sent& sent);
  // Adds one batch of a body to what is to be written; bytes added, or none if it is more than the
  // length allows.
  std::optional<std::uint64_t> add_batch(const io::Slices& slices, const HeadFacts& facts,
                                         std::uint64_t so_far);

  io::Reactor& reactor_;
  Transport& transport_;
  Transport::Tick patience_;
  std::string head_;  // kept for its memory
  std::string chunk_line_;
  std::vector<iovec> pieces_;
};

}  // namespace cairn::net
