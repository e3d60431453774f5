#include "net/testing/handlers.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace cairn::net::testing {
namespace {

class Pieces final : public io::SliceSource {
 public:
  Pieces(std::string bytes, std::size_t fail_at, std::size_t end_at)
      : bytes_(std::move(bytes)), fail_at_(fail_at), end_at_(end_at) {}
  io::Task<Result<io::Slices>> next() override {
    if (at_ >= fail_at_) co_return Error{Code::corrupt, "broken on purpose"};
    io::Slices slices;
    const std::size_t end = std::min({bytes_.size(), end_at_, at_ + 10'000});
    // In two slices, one of them sometimes empty.
    const std::size_t middle = at_ + (end - at_) / 3;
    if (end > at_) {
      slices.push_back(io::Slice::of(bytes_.substr(at_, middle - at_)));
      slices.push_back(io::Slice::of(bytes_.substr(middle, end - middle)));
    }
    at_ = end;
    co_return slices;
  }

 private:
  std::string bytes_;
  std::size_t fail_at_, end_at_;
  std::size_t at_ = 0;
};

}  // namespace

io::Task<Response> echo(Request& request) {
  Response response;
  std::string body;
  std::array<std::byte, 10'000> room;
  for (;;) {
    const auto n = co_await request.body->read(room);
    if (!n) {
      response.status = 400;
      response.content = name_of(n.code());
      response.close = true;
      co_return response;
    }
    if (*n == 0) break;
    body += as_text(io::Bytes(room).first(*n));
  }
  response.headers.add("X-Length", std::to_string(body.size()));
  response.content = request.method + " " + request.path + "?" + request.query + " " +
                     std::string(request.headers.get("host").value_or("")) + "\n" + body;
  co_return response;
}

io::Task<Response> ignore_body(Request& request) {
  Response response;
  response.content = "ignored " + request.path;
  co_return response;
}

std::string streamed_bytes(std::size_t count) {
  std::string bytes(count, ' ');
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>('a' + i % 23);
  return bytes;
}

io::Task<Response> stream(Request& request) {
  const std::size_t count = std::strtoull(request.query.c_str(), nullptr, 10);
  const bool fails = request.path == "/fail";
  const std::size_t end = request.path == "/short"  ? count / 2
                          : request.path == "/long" ? 2 * count
                                                    : count;
  Response response;
  response.headers.add("Content-Type", "text/plain");
  if (request.path != "/chunked") response.content_length = count;
  response.body = std::make_unique<Pieces>(streamed_bytes(std::max(count, end)),
                                           fails ? count / 2 : SIZE_MAX, end);
  co_return response;
}

}  // namespace cairn::net::testing
