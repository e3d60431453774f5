// The client side of one keep-alive connection.
#include <algorithm>

#include "net/ascii.h"
#include "net/chunked.h"
#include "net/head.h"
#include "net/transport.h"

namespace cairn::net {
namespace {

constexpr std::size_t kScratchBytes = 256 * 1024;
constexpr unsigned kTicksOfPatience = 8;

// What the ticking timer needs to find, also when the client is gone.
struct Pulse {
  Transport::Tick now = 0;
  Transport* transport = nullptr;
};

void pulse_later(const std::weak_ptr<Pulse>& weak, io::Reactor& reactor, io::Duration period) {
  reactor.post_at(reactor.now() + period, [weak, &reactor, period] {
    const auto pulse = weak.lock();
    if (!pulse || pulse->transport == nullptr) return;
    ++pulse->now;
    pulse->transport->check_deadline();
    pulse_later(weak, reactor, period);
  });
}

class HttpClient final : public Client {
 public:
  HttpClient(io::Reactor& reactor, std::unique_ptr<Socket> socket, io::Duration timeout)
      : pulse_(std::make_shared<Pulse>()),
        transport_(reactor, std::move(socket), pool_, pulse_->now) {
    pulse_->transport = &transport_;
    pulse_later(pulse_, reactor,
                std::max<io::Duration>(timeout / kTicksOfPatience, std::chrono::milliseconds(1)));
  }
  ~HttpClient() override { pulse_->transport = nullptr; }

  io::Task<Result<ClientResponse>> request(std::string head, std::vector<io::Bytes> body,
                                           bool is_head, bool keep_body) override {
    if (broken_) co_return Error{Code::connection_closed, "the connection has ended"};
    broken_ = true;  // until this exchange has ended well
    std::vector<iovec> pieces{{head.data(), head.size()}};
    for (const auto& part : body)
      if (!part.empty()) pieces.push_back({const_cast<std::byte*>(part.data()), part.size()});
    if (transport_.spent()) co_await transport_.yield();
    // A server that refuses early may answer and close before it has read everything: its answer
    // counts.
    const bool written = co_await transport_.write_rest(pieces, kTicksOfPatience);
    ClientResponse response;
    Framing framing;
    CAIRN_CO_TRY(co_await read_head(response, framing));
    CAIRN_CO_TRY(co_await read_body(response, framing, is_head, keep_body));
    const bool delimited =
        is_head || has_no_body(response.status) || framing.chunked || framing.content_length;
    broken_ = !written || !framing.keep_alive || !delimited;
    co_return response;
  }

 private:
  static bool has_no_body(int status) {
    return status == 204 || status == 304 || status / 100 == 1;
  }
  Transport::Tick deadline() const { return transport_.now() + kTicksOfPatience + 1; }

  Error failure(const Moved& moved) const {
    if (moved.error == ECANCELED) return {Code::timeout, "the server sent nothing for too long"};
    return {Code::connection_closed, "the connection ended before the end of the response"};
  }

  // Interim responses (100 Continue) are passed over.
  io::Task<Result<void>> read_head(ClientResponse& response, Framing& framing) {
    ReadBuffer& buffer = transport_.buffer();
    for (;;) {
      HeadScanner scanner{HeadScanner::Limits{}};
      for (;;) {
        const auto step = scanner.scan(buffer.view());
        if (step == HeadScanner::Step::complete) break;
        if (step == HeadScanner::Step::bad)
          co_return Error{Code::corrupt, "the response is malformed"};
        const Moved moved = co_await transport_.read(buffer.space(), deadline());
        if (moved.bytes == 0) co_return failure(moved);
        buffer.commit(moved.bytes);
      }
      response.headers.clear();
      const auto head = buffer.view().substr(scanner.begin(), scanner.end() - scanner.begin());
      const bool good = parse_response_head(head, response.status, response.headers, framing);
      buffer.consume(scanner.end());
      if (!good) co_return Error{Code::corrupt, "the response is malformed"};
      if (response.status / 100 != 1) co_return Result<void>{};
    }
  }

  io::Task<Result<void>> read_body(ClientResponse& response, Framing framing, bool is_head,
                                   bool keep_body) {
    if (is_head || has_no_body(response.status)) co_return Result<void>{};
    if (framing.chunked) {
      auto read = co_await read_chunked(response, keep_body);
      co_return std::move(read);
    }
    std::uint64_t left = framing.content_length.value_or(UINT64_MAX);
    while (left > 0) {
      auto got = co_await read_piece(response, left, keep_body);
      if (!got) co_return std::move(got.error());
      if (*got == 0 && !framing.content_length) break;
      if (*got == 0) co_return failure(Moved{});
      left -= *got;
    }
    co_return Result<void>{};
  }

  io::Task<Result<void>> read_chunked(ClientResponse& response, bool keep_body) {
    ReadBuffer& buffer = transport_.buffer();
    ChunkDecoder chunks;
    for (;;) {
      std::size_t used = 0;
      const auto step = chunks.advance(buffer.view(), used);
      buffer.consume(used);
      if (step == ChunkDecoder::Step::end) co_return Result<void>{};
      if (step == ChunkDecoder::Step::bad)
        co_return Error{Code::corrupt, "the chunked response is malformed"};
      if (step == ChunkDecoder::Step::data) {
        auto got = co_await read_piece(response, chunks.remaining(), keep_body);
        if (!got) co_return std::move(got.error());
        if (*got == 0) co_return failure(Moved{});
        chunks.take(*got);
        continue;
      }
      const Moved moved = co_await transport_.read(buffer.space(), deadline());
      if (moved.bytes == 0) co_return failure(moved);
      buffer.commit(moved.bytes);
    }
  }

  // At most `most` bytes of body, from the buffer or the socket; 0 at the connection's end.
  io::Task<Result<std::size_t>> read_piece(ClientResponse& response, std::uint64_t most,
                                           bool keep_body) {
    ReadBuffer& buffer = transport_.buffer();
    if (transport_.spent()) co_await transport_.yield();
    std::string_view piece =
        buffer.view().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(most, SIZE_MAX)));
    const bool buffered = !piece.empty();
    if (!buffered) {
      if (!scratch_) scratch_ = std::make_unique_for_overwrite<char[]>(kScratchBytes);
      const iovec into{scratch_.get(),
                       static_cast<std::size_t>(std::min<std::uint64_t>(most, kScratchBytes))};
      const Moved moved = co_await transport_.read(into, deadline());
      if (moved.failed()) co_return failure(moved);
      piece = {scratch_.get(), moved.bytes};
    }
    const std::size_t n = piece.size();
    if (keep_body) response.body += piece;
    response.body_bytes += n;
    if (buffered) buffer.consume(n);
    co_return n;
  }

  std::shared_ptr<Pulse> pulse_;
  BufferPool pool_;
  Transport transport_;
  std::unique_ptr<char[]> scratch_;
  bool broken_ = false;
};

}  // namespace

io::Task<Result<std::unique_ptr<Client>>> connect(std::string host, std::uint16_t port,
                                                  io::Duration timeout) {
  auto* reactor = dynamic_cast<io::Reactor*>(&io::Executor::current());
  CAIRN_ASSERT(reactor != nullptr);
  auto socket = co_await connect_to(*reactor, std::move(host), port, timeout);
  if (!socket) co_return std::move(socket.error());
  co_return std::unique_ptr<Client>(
      std::make_unique<HttpClient>(*reactor, std::move(*socket), timeout));
}

}  // namespace cairn::net
