// The server over real sockets: requests, bodies, responses, and how connections go on or end.
#include <gtest/gtest.h>

#include "net/testing/handlers.h"
#include "net/testing/raw_connection.h"
#include "net/testing/test_server.h"

namespace cairn::net {
namespace {

using testing::RawConnection;
using testing::TestServer;

const std::string kGet = "GET /p?q HTTP/1.1\r\nHost: h\r\n\r\n";

TEST(Server, KeepsConnectionsAlive) {
  TestServer server(testing::echo);
  RawConnection client(server.port());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(client.send(kGet));
    const auto response = client.receive();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "GET /p?q h\n");
    EXPECT_FALSE(response.has("Connection:"));
    EXPECT_TRUE(response.has("\r\nDate: ")) << response.head;
  }
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  TestServer server(testing::echo);
  RawConnection client(server.port());
  std::string all;
  for (int i = 0; i < 500; ++i)
    all += "PUT /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 500; ++i)
    ASSERT_EQ(client.receive().body, "PUT /" + std::to_string(i) + "? h\nabc");
}

TEST(Server, ReadsBytesOneByOne) {
  TestServer server(testing::echo);
  RawConnection client(server.port());
  const std::string chunked =
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n";
  ASSERT_TRUE(client.send_slowly(kGet + chunked));
  EXPECT_EQ(client.receive().body, "GET /p?q h\n");
  EXPECT_EQ(client.receive().body, "POST /c? h\nabcde");
}

TEST(Server, ReceivesLargeBodiesOfBothForms) {
  TestServer server(testing::echo);
  RawConnection client(server.port());
  const std::string body = testing::streamed_bytes(3'000'000);
  std::string chunked;
  for (std::size_t at = 0, size = 1; at < body.size(); at += size, size = size * 7 % 60'000 + 1) {
    const auto piece = std::string_view(body).substr(at, size);
    char line[32];
    std::snprintf(line, sizeof line, "%zx\r\n", piece.size());
    chunked.append(line).append(piece).append("\r\n");
  }
  ASSERT_TRUE(client.send("PUT /s HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n" + body));
  EXPECT_EQ(client.receive().body, "PUT /s? h\n" + body);
  ASSERT_TRUE(client.send("PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
                          chunked + "0\r\n\r\n"));
  EXPECT_EQ(client.receive().body, "PUT /c? h\n" + body);
  ASSERT_TRUE(client.send(kGet));
  EXPECT_EQ(client.receive().body, "GET /p?q h\n");
}

