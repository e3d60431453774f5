#include "net/request_body.h"

#include <algorithm>
#include <cstring>

namespace cairn::net {
namespace {

// A caller with less room than this gets its bytes by way of the buffer: one system call for many
// reads.
constexpr std::size_t kSmallRead = 4 * 1024;

iovec piece(MutableBytes bytes) {
  return {bytes.data(), bytes.size()};
}

}  // namespace

void RequestBody::begin(const Framing& framing, std::uint64_t& received) {
  chunks_ = ChunkDecoder{};
  chunked_ = framing.chunked;
  remaining_ = framing.content_length.value_or(0);
  received_ = &received;
  ended_ = !chunked_ && remaining_ == 0;
  failed_ = false;
  expected_ = framing.expect_continue;
}

io::Task<Result<std::size_t>> RequestBody::read(MutableBytes into) {
  CAIRN_ASSERT(!into.empty());
  if (ended_) co_return std::size_t{0};
  if (failed_) co_return Error{Code::connection_closed, "the body of the request broke off"};
  if (transport_.spent()) co_await transport_.yield();
  if (expected_ && !co_await send_continue()) {
    failed_ = true;
    co_return Error{Code::connection_closed, "the client is gone"};
  }
  Result<std::size_t> got{0};
  if (chunked_)
    got = co_await read_chunked(into);
  else
    got = co_await read_sized(into);
  if (!got)
    failed_ = true;
  else
    *received_ += *got;
  co_return std::move(got);
}

io::Task<bool> RequestBody::greet_empty() {
  if (!ended_ || !expected_) co_return true;
  co_return co_await send_continue();
}

io::Task<bool> RequestBody::send_continue() {
  expected_ = false;
  static constexpr std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
  std::vector<iovec> pieces{{const_cast<char*>(text.data()), text.size()}};
  const bool sent = co_await transport_.write_rest(pieces, patience_);
  co_return sent;
}

std::size_t RequestBody::take_buffered(MutableBytes into, std::uint64_t most) {
  ReadBuffer& buffer = transport_.buffer();
  const auto n =
      static_cast<std::size_t>(std::min<std::uint64_t>({into.size(), buffer.size(), most}));
  std::memcpy(into.data(), buffer.view().data(), n);
  buffer.consume(n);
  return n;
}

Error RequestBody::failure(const Moved& moved) {
  if (moved.error == ECANCELED && transport_.interrupted() == Transport::Interrupt::timeout)
    return {Code::request_timeout, "the client sent nothing for too long"};
  if (moved.error == 0)
    return {Code::incomplete_body, "the client ended the connection before the end of the body"};
  return {Code::connection_closed, "the connection broke before the end of the body"};
}

io::Task<Result<std::size_t>> RequestBody::read_sized(MutableBytes into) {
  ReadBuffer& buffer = transport_.buffer();
  if (buffer.empty()) {
    const bool small = into.size() < kSmallRead && into.size() < remaining_;
    const auto want = into.first(static_cast<std::size_t>(
        std::min<std::uint64_t>({into.size(), remaining_, Transport::kTurnBytes})));
    const Moved moved = co_await transport_.read(small ? buffer.space() : piece(want), deadline());
    if (moved.failed() || moved.bytes == 0) co_return failure(moved);
    if (!small) {
      remaining_ -= moved.bytes;
      ended_ = remaining_ == 0;
      co_return moved.bytes;
    }
    buffer.commit(moved.bytes);
  }
  const std::size_t n = take_buffered(into, remaining_);
  remaining_ -= n;
  ended_ = remaining_ == 0;
  co_return n;
}

io::Task<Result<std::size_t>> RequestBody::read_chunked(MutableBytes into) {
  ReadBuffer& buffer = transport_.buffer();
  for (;;) {
    std::size_t framing = 0;
    const auto step = chunks_.advance(buffer.view(), framing);
    buffer.consume(framing);
    if (step == ChunkDecoder::Step::bad)
      co_return Error{Code::invalid_request, "the chunked body is malformed"};
    if (step == ChunkDecoder::Step::end) {
      ended_ = true;
      co_return std::size_t{0};
    }
    if (step == ChunkDecoder::Step::data && !buffer.empty()) {
      const std::size_t n = take_buffered(into, chunks_.remaining());
      chunks_.take(n);
      co_return n;
    }
    const bool direct = step == ChunkDecoder::Step::data && into.size() >= kSmallRead;
    const auto room = static_cast<std::size_t>(
        direct ? std::min<std::uint64_t>({into.size(), chunks_.remaining(), Transport::kTurnBytes})
               : std::uint64_t{0});
    // Directly into place; the framing that follows the chunk goes to the buffer in the same call.
    Moved moved;
    if (direct)
      moved = co_await transport_.read(piece(into.first(room)), buffer.space(), deadline());
    else
      moved = co_await transport_.read(buffer.space(), deadline());
    if (moved.failed() || moved.bytes == 0) co_return failure(moved);
    const std::size_t placed = std::min(moved.bytes, room);
    buffer.commit(moved.bytes - placed);
    chunks_.take(placed);
    if (placed > 0) co_return placed;
  }
}

bool RequestBody::worth_draining(std::uint64_t limit) const {
  return !failed_ && !expected_ && (chunked_ || remaining_ <= limit);
}

io::Task<bool> RequestBody::drain(std::uint64_t limit) {
  std::uint64_t ignored = 0;
  received_ = &ignored;
  std::vector<std::byte> scratch(ended_ ? 0 : 16 * 1024);
  while (!ended_) {
    const auto got = co_await read(scratch);
    if (!got || ignored > limit) co_return false;
  }
  co_return true;
}

}  // namespace cairn::net
