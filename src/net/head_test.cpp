// Heads and chunked bodies as bytes: what is understood, what is refused and how.
#include "net/head.h"

#include <gtest/gtest.h>

#include "net/chunked.h"
#include "net/response_head.h"

namespace cairn::net {
namespace {

struct Parsed {
  int status = 0;
  Request request{};
  Framing framing{};
  std::size_t used = 0;
};

constexpr HeadScanner::Limits kLimits{.max_first_line = 200, .max_bytes = 1000, .max_fields = 20};

// Scans as if the bytes came `step` at a time. status -1: not complete.
Parsed parse(std::string_view text, std::size_t step) {
  HeadScanner scanner(kLimits);
  Parsed out;
  for (std::size_t seen = 0;;) {
    seen = std::min(seen + step, text.size());
    const auto found = scanner.scan(text.substr(0, seen));
    if (found == HeadScanner::Step::bad) {
      out.status = scanner.status();
      return out;
    }
    if (found == HeadScanner::Step::complete) break;
    if (seen == text.size()) {
      out.status = -1;
      return out;
    }
  }
  out.used = scanner.end();
  out.status = parse_request_head(text.substr(scanner.begin(), scanner.end() - scanner.begin()),
                                  100, out.request, out.framing);
  return out;
}

TEST(RequestHead, Understood) {
  const std::string_view text =
      "PUT /b/k%20x?a=1&b HTTP/1.1\r\nHost: h\r\nContent-Length:  12 \r\nX: a\tb\r\n\r\nBODY";
  const auto p = parse(text, 1000);
  ASSERT_EQ(p.status, 0);
  EXPECT_EQ(p.request.method, "PUT");
  EXPECT_EQ(p.request.target, "/b/k%20x?a=1&b");
  EXPECT_EQ(p.request.path, "/b/k%20x");
  EXPECT_EQ(p.request.query, "a=1&b");
  EXPECT_EQ(p.request.headers.get("x"), "a\tb");
  EXPECT_EQ(p.request.content_length, 12u);
  EXPECT_TRUE(p.request.has_body);
  EXPECT_TRUE(p.framing.keep_alive);
  EXPECT_EQ(text.substr(p.used), "BODY");
}

TEST(RequestHead, KeepAliveAndVersions) {
  EXPECT_FALSE(
      parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n", 99).framing.keep_alive);
  EXPECT_FALSE(
      parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, close\r\n\r\n", 99).framing.keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n", 99).framing.keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 99).framing.keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n", 99).framing.http11);
}

TEST(RequestHead, AbsoluteFormNamesTheHost) {
  const auto p = parse("GET http://real:80/p?q HTTP/1.1\r\nHost: other\r\n\r\n", 99);
  ASSERT_EQ(p.status, 0);
  EXPECT_EQ(p.request.path, "/p");
  EXPECT_EQ(p.request.query, "q");
  EXPECT_EQ(p.request.headers.get("host"), "real:80");
  EXPECT_EQ(parse("GET HTTP://h HTTP/1.1\r\nHost: h\r\n\r\n", 99).request.path, "/");
  EXPECT_EQ(parse("GET http://h?x HTTP/1.1\r\nHost: h\r\n\r\n", 99).request.query, "x");
  EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 99).status, 0);
}

struct Case {
  const char* text;
  int status;
};

