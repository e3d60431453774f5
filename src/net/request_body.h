// The body of a request as it comes off the connection: by length or chunked. Private to net.
#pragma once

#include <cstdint>

#include "io/bytes.h"
#include "net/chunked.h"
#include "net/head.h"
#include "net/transport.h"

namespace cairn::net {

class RequestBody final : public io::ByteSource {
 public:
  // `patience`: ticks without progress.
  RequestBody(Transport& transport, Transport::Tick patience)
      : transport_(transport), patience_(patience) {}

  // The next request; `received` counts what read() hands out.
  void begin(const Framing& framing, std::uint64_t& received);

  // Straight from the socket into `into` when nothing is buffered. Errors: incomplete_body (the
  // peer ended too early), request_timeout, connection_closed, invalid_request (malformed chunks).
  io::Task<Result<std::size_t>> read(MutableBytes into) override;

  bool finished() const { return ended_; }
  bool failed() const { return failed_; }
  // Whether what is left could be read off to keep the connection: not when the client still waits
  // for our consent to send it, nor when it is known to be more than `limit`.
  bool worth_draining(std::uint64_t limit) const;
  // Reads off what is left, at most `limit` bytes. True: the connection stands at the next request.
  io::Task<bool> drain(std::uint64_t limit);
  // Sends the 100 Continue that was asked for before an empty body, which nobody will read. botocore
  // (Debian 12's among them) mistakes the next answer on a connection whose last answer to
  // "Expect" had no interim response, so none is left out, also where the body is here already.
  io::Task<bool> greet_empty();

 private:
  io::Task<Result<std::size_t>> read_sized(MutableBytes into);
  io::Task<Result<std::size_t>> read_chunked(MutableBytes into);
  io::Task<bool> send_continue();
  std::size_t take_buffered(MutableBytes into, std::uint64_t most);
  Error failure(const Moved& moved);
  Transport::Tick deadline() const { return transport_.now() + patience_; }

  Transport& transport_;
  Transport::Tick patience_;
  ChunkDecoder chunks_{};
  std::uint64_t remaining_ = 0;
  std::uint64_t* received_ = nullptr;
  bool chunked_ = false;
  bool ended_ = true;
  bool failed_ = false;
  bool expected_ = false;  // 100 Continue is to be sent before the first read
};

}  // namespace cairn::net
