// The server's limits in time and number, and its end.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "io/sync.h"
#include "net/testing/handlers.h"
#include "net/testing/raw_connection.h"
#include "net/testing/test_server.h"

namespace cairn::net {
namespace {

using namespace std::chrono_literals;
using testing::RawConnection;
using testing::TestServer;

const std::string kGet = "GET /p?q HTTP/1.1\r\nHost: h\r\n\r\n";

// A handler that tells when it has begun and waits to be let go.
struct Held {
  std::mutex mutex;
  std::vector<io::OneShot<bool>> waiting;
  std::atomic<int> begun{0};
  io::OneShot<bool> enter() {
    std::lock_guard lock(mutex);
    ++begun;
    return waiting.emplace_back();
  }
  void let_go() {
    std::lock_guard lock(mutex);
    for (const auto& one : waiting) one.set(true);
  }
  static io::Task<Response> answer(Held& held, Request& request) {
    const io::OneShot<bool> go = held.enter();
    co_await go.get();
    Response response;
    response.content = "held " + request.path;
    co_return response;
  }
  Handler handler() {
    return [this](Request& request) { return answer(*this, request); };
  }
  void wait_for(int count) const {
    while (begun < count) std::this_thread::yield();
  }
};

TEST(ServerTimeouts, IdleConnectionsAreClosed) {
  TestServer server(testing::echo, {.idle_timeout = 1s, .header_timeout = 60s});
  RawConnection never_used(server.port()), used(server.port());
  ASSERT_TRUE(used.send(kGet));
  EXPECT_EQ(used.receive().status, 200);
  EXPECT_EQ(never_used.ends(10s), true);
  EXPECT_EQ(used.ends(10s), true);
}

TEST(ServerTimeouts, AnIdleConnectionIsStillServedAfterItGaveUpItsMemory) {
  TestServer server(testing::echo);
  RawConnection client(server.port());
  ASSERT_TRUE(client.send(kGet));
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_FALSE(client.readable(4s)) << "longer than the server holds on to an idle buffer";
  ASSERT_TRUE(client.send_slowly(kGet));
  EXPECT_EQ(client.receive().body, "GET /p?q h\n");
}

TEST(ServerTimeouts, AHeadThatTricklesInIsRefused) {
  TestServer server(testing::echo, {.idle_timeout = 60s, .header_timeout = 1s});
  RawConnection client(server.port());
  ASSERT_TRUE(client.send("GET / HT"));
  std::atomic<bool> stop = false;
  std::thread sender([&] {
    while (!stop && client.send("T")) std::this_thread::sleep_for(50ms);  // progress does not help
  });
  const bool answered = client.readable(10s);
  stop = true;
  sender.join();
  ASSERT_TRUE(answered);
  EXPECT_EQ(client.receive().status, 408);
}

TEST(ServerTimeouts, ABodyWithoutProgressFails) {
  TestServer server(testing::echo, {.body_timeout = 1s});
  RawConnection client(server.port());
  ASSERT_TRUE(client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"));
  const auto response = client.receive();
  EXPECT_EQ(response.body, "request_timeout");
  EXPECT_TRUE(response.has("Connection: close"));
}

TEST(ServerTimeouts, AClientThatDoesNotReadIsCut) {
  TestServer server(testing::stream, {.body_timeout = 1s});
  RawConnection client(server.port());
  ASSERT_TRUE(client.send("GET /s?100000000 HTTP/1.1\r\nHost: h\r\n\r\n"));
  while (server.metrics().render().find("cairn_http_responses_cut_total 1") == std::string::npos)
    std::this_thread::sleep_for(20ms);
  const auto response = client.receive();
  EXPECT_FALSE(response.whole);
  EXPECT_EQ(client.ends(), false);
}

TEST(ServerTimeouts, AHandlerMayTakeItsTime) {
  Held held;
  TestServer server(held.handler(), {.idle_timeout = 1s, .header_timeout = 1s, .body_timeout = 1s});
  RawConnection client(server.port());
  ASSERT_TRUE(client.send(kGet));
  held.wait_for(1);
  EXPECT_FALSE(client.readable(3s));
  held.let_go();
  EXPECT_EQ(client.receive().body, "held /p");
}

TEST(ServerLimits, ConnectionsBeyondTheLimitAreTurnedAway) {
  TestServer server(testing::echo, {.max_connections = 2});
  auto first = std::make_unique<RawConnection>(server.port());
  RawConnection second(server.port());
  ASSERT_TRUE(first->send(kGet));
  EXPECT_EQ(first->receive().status, 200);
  ASSERT_TRUE(second.send(kGet));
  EXPECT_EQ(second.receive().status, 200);
  RawConnection third(server.port());
  const auto refused = third.receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.whole);
  EXPECT_TRUE(third.ends().has_value());
  first.reset();
  for (;;) {  // once the first is gone there is room again
    RawConnection next(server.port());
    next.send(kGet);
    if (next.receive().status == 200) break;
    std::this_thread::sleep_for(10ms);
  }
}

TEST(ServerStart, ATakenPortIsAnError) {
  TestServer server(testing::echo);
  metrics::Registry metrics;
  auto second = make_server({.host = "127.0.0.1", .port = server.port()}, server.reactors(),
                            testing::echo, metrics);
  const auto started = second->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.code(), Code::io_error);
  EXPECT_NE(started.error().message.find("127.0.0.1:" + std::to_string(server.port())),
            std::string::npos)
      << started.error().message;
}

TEST(ServerStart, ABadAddressIsAnError) {
  auto reactors = io::make_reactors(1);
  metrics::Registry metrics;
  auto server =
      make_server({.host = "no such host.invalid", .port = 1}, *reactors, testing::echo, metrics);
  EXPECT_FALSE(server->start());
}

TEST(ServerDrain, FinishesRequestsAndClosesTheIdle) {
  Held held;
  TestServer server(held.handler());
  RawConnection busy(server.port()), idle(server.port()), pipelining(server.port());
  ASSERT_TRUE(busy.send("PUT /busy HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"));
  ASSERT_TRUE(pipelining.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"));
  held.wait_for(2);
  std::thread draining([&] { server.drain(20s); });
  EXPECT_EQ(idle.ends(), true);
  EXPECT_FALSE(busy.readable(300ms)) << "a request in progress is not cut";
  held.let_go();
  const auto response = busy.receive();
  EXPECT_EQ(response.body, "held /busy");
  EXPECT_TRUE(response.has("Connection: close"));
  const auto other = pipelining.receive();
  EXPECT_EQ(other.body, "held /1");
  EXPECT_TRUE(other.has("Connection: close"));
  busy.finish_sending();
  EXPECT_EQ(busy.ends(), true);
  draining.join();
}

TEST(ServerDrain, AHalfReceivedRequestIsFinished) {
  TestServer server(testing::echo);
  RawConnection client(server.port()), probe(server.port());
  ASSERT_TRUE(client.send("PUT /half HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na"));
  ASSERT_TRUE(client.readable(0ms) == false);
  ASSERT_TRUE(probe.send(kGet));
  EXPECT_EQ(probe.receive().status, 200);
  std::thread draining([&] { server.drain(20s); });
  EXPECT_EQ(probe.ends(), true);
  ASSERT_TRUE(client.send("bc"));
  EXPECT_EQ(client.receive().body, "PUT /half? h\nabc");
  draining.join();
}

TEST(ServerDrain, CutsWhatOutlastsItsPatience) {
  Held held;
  TestServer server(testing::echo);
  RawConnection client(server.port());
  ASSERT_TRUE(client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"));
  while (server.metrics().render().find("cairn_http_connections 1") == std::string::npos)
    std::this_thread::yield();
  const auto before = std::chrono::steady_clock::now();
  server.drain(200ms);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
  EXPECT_TRUE(client.ends().has_value());
  EXPECT_FALSE(RawConnection::possible(server.port())) << "nothing listens any more";
}

}  // namespace
}  // namespace cairn::net