TEST(RequestHead, RefusedTheSameHoweverItArrives) {
  const std::string long_target = "GET /" + std::string(150, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string endless_target = "GET /" + std::string(300, 'a');
  const std::string long_header =
      "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(1000, 'a') + "\r\n\r\n";
  const std::string endless_header = "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(1100, 'a');
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 30; ++i) many += "A: b\r\n";
  many += "\r\n";
  const std::string nul = std::string("GET / HTTP/1.1\r\nHost: h\r\nX: a") + '\0' + "b\r\n\r\n";
  const Case cases[] = {
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 0},
      {"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n", 0},
      {"GET / HTTP/1.1\r\nHost: h\r\n", -1},
      {"", -1},
      {"\r\n\r\n\r\n\r\n\r\n\r\nGET", 400},
      {"GET / HTTP/1.1\nHost: h\n\n", 400},  // bare LF
      {"GET / HTTP/1.1\r\nHost: h\r\nX: a\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400},     // bare CR
      {"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 400},  // folded
      {"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400},  // space before the colon
      {"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\r\nX(y): x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},  // no Host
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET / x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {"GET /\r\nHost: h\r\n\r\n", 400},  // HTTP/0.9
      {"GET relative HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET http://u@h/x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {":37 GMT\r\nHost: h\r\n", 400},
      {"\x16\x03\x01\x02", 400},  // a TLS hello
      {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
      {"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
      {"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"GET / HTTP/x.1\r\nHost: h\r\n\r\n", 400},
      {"GET / http/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET / HTTP/1.1x\r\nHost: h\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5 5\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n", 0},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775808\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551621\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
       "chunked\r\n\r\n",
       400},
      {"PUT / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
      {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", 501},
      {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", 501},
      {"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", 0},
      {"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", 0},
      {long_target.c_str(), 414},
      {endless_target.c_str(), 414},
      {long_header.c_str(), 431},
      {endless_header.c_str(), 431},
      {many.c_str(), 431},
  };
  for (const auto& c : cases)
    for (const std::size_t step : {1u, 3u, 7u, 10'000u})
      EXPECT_EQ(parse(c.text, step).status, c.status) << c.text;
  EXPECT_EQ(parse(nul, 1).status, 400);
}

TEST(RequestHead, ExpectationOnlyCountsWithALength) {
  EXPECT_TRUE(
      parse("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", 99)
          .framing.expect_continue);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", 99)
                   .framing.expect_continue);
  EXPECT_TRUE(
      parse("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", 99)
          .framing.expect_continue);
  const auto old = parse("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", 99);
  EXPECT_EQ(old.status, 0);
  EXPECT_FALSE(old.framing.expect_continue);
}

TEST(ResponseHead, Parsed) {
  int status = 0;
  Headers headers;
  Framing framing;
  ASSERT_TRUE(parse_response_head(
      "HTTP/1.1 206 Partial Content\r\nContent-Length: 7\r\nETag: \"x\"\r\n\r\n", status, headers,
      framing));
  EXPECT_EQ(status, 206);
  EXPECT_EQ(framing.content_length, 7u);
  EXPECT_EQ(headers.get("etag"), "\"x\"");
  EXPECT_TRUE(framing.keep_alive);
  EXPECT_FALSE(parse_response_head("HTTP/1.1 2x6 no\r\n\r\n", status, headers, framing));
  EXPECT_FALSE(parse_response_head("SSH-2.0\r\n\r\n", status, headers, framing));
}

TEST(ResponseHead, NoValueBringsALineOfItsOwn) {
  Headers headers;
  headers.add("X-Evil", "a\r\nSet-Cookie: b\n\r\n\r\nbody");
  headers.add("Content-Length", "999");
  headers.add("transfer-encoding", "chunked");
  headers.add("DATE", "never");
  std::string out;
  append_response_head(out, 200, headers, {.date = "D", .form = BodyForm::sized, .length = 3});
  EXPECT_EQ(out,
            "HTTP/1.1 200 OK\r\nX-Evil: a  Set-Cookie: b     body\r\nDate: D\r\nContent-Length: "
            "3\r\n\r\n");
}

// ---- chunked

std::string decode(std::string_view text, std::size_t step, ChunkDecoder::Step& last,
                   std::string_view& rest) {
  ChunkDecoder decoder;
  std::string body;
  std::string_view pending;
  std::size_t begin = 0, seen = 0;
  for (;;) {
    pending = text.substr(begin, seen - begin);
    std::size_t consumed = 0;
    last = decoder.advance(pending, consumed);
    begin += consumed;
    pending.remove_prefix(consumed);
    if (last == ChunkDecoder::Step::data && !pending.empty()) {
      const auto n =
          static_cast<std::size_t>(std::min<std::uint64_t>(pending.size(), decoder.remaining()));
      body += pending.substr(0, n);
      decoder.take(n);
      begin += n;
      continue;
    }
    if (last == ChunkDecoder::Step::end || last == ChunkDecoder::Step::bad || seen == text.size())
      break;
    seen = std::min(seen + step, text.size());
  }
  rest = text.substr(begin);
  return body;
}

TEST(Chunked, DecodedHoweverItArrives) {
  const std::string text =
      "5\r\nhello\r\n6;name=\"va lue\";x\r\n world\r\n0A \r\n0123456789\r\n0\r\nX-T: "
      "v\r\nY:\r\n\r\nNEXT";
  for (const std::size_t step : {1u, 2u, 5u, 1000u}) {
    ChunkDecoder::Step last;
    std::string_view rest;
    EXPECT_EQ(decode(text, step, last, rest), "hello world0123456789");
    EXPECT_EQ(last, ChunkDecoder::Step::end);
    EXPECT_EQ(rest, "NEXT");
  }
}

TEST(Chunked, Refused) {
  const std::string long_extension = "5;" + std::string(5000, 'x') + "\r\nhello\r\n0\r\n\r\n";
  const std::string long_size = std::string(5000, '0') + "5\r\nhello\r\n0\r\n\r\n";
  const std::string long_trailer = "0\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n";
  std::string many_extensions;
  for (int i = 0; i < 400; ++i) many_extensions += "1;" + std::string(4000, 'x') + "\r\na\r\n";
  for (const auto& text : std::initializer_list<std::string>{"\r\n",
                                                             "g\r\n",
                                                             "-1\r\n",
                                                             "0x5\r\n",
                                                             " 5\r\nhello\r\n",
                                                             "5\nhello\r\n",
                                                             "5\rhello",
                                                             "5\r\nhello0\r\n\r\n",
                                                             "5\r\nhelloX\r\n",
                                                             "5\r\nhello\n0\r\n",
                                                             "8000000000000000\r\n",
                                                             "ffffffffffffffffff\r\n",
                                                             "5 x\x01\r\n",
                                                             "0\r\n X: y\r\n\r\n",
                                                             "0\r\nno colon\r\n\r\n",
                                                             "0\r\nX: a\nY: b\r\n\r\n",
                                                             "0\r\n\rx",
                                                             "0\r\n\n",
                                                             long_extension,
                                                             long_size,
                                                             long_trailer,
                                                             many_extensions}) {
    for (const std::size_t step : {1u, 100'000u}) {
      ChunkDecoder::Step last;
      std::string_view rest;
      decode(text, step, last, rest);
      EXPECT_EQ(last, ChunkDecoder::Step::bad) << text.substr(0, 100);
    }
  }
}

TEST(Chunked, UnfinishedIsNotTheEnd) {
  const std::string text = "5\r\nhello\r\n0\r\nX: y\r\n\r\n";
  for (std::size_t n = 0; n < text.size(); ++n) {
    ChunkDecoder::Step last;
    std::string_view rest;
    decode(std::string_view(text).substr(0, n), 1, last, rest);
    EXPECT_TRUE(last == ChunkDecoder::Step::need_more || last == ChunkDecoder::Step::data) << n;
  }
}

}  // namespace
}  // namespace cairn::net
