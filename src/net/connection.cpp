#include "net/connection.h"

#include "net/ascii.h"

namespace cairn::net {
namespace {

constexpr Transport::Tick kParkAfter = 4;     // ticks of idleness
constexpr Transport::Tick kLingerTicks = 10;  // all in all

HeadScanner::Limits limits_of(const ServerOptions& options) {
  HeadScanner::Limits limits;
  limits.max_first_line = options.max_target_bytes + 64;  // method, version, spaces
  limits.max_bytes = options.max_header_bytes;
  return limits;
}

}  // namespace

Connection::Connection(std::shared_ptr<Shard> shard, std::unique_ptr<Socket> socket,
                       std::string peer)
    : shard_(std::move(shard)),
      transport_(shard_->reactor, std::move(socket), shard_->buffers, shard_->now),
      body_(transport_, Shard::ticks(shard_->core->options.body_timeout)),
      writer_(shard_->reactor, transport_, Shard::ticks(shard_->core->options.body_timeout)),
      scanner_(limits_of(shard_->core->options)),
      peer_(std::move(peer)),
      place_(shard_->connections.insert(shard_->connections.end(), this)) {
  shard_->core->alive.fetch_add(1);
  shard_->core->metrics.connections.add(1);
}

Connection::~Connection() {
  Core& core = *shard_->core;
  shard_->connections.erase(place_);
  transport_.socket().close();
  core.metrics.connections.add(-1);
  core.connections.fetch_sub(1);
  core.leave();
}

io::Task<void> Connection::serve(std::unique_ptr<Connection> connection) {
  co_await connection->run();
}

void Connection::tick() {
  transport_.check_deadline();
  const bool resting = idle_ && !parked_ && transport_.buffer().has_memory();
  if (resting && shard_->now - wait_began_ >= kParkAfter)
    transport_.interrupt(Transport::Interrupt::park);
}

void Connection::drain() {
  if (idle_) transport_.interrupt(Transport::Interrupt::drain);
}

io::Task<void> Connection::run() {
  for (;;) {
    const Next next = co_await next_head();
    if (next == Next::closed) co_return;
    if (next == Next::refused) {
      co_await refuse();
      co_return;
    }
    const bool goes_on = co_await exchange();
    if (!goes_on) co_return;
  }
}

io::Task<Connection::Next> Connection::next_head() {
  scanner_.reset();
  request_.headers.clear();
  request_.method.clear();
  request_.body_received = 0;
  request_.id.clear();
  wait_began_ = shard_->now;
  if (transport_.spent()) co_await transport_.yield();
  for (;;) {
    switch (scanner_.scan(transport_.buffer().view())) {
      case HeadScanner::Step::complete:
        co_return parse();
      case HeadScanner::Step::bad:
        status_ = scanner_.status();
        co_return Next::refused;
      case HeadScanner::Step::need_more:
        break;
    }
    const Moved moved = co_await read_head_bytes();
    if (moved.bytes > 0) continue;
    const Next next = head_failed(moved);
    if (next != Next::request) co_return next;
  }
}

io::Task<Moved> Connection::read_head_bytes() {
  ReadBuffer& buffer = transport_.buffer();
  const ServerOptions& options = shard_->core->options;
  idle_ = buffer.empty();
  const auto patience = Shard::ticks(idle_ ? options.idle_timeout : options.header_timeout);
  const auto deadline = wait_began_ + patience;
  if (idle_ && shard_->core->draining) {
    // A request that had arrived before the drain is still served.
    const iovec space = buffer.space();
    const Moved last = transport_.socket().try_read(std::span(&space, 1));
    if (last.bytes > 0) buffer.commit(last.bytes);
    idle_ = false;
    co_return last.again() ? Moved{} : last;
  }
  if (parked_) {
    const Moved waited = co_await transport_.readable(deadline);
    if (waited.failed()) co_return waited;
    parked_ = false;
  }
  const bool try_first = fresh_ || !idle_;
  const Moved moved = co_await transport_.read(buffer.space(), deadline, try_first);
  if (moved.bytes > 0) {
    buffer.commit(moved.bytes);
    if (idle_) wait_began_ = shard_->now;
    fresh_ = idle_ = false;
  }
  co_return moved;
}

// request: wait again.
Connection::Next Connection::head_failed(const Moved& moved) {
  if (moved.error != ECANCELED) return Next::closed;
  switch (transport_.interrupted()) {
    case Transport::Interrupt::park:
      transport_.buffer().release();
      parked_ = true;
      return Next::request;
    case Transport::Interrupt::drain:
      parked_ = false;
      return Next::request;
    case Transport::Interrupt::timeout:
      if (transport_.buffer().empty()) return Next::closed;
      shard_->core->metrics.timeouts.add();
      status_ = 408;
      return Next::refused;
    case Transport::Interrupt::none:
    case Transport::Interrupt::cut:
      break;
  }
  return Next::closed;
}

Connection::Next Connection::parse() {
  const auto text = transport_.buffer().view();
  const auto head = text.substr(scanner_.begin(), scanner_.end() - scanner_.begin());
  status_ = parse_request_head(head, shard_->core->options.max_target_bytes, request_, framing_);
  transport_.buffer().consume(scanner_.end());
  return status_ == 0 ? Next::request : Next::refused;
}

io::Task<bool> Connection::exchange() {
  idle_ = false;
  body_.begin(framing_, request_.body_received);
  request_.body = &body_;
  request_.peer = peer_;
  if (!co_await body_.greet_empty()) co_return false;
  Response response = co_await shard_->core->handler(request_);
  co_await io::resume_on(shard_->reactor);
  const bool goes_on = co_await send(std::move(response));
  if (!goes_on) co_return false;
  if (!body_.finished() && !co_await body_.drain(shard_->core->options.max_unread_body_drain)) {
    co_await linger();
    co_return false;
  }
  transport_.buffer().shrink();
  co_return true;
}

io::Task<bool> Connection::send(Response response) {
  const Core& core = *shard_->core;
  const bool body_over =
      body_.finished() || body_.worth_draining(core.options.max_unread_body_drain);
  ResponseWriter::Context context{
      .head_only = request_.method == "HEAD",
      .http11 = framing_.http11,
      .keep_alive = framing_.keep_alive && !response.close && body_over && !core.draining,
      .date = shard_->date.text()};
  const Sent sent = co_await writer_.write(response, context);
  if (response.on_sent) response.on_sent(sent);
  if (!sent.complete) {
    core.metrics.cut.add();
    transport_.socket().reset();
    co_return false;
  }
  if (context.keep_alive) co_return true;
  response = Response{};  // its memory is not held while we linger
  co_await linger();
  co_return false;
}

io::Task<void> Connection::refuse() {
  shard_->core->metrics.malformed.add();
  Response response;
  response.status = status_;
  response.headers.add("Content-Type", "text/plain");
  response.content = std::to_string(status_) + " " + std::string(reason_of(status_)) + "\n";
  ResponseWriter::Context context{
      .head_only = request_.method == "HEAD", .keep_alive = false, .date = shard_->date.text()};
  const Sent sent = co_await writer_.write(response, context);
  if (sent.complete)
    co_await linger();
  else
    transport_.socket().reset();
}

io::Task<void> Connection::linger() {
  ReadBuffer& buffer = transport_.buffer();
  buffer.consume(buffer.size());
  transport_.socket().shutdown_write();
  if (body_.finished() && status_ == 0) {
    // Everything we were sent has been read, unless a further request is already there.
    const iovec space = buffer.space();
    if (transport_.socket().try_read(std::span(&space, 1)).bytes == 0) co_return;
  }
  const auto deadline = transport_.now() + kLingerTicks;
  for (;;) {
    if (transport_.spent()) co_await transport_.yield();
    if (transport_.now() >= deadline) co_return;
    const Moved moved = co_await transport_.read(buffer.space(), deadline);
    if (moved.bytes == 0) co_return;
  }
}

}  // namespace cairn::net