TEST(Server, AsksForABodyOnlyWhenItIsRead) {
  TestServer server(testing::echo);
  RawConnection client(server.port());
  ASSERT_TRUE(client.send(
      "PUT /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
  EXPECT_EQ(client.receive().head, "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(client.send("abc"));
  EXPECT_EQ(client.receive().body, "PUT /e? h\nabc");

  // Also where the body came unasked, and where it is empty: botocore counts on an interim answer.
  ASSERT_TRUE(client.send(
      "PUT /f HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nxyz"));
  EXPECT_EQ(client.receive().head, "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.receive().body, "PUT /f? h\nxyz");
  ASSERT_TRUE(client.send(
      "PUT /g HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_EQ(client.receive().head, "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.receive().body, "PUT /g? h\n");

  TestServer refusing(testing::ignore_body);
  RawConnection other(refusing.port());
  ASSERT_TRUE(other.send(
      "PUT /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
  const auto refused = other.receive();
  EXPECT_EQ(refused.status, 200);
  EXPECT_EQ(refused.body, "ignored /e");
  EXPECT_TRUE(refused.has("Connection: close")) << "whether the body follows is unknown";
  other.finish_sending();
  EXPECT_EQ(other.ends(), true);
}

TEST(Server, ReadsOffASmallBodyThatNobodyRead) {
  TestServer server(testing::ignore_body, {.max_unread_body_drain = 100'000});
  RawConnection client(server.port());
  const std::string body(100'000, 'x');
  ASSERT_TRUE(client.send("PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + body));
  EXPECT_EQ(client.receive().body, "ignored /1");
  ASSERT_TRUE(client.send(
      "PUT /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
  EXPECT_EQ(client.receive().body, "ignored /2");
  ASSERT_TRUE(client.send(kGet));
  EXPECT_EQ(client.receive().body, "ignored /p");
}

TEST(Server, EndsTheConnectionAfterALargeBodyThatNobodyRead) {
  TestServer server(testing::ignore_body, {.max_unread_body_drain = 1000});
  RawConnection client(server.port());
  const std::string body(4'000'000, 'x');
  ASSERT_TRUE(client.send("PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n" + body))
      << "a client that is still sending is not reset before it can read the answer";
  const auto response = client.receive();
  EXPECT_EQ(response.body, "ignored /1");
  EXPECT_TRUE(response.has("Connection: close"));
  client.finish_sending();
  EXPECT_EQ(client.ends(), true);

  RawConnection chunked(server.port());
  ASSERT_TRUE(
      chunked.send("PUT /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "186a0\r\n" +
                   std::string(100'000, 'x') + "\r\n0\r\n\r\n" + kGet));
  EXPECT_EQ(chunked.receive().body, "ignored /2");
  chunked.finish_sending();
  EXPECT_EQ(chunked.receive_all(), "") << "what follows an unread body is not taken for a request";
}

TEST(Server, HeadHasTheLengthAndNoBody) {
  TestServer server(testing::stream);
  RawConnection client(server.port());
  ASSERT_TRUE(
      client.send("HEAD /s?12345 HTTP/1.1\r\nHost: h\r\n\r\nGET /s?3 HTTP/1.1\r\nHost: h\r\n\r\n"));
  const auto head = client.receive(true);
  EXPECT_TRUE(head.has("\r\nContent-Length: 12345\r\n"));
  EXPECT_EQ(client.receive().body, "abc");
}

TEST(Server, StreamsBodies) {
  TestServer server(testing::stream);
  RawConnection client(server.port());
  for (const std::size_t size : {0u, 1u, 9'999u, 10'000u, 10'001u, 5'000'000u}) {
    ASSERT_TRUE(client.send("GET /s?" + std::to_string(size) + " HTTP/1.1\r\nHost: h\r\n\r\n"));
    const auto sized = client.receive();
    EXPECT_TRUE(sized.has("Content-Length: " + std::to_string(size)));
    EXPECT_EQ(sized.body, testing::streamed_bytes(size));
    ASSERT_TRUE(
        client.send("GET /chunked?" + std::to_string(size) + " HTTP/1.1\r\nHost: h\r\n\r\n"));
    const auto chunked = client.receive();
    EXPECT_TRUE(chunked.has("Transfer-Encoding: chunked"));
    EXPECT_TRUE(chunked.whole);
    EXPECT_EQ(chunked.body, testing::streamed_bytes(size));
  }
}

TEST(Server, SpeaksToOldClients) {
  TestServer server(testing::stream);
  RawConnection client(server.port());
  ASSERT_TRUE(client.send("GET /s?5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  const auto kept = client.receive();
  EXPECT_TRUE(kept.has("Connection: keep-alive"));
  EXPECT_EQ(kept.body, "abcde");
  ASSERT_TRUE(client.send("GET /chunked?30000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  const auto closed = client.receive();
  EXPECT_FALSE(closed.has("Transfer-Encoding"));
  EXPECT_TRUE(closed.has("Connection: close"));
  EXPECT_TRUE(closed.whole);
  EXPECT_EQ(closed.body, testing::streamed_bytes(30'000));

  RawConnection plain(server.port());
  ASSERT_TRUE(plain.send("GET /s?5 HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(plain.receive().body, "abcde");
  EXPECT_EQ(plain.ends(), true);
}

TEST(Server, CutsWhatItCannotFinish) {
  TestServer server(testing::stream);
  for (const auto* path : {"/fail", "/short", "/long"}) {
    for (const auto* version : {"1.1", "1.0"}) {
      RawConnection client(server.port());
      ASSERT_TRUE(client.send(std::string("GET ") + path + "?95000 HTTP/" + version +
                              "\r\nHost: h\r\n\r\n"));
      const auto response = client.receive();
      EXPECT_FALSE(response.whole && response.body == testing::streamed_bytes(95'000)) << path;
      EXPECT_EQ(client.ends(), false)
          << path << " " << version << ": the client must not take it for whole";
    }
  }
}

io::Task<Response> odd(Request& request) {
  Response response;
  if (request.path == "/204") response.status = 204;
  if (request.path == "/304") response.status = 304;
  if (request.path == "/close") response.close = true;
  response.content = "text";
  if (request.path == "/reported") {
    response.content = "reported";
    response.on_sent = [](const Sent& sent) {
      CAIRN_ASSERT(sent.complete && sent.body_bytes == 8);
    };
  }
  co_return response;
}

TEST(Server, StatusesWithoutABody) {
  TestServer server(odd);
  RawConnection client(server.port());
  for (const auto* path : {"/204", "/304"}) {
    ASSERT_TRUE(client.send(std::string("GET ") + path + " HTTP/1.1\r\nHost: h\r\n\r\n"));
    const auto response = client.receive();
    EXPECT_FALSE(response.has("Content-Length")) << path;
  }
  ASSERT_TRUE(client.send("GET /reported HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(client.receive().body, "reported");
  ASSERT_TRUE(client.send("GET /close HTTP/1.1\r\nHost: h\r\n\r\n"));
  const auto last = client.receive();
  EXPECT_EQ(last.body, "text");
  EXPECT_TRUE(last.has("Connection: close"));
  EXPECT_EQ(client.ends(), true);
}

TEST(Server, RefusesWhatItCannotServeAndCloses) {
  TestServer server(testing::echo, {.max_header_bytes = 4096, .max_target_bytes = 1024});
  const std::pair<std::string, int> cases[] = {
      {"GET /" + std::string(2000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
      {"GET /" + std::string(1'000'000, 'a'), 414},
      {"GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(5000, 'a') + "\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(1'000'000, 'a'), 431},
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505},
      {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: br\r\n\r\n", 501},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
  };
  for (const auto& [text, status] : cases) {
    RawConnection client(server.port());
    EXPECT_TRUE(client.send(text));
    const auto response = client.receive();
    EXPECT_EQ(response.status, status);
    EXPECT_TRUE(response.whole);
    EXPECT_FALSE(response.body.empty());
    EXPECT_TRUE(response.has("Connection: close"));
    client.finish_sending();
    EXPECT_EQ(client.ends(), true);
  }
}

TEST(Server, AHeadUpToTheLimitsIsServed) {
  TestServer server(testing::echo, {.max_header_bytes = 60'000, .max_target_bytes = 8000});
  RawConnection client(server.port());
  const std::string target = "/" + std::string(7999, 'a');
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send("GET " + target +
                            " HTTP/1.1\r\nHost: h\r\nX: " + std::string(59'900, 'b') + "\r\n\r\n"));
    EXPECT_EQ(client.receive().body, "GET " + target + "? h\n");
  }
}

TEST(Server, BodiesThatBreakOffAreErrors) {
  TestServer server(testing::echo);
  RawConnection early(server.port());
  ASSERT_TRUE(early.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"));
  early.finish_sending();
  EXPECT_EQ(early.receive().body, "incomplete_body");
  EXPECT_EQ(early.ends(), true);
  RawConnection unfinished(server.port());
  ASSERT_TRUE(unfinished.send(
      "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"));
  unfinished.finish_sending();
  EXPECT_EQ(unfinished.receive().body, "incomplete_body")
      << "without the last line the end is not proven";
  RawConnection malformed(server.port());
  ASSERT_TRUE(malformed.send(
      "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"));
  EXPECT_EQ(malformed.receive().body, "invalid_request");
  malformed.finish_sending();
  EXPECT_EQ(malformed.ends(), true);
}

TEST(Server, ManyConnectionsAtOnce) {
  TestServer server(testing::echo);
  std::vector<std::unique_ptr<RawConnection>> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<RawConnection>(server.port()));
    ASSERT_TRUE(clients.back()->send(kGet));
  }
  for (auto& client : clients) EXPECT_EQ(client->receive().body, "GET /p?q h\n");
  for (auto& client : clients) ASSERT_TRUE(client->send(kGet));
  for (auto& client : clients) EXPECT_EQ(client->receive().body, "GET /p?q h\n");
}

}  // namespace
}  // namespace cairn::net
