#include "s3/testing/harness.h"

#include <algorithm>
#include <cstring>

namespace cairn::s3::testing {
namespace {

class FixedClock final : public io::Clock {
 public:
  std::int64_t unix_ms() const override { return 1'700'000'000'000; }
};
class NoRandom final : public io::Random {
 public:
  void fill(io::MutableBytes out) override { std::ranges::fill(out, std::byte{0x5A}); }
};

class TextBody final : public io::ByteSource {
 public:
  TextBody(std::string_view text, bool& read) : text_(text), read_(read) {}
  io::Task<Result<std::size_t>> read(io::MutableBytes into) override {
    read_ = true;
    const std::size_t n = std::min(into.size(), text_.size());
    if (n > 0) std::memcpy(into.data(), text_.data(), n);
    text_.remove_prefix(n);
    co_return n;
  }

 private:
  std::string_view text_;
  bool& read_;
};

std::string_view next_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

net::Request parse(std::string_view text, std::string_view& body) {
  net::Request request;
  const std::string_view line = next_line(text);
  const auto space = line.find(' ');
  request.method = line.substr(0, space);
  std::string_view target =
      space == std::string_view::npos ? std::string_view("/") : line.substr(space + 1);
  target = target.substr(0, target.find(' '));
  request.target = target;
  const auto question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  while (!text.empty()) {
    const std::string_view field = next_line(text);
    if (field.empty()) break;
    const auto colon = field.find(':');
    std::string_view value =
        colon == std::string_view::npos ? std::string_view{} : field.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    request.headers.add(std::string(field.substr(0, colon)), std::string(value));
  }
  body = text;
  request.id = "REQUEST";
  const bool chunked = request.headers.get("transfer-encoding").has_value();
  request.has_body = chunked || !body.empty();
  if (!chunked && (request.method == "PUT" || request.method == "POST") &&
      !request.headers.get("x-no-length")) {
    request.content_length = body.size();
  }
  return request;
}

io::Task<void> answer(Service& service, net::Request& request, std::string& operation,
                      std::optional<net::Response>& out) {
  out.emplace(co_await service.handle(request, operation));
}

io::Task<void> drain(io::SliceSource& source, std::string& out) {
  for (;;) {
    auto pieces = co_await source.next();
    if (!pieces) {
      out += "<body failed>";
      co_return;
    }
    if (pieces->empty()) co_return;
    for (const io::Slice& piece : *pieces) out += io::as_text(piece.bytes);
  }
}

}  // namespace

void StepExecutor::run() {
  const Running running(*this);
  while (!queue_.empty()) {
    auto work = std::move(queue_.front());
    queue_.pop_front();
    work();
  }
}

Result<auth::Verified> FakeVerifier::verify(const auth::HttpView& request, std::int64_t) const {
  auth::Verified verified;
  std::string_view who, payload;
  for (const auto& [name, value] : *request.headers) {
    if (name == "Authorization") who = value;
    if (name == "x-amz-content-sha256") payload = value;
  }
  verified.presigned = request.query.contains("X-Amz-Signature=");
  if (verified.presigned) who = "root";
  if (who == "bad") return Error{Code::signature_does_not_match, "no"};
  if (!who.empty())
    verified.identity = {
        .access_key = std::string(who), .user = std::string(who), .root = who == "root"};
  if (payload == "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    verified.payload = auth::Payload::unsigned_chunks_trailer;
  return verified;
}

Result<void> FakePolicy::decide(const auth::Identity& identity, const auth::Action& action) const {
  std::string what = std::string(action.name) + ' ' + action.bucket;
  if (!action.key.empty()) what += '/' + action.key;
  asked.push_back(what);
  if (!identity.root || what == denied) return Error{Code::access_denied, "Access Denied"};
  return {};
}

Harness::Harness(Options options)
    : clock_(std::make_unique<FixedClock>()),
      random_(std::make_unique<NoRandom>()),
      service_(make_service({objects, verifier_, policy, *clock_, *random_, metrics_},
                            std::move(options))) {}

net::Response Harness::send(std::string_view text) {
  std::string_view body_text;
  net::Request request = parse(text, body_text);
  body_was_read = false;
  TextBody body(body_text, body_was_read);
  request.body = &body;
  operation.clear();
  std::optional<net::Response> out;
  io::spawn(executor_, answer(*service_, request, operation, out));
  executor_.run();
  CAIRN_ASSERT(out.has_value());
  return std::move(*out);
}

std::string Harness::render(net::Response response) {
  std::string out = std::to_string(response.status) + '\n';
  for (const auto& [name, value] : response.headers.fields()) out += name + ": " + value + '\n';
  if (response.content_length) out += "(length " + std::to_string(*response.content_length) + ")\n";
  std::string body = std::move(response.content);
  if (response.body) {
    io::spawn(executor_, drain(*response.body, body));
    executor_.run();
  }
  if (!body.empty()) out += '\n' + body + '\n';
  return out;
}

}  // namespace cairn::s3::testing
