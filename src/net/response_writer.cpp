#include "net/response_writer.h"

#include <charconv>

namespace cairn::net {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

iovec piece(std::string_view text) {
  return {const_cast<char*>(text.data()), text.size()};
}

bool has_no_content(int status) {
  return status == 204 || status == 304 || status / 100 == 1;
}

std::uint64_t total_bytes(const io::Slices& slices) {
  std::uint64_t total = 0;
  for (const auto& slice : slices) total += slice.bytes.size();
  return total;
}

}  // namespace

HeadFacts ResponseWriter::facts_of(const Response& response, Context& context) const {
  HeadFacts facts{.date = context.date, .http11 = context.http11};
  if (has_no_content(response.status)) {
    facts.form =
        response.status == 304 && response.content_length ? BodyForm::sized : BodyForm::none;
    facts.length = response.content_length.value_or(0);
  } else if (response.body) {
    facts.form = response.content_length ? BodyForm::sized
                 : context.http11        ? BodyForm::chunked
                                         : BodyForm::until_close;
    facts.length = response.content_length.value_or(0);
  } else {
    facts.form = BodyForm::sized;
    const bool stated = context.head_only && response.content_length && response.content.empty();
    facts.length = stated ? *response.content_length : response.content.size();
  }
  if (facts.form == BodyForm::until_close && !context.head_only) context.keep_alive = false;
  facts.keep_alive = context.keep_alive;
  return facts;
}

io::Task<Sent> ResponseWriter::write(Response& response, Context& context) {
  const HeadFacts facts = facts_of(response, context);
  head_.clear();
  append_response_head(head_, response.status, response.headers, facts);
  pieces_.clear();
  pieces_.push_back(piece(head_));
  Sent sent;
  const bool with_body = !context.head_only && !has_no_content(response.status);
  if (with_body && response.body && !(facts.form == BodyForm::sized && facts.length == 0)) {
    sent.complete = co_await stream(*response.body, facts, sent);
    co_return sent;
  }
  if (with_body && !response.body && !response.content.empty())
    pieces_.push_back(piece(response.content));
  const int written = transport_.write_now(pieces_);
  sent.complete = written > 0;
  if (written == 0) sent.complete = co_await transport_.write_rest(pieces_, patience_);
  if (sent.complete && with_body) sent.body_bytes = response.content.size();
  co_return sent;
}

std::optional<std::uint64_t> ResponseWriter::add_batch(const io::Slices& slices,
                                                       const HeadFacts& facts,
                                                       std::uint64_t so_far) {
  const std::uint64_t bytes = total_bytes(slices);
  if (facts.form == BodyForm::sized && bytes > facts.length - so_far) return std::nullopt;
  if (bytes == 0) return 0;
  if (facts.form == BodyForm::chunked) {
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, bytes, 16).ptr;
    chunk_line_.assign(digits, end);
    chunk_line_ += kLineEnd;
    pieces_.push_back(piece(chunk_line_));
  }
  for (const auto& slice : slices)
    if (!slice.bytes.empty())
      pieces_.push_back({const_cast<std::byte*>(slice.bytes.data()), slice.bytes.size()});
  if (facts.form == BodyForm::chunked) pieces_.push_back(piece(kLineEnd));
  return bytes;
}

io::Task<bool> ResponseWriter::stream(io::SliceSource& source, const HeadFacts& facts, Sent& sent) {
  for (;;) {
    auto next = co_await source.next();
    co_await io::resume_on(reactor_);
    if (!next) co_return false;
    const bool ended = next->empty();
    if (ended && facts.form == BodyForm::sized) co_return false;  // less than was promised
    if (ended && facts.form == BodyForm::chunked) pieces_.push_back(piece(kLastChunk));
    const auto added = add_batch(*next, facts, sent.body_bytes);
    if (!added) co_return false;
    if (transport_.spent()) co_await transport_.yield();
    const int written = transport_.write_now(pieces_);
    if (written < 0) co_return false;
    if (written == 0 && !co_await transport_.write_rest(pieces_, patience_)) co_return false;
    sent.body_bytes += *added;
    if (ended || (facts.form == BodyForm::sized && sent.body_bytes == facts.length)) co_return true;
  }
}

}  // namespace cairn::net
