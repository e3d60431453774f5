// Feeds bytes through the request head and the chunked body, whole and cut in pieces: both must
// understand the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "net/chunked.h"
#include "net/head.h"

namespace {

using namespace cairn::net;

struct Outcome {
  int status = -1;  // -1: incomplete
  Request request{};
  Framing framing{};
  std::size_t end = 0;
};

Outcome read_head(std::string_view text, std::size_t step) {
  HeadScanner scanner(
      HeadScanner::Limits{.max_first_line = 512, .max_bytes = 2048, .max_fields = 64});
  Outcome out;
  for (std::size_t seen = 0;;) {
    seen = std::min(seen + step, text.size());
    const auto found = scanner.scan(text.substr(0, seen));
    if (found == HeadScanner::Step::bad) {
      out.status = scanner.status();
      return out;
    }
    if (found == HeadScanner::Step::complete) break;
    if (seen == text.size()) return out;
  }
  out.end = scanner.end();
  CAIRN_ASSERT(out.end <= text.size());
  const auto head = text.substr(scanner.begin(), scanner.end() - scanner.begin());
  out.status = parse_request_head(head, 256, out.request, out.framing);
  return out;
}

void check_request(const Outcome& out) {
  if (out.status != 0) return;
  CAIRN_ASSERT(!(out.framing.chunked && out.framing.content_length));
  CAIRN_ASSERT(out.framing.http11 ? out.request.headers.get("host").has_value()
                                  : !out.framing.chunked);
  CAIRN_ASSERT(out.request.path == "*" || out.request.path.starts_with('/'));
  CAIRN_ASSERT(out.request.target.size() <= 256);
  for (const auto& [name, value] : out.request.headers.fields()) {
    CAIRN_ASSERT(!name.empty());
    CAIRN_ASSERT((name + value).find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  (void)percent_decode(out.request.path);
  (void)parse_query(out.request.query);
  if (const auto date = out.request.headers.get("if-modified-since")) {
    if (const auto ms = parse_http_date(*date)) CAIRN_ASSERT(parse_http_date(http_date(*ms)) == ms);
  }
}

struct Decoded {
  std::string body{};
  ChunkDecoder::Step last{};
  std::size_t used = 0;
};

Decoded decode(std::string_view text, std::size_t step) {
  ChunkDecoder decoder;
  Decoded out;
  for (std::size_t seen = 0;;) {
    std::size_t consumed = 0;
    const auto pending = text.substr(out.used, seen - out.used);
    out.last = decoder.advance(pending, consumed);
    CAIRN_ASSERT(consumed <= pending.size());
    out.used += consumed;
    if (out.last == ChunkDecoder::Step::data && seen > out.used) {
      const auto n =
          static_cast<std::size_t>(std::min<std::uint64_t>(seen - out.used, decoder.remaining()));
      CAIRN_ASSERT(n > 0);
      out.body += text.substr(out.used, n);
      out.used += n;
      decoder.take(n);
      continue;
    }
    const bool over = out.last == ChunkDecoder::Step::end || out.last == ChunkDecoder::Step::bad;
    if (over || seen == text.size()) return out;
    seen = std::min(seen + step, text.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] % 16 + 1;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto pieces = read_head(text, step), single = read_head(text, 1);
  check_request(pieces);
  CAIRN_ASSERT(pieces.status == single.status && pieces.end == single.end);
  CAIRN_ASSERT(pieces.request.headers.fields() == single.request.headers.fields());
  const auto body = text.substr(pieces.status == 0 ? pieces.end : 0);
  const auto whole = decode(body, body.size() + 1), cut = decode(body, step);
  CAIRN_ASSERT(whole.last == cut.last && whole.body == cut.body);
  Headers headers;
  Framing framing;
  int status = 0;
  (void)parse_response_head(text, status, headers, framing);
  return 0;
}
