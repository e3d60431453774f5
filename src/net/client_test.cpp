// The client against the server, and against answers that are not ours.
#include "net/http.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "net/testing/handlers.h"
#include "net/testing/test_server.h"

namespace cairn::net {
namespace {

using namespace std::chrono_literals;
using testing::TestServer;

struct Exchange {
  std::string head{};
  std::vector<io::Bytes> body{};
  bool is_head = false;
  bool keep = true;
};

io::Task<std::vector<Result<ClientResponse>>> run(std::uint16_t port,
                                                  std::vector<Exchange> exchanges,
                                                  io::Duration timeout) {
  std::vector<Result<ClientResponse>> responses;
  auto client = co_await connect("127.0.0.1", port, timeout);
  if (!client) {
    responses.emplace_back(client.error());
    co_return responses;
  }
  for (auto& e : exchanges) {
    auto response = co_await (*client)->request(e.head, e.body, e.is_head, e.keep);
    responses.push_back(std::move(response));
  }
  co_return responses;
}

std::string head(std::string_view line, std::string_view fields = "") {
  return std::string(line) + " HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

TEST(Client, ExchangesOnOneConnection) {
  TestServer server(testing::stream);
  auto responses = io::block_on(server.reactors(), run(server.port(),
                                                       {{head("GET /s?5")},
                                                        {head("HEAD /s?7"), {}, true},
                                                        {head("GET /chunked?50000")},
                                                        {head("GET /s?3000000"), {}, false, false},
                                                        {head("GET /s?0")}},
                                                       10s));
  ASSERT_EQ(responses.size(), 5u);
  for (const auto& r : responses) ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(responses[0]->body, "abcde");
  EXPECT_EQ(responses[0]->headers.get("content-type"), "text/plain");
  EXPECT_EQ(responses[1]->headers.get("content-length"), "7");
  EXPECT_EQ(responses[1]->body_bytes, 0u);
  EXPECT_EQ(responses[2]->body, testing::streamed_bytes(50'000));
  EXPECT_EQ(responses[3]->body_bytes, 3'000'000u);
  EXPECT_EQ(responses[3]->body, "");
  EXPECT_EQ(responses[4]->body_bytes, 0u);
}

TEST(Client, SendsBodiesInPieces) {
  TestServer server(testing::echo);
  const std::string one(2'000'000, '1'), two = "two";
  auto responses = io::block_on(
      server.reactors(),
      run(server.port(),
          {{head("PUT /", "Content-Length: 2000003\r\n"),
            {io::as_bytes(one), {}, io::as_bytes(two)}},
           {head("PUT /", "Expect: 100-continue\r\nContent-Length: 3\r\n"), {io::as_bytes(two)}}},
          10s));
  ASSERT_EQ(responses.size(), 2u);
  ASSERT_TRUE(responses[0]) << responses[0].error().message;
  EXPECT_EQ(responses[0]->body, "PUT /? h\n" + one + two);
  ASSERT_TRUE(responses[1]) << responses[1].error().message;
  EXPECT_EQ(responses[1]->body, "PUT /? h\ntwo");
}

TEST(Client, ACutResponseIsAnError) {
  TestServer server(testing::stream);
  auto responses = io::block_on(
      server.reactors(), run(server.port(), {{head("GET /fail?100000")}, {head("GET /s?1")}}, 10s));
  ASSERT_EQ(responses.size(), 2u);
  ASSERT_FALSE(responses[0]);
  EXPECT_EQ(responses[0].code(), Code::connection_closed);
  ASSERT_FALSE(responses[1]) << "the connection is not used again";
}

// Accepts one connection, sends `answer` and closes it (or holds it open).
class OneAnswer {
 public:
  OneAnswer(std::string answer, bool hold) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CAIRN_ASSERT(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                 ::listen(fd_, 8) == 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, hold, answer = std::move(answer)] {
      const int fd = ::accept(fd_, nullptr, nullptr);
      char request[4096];
      [[maybe_unused]] auto n = ::recv(fd, request, sizeof request, 0);
      n = ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
      if (hold) n = ::recv(fd, request, sizeof request, 0);  // until the client gives up
      ::close(fd);
    });
  }
  ~OneAnswer() {
    thread_.join();
    ::close(fd_);
  }
  std::uint16_t port() const { return port_; }

 private:
  int fd_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

Result<ClientResponse> answer_to_get(std::string answer, bool hold = false) {
  OneAnswer peer(std::move(answer), hold);
  auto reactors = io::make_reactors(1);
  reactors->start();
  auto responses = io::block_on(*reactors, run(peer.port(), {{head("GET /")}}, 500ms));
  reactors->stop();
  return std::move(responses.at(0));
}

TEST(Client, ReadsUntilTheEndWithoutALength) {
  const auto response = answer_to_get("HTTP/1.1 200 OK\r\n\r\nuntil the end");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "until the end");
}

TEST(Client, PassesInterimResponsesOver) {
  const auto response = answer_to_get(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 204 No\r\n\r\n");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 204);
  EXPECT_FALSE(response->headers.get("x"));
}

TEST(Client, RefusesWhatIsNotHttp) {
  EXPECT_EQ(answer_to_get("SSH-2.0-OpenSSH\r\n\r\n").error().code, Code::corrupt);
  EXPECT_EQ(
      answer_to_get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").error().code,
      Code::corrupt);
  EXPECT_EQ(answer_to_get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc").error().code,
            Code::connection_closed);
  EXPECT_EQ(answer_to_get("").error().code, Code::connection_closed);
}

TEST(Client, DoesNotWaitForEver) {
  EXPECT_EQ(answer_to_get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", true).error().code,
            Code::timeout);
}

TEST(Client, ConnectingToNothingIsAnError) {
  std::uint16_t port;
  {
    TestServer server(testing::echo);
    port = server.port();
  }
  auto reactors = io::make_reactors(1);
  reactors->start();
  auto responses = io::block_on(*reactors, run(port, {}, 5s));
  reactors->stop();
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].code(), Code::io_error);
}

}  // namespace
}  // namespace cairn::net
