// The front over real sockets, with an S3 and an administration that only say that they were asked.
#include "server/server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "io/sync.h"
#include "net/testing/raw_connection.h"
#include "server/request_ids.h"
#include "server/request_metrics.h"

namespace cairn::server {
namespace {

using net::testing::RawConnection;

class FakeS3 final : public s3::Service {
 public:
  io::Task<net::Response> handle(net::Request& request, std::string& operation) override {
    operation = "GetObject";
    {
      std::lock_guard lock(mutex_);
      ids_.push_back(request.id);
    }
    if (request.path == "/hold") {
      begun_.set(true);
      co_await go_.get();
    }
    std::array<std::byte, 1000> room;
    for (;;) {
      const auto n = co_await request.body->read(room);
      if (!n || *n == 0) break;
    }
    net::Response response;
    response.status = request.path == "/missing" ? 404 : 200;
    response.content = "s3 " + request.path;
    response.headers.add("x-amz-request-id", "overwritten");
    co_return response;
  }
  std::mutex mutex_;
  std::vector<std::string> ids_;
  io::OneShot<bool> begun_, go_;
};

class FakeAdmin final : public admin::Service {
 public:
  io::Task<net::Response> handle(net::Request& request, std::string& operation) override {
    operation = "HealthLive";
    net::Response response;
    response.content = "admin " + request.path;
    co_return response;
  }
};

class FrontTest : public ::testing::Test {
 protected:
  void start(Options options = {}) {
    options.http.host = "127.0.0.1";
    options.http.port = 0;
    reactors_ = io::make_reactors(2);
    reactors_->start();
    server_ =
        make_server({s3_, admin_, *reactors_, metrics_, *clock_, *random_}, std::move(options));
    const auto started = server_->start();
    ASSERT_TRUE(started) << started.error().message;
  }
  void stop() {
    if (!server_) return;
    io::block_on(*reactors_, drained(*server_));
    server_.reset();
    reactors_->stop();
  }
  void TearDown() override { stop(); }
  static io::Task<bool> drained(Server& server) {
    co_await server.drain(std::chrono::seconds(10));
    co_return true;
  }
  net::testing::RawResponse get(const std::string& path, const std::string& method = "GET") {
    RawConnection client(server_->port());
    client.send(method + " " + path + " HTTP/1.1\r\nHost: h\r\nUser-Agent: test\r\n\r\n");
    return client.receive(method == "HEAD");
  }
  static std::string field(const net::testing::RawResponse& response, const std::string& name) {
    const auto at = response.head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const auto begin = at + name.size() + 4;
    return response.head.substr(begin, response.head.find("\r\n", begin) - begin);
  }

  metrics::Registry metrics_;
  std::unique_ptr<io::Clock> clock_ = io::system_clock();
  std::unique_ptr<io::Random> random_ = io::seeded_random(1);
  FakeS3 s3_;
  FakeAdmin admin_;
  std::unique_ptr<io::Reactors> reactors_;
  std::unique_ptr<Server> server_;
};

TEST_F(FrontTest, RoutesAndMarksEveryAnswer) {
  start();
  const auto object = get("/bucket/key");
  EXPECT_EQ(object.body, "s3 /bucket/key");
  EXPECT_EQ(get("/health/live").body, "admin /health/live");
  EXPECT_EQ(get("/_cairn/admin/v1/x").body, "admin /_cairn/admin/v1/x");
  EXPECT_EQ(field(object, "Server"), "Cairn");
  EXPECT_EQ(field(object, "x-amz-id-2"), "Cairn");
  const auto id = field(object, "x-amz-request-id");
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(id.find_first_not_of("0123456789ABCDEF"), std::string::npos);
  ASSERT_EQ(s3_.ids_.size(), 1u);
  EXPECT_EQ(s3_.ids_[0], id) << "the id is there before the request is handled";
  EXPECT_NE(field(get("/bucket/key"), "x-amz-request-id"), id);
}

TEST_F(FrontTest, CountsByOperationAndStatus) {
  start();
  get("/one");
  get("/two");
  get("/missing");
  RawConnection client(server_->port());
  client.send("PUT /body HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(client.receive().status, 200);
  get("/health/live");
  stop();
  const auto page = metrics_.render();
  EXPECT_NE(page.find("cairn_requests_total{operation=\"GetObject\",status=\"200\"} 3"),
            std::string::npos)
      << page;
  EXPECT_NE(page.find("cairn_requests_total{operation=\"GetObject\",status=\"404\"} 1"),
            std::string::npos);
  EXPECT_NE(page.find("cairn_requests_total{operation=\"HealthLive\",status=\"200\"} 1"),
            std::string::npos);
  EXPECT_NE(page.find("cairn_request_bytes_total{operation=\"GetObject\"} 5"), std::string::npos);
  EXPECT_NE(page.find("cairn_response_bytes_total{operation=\"GetObject\"} 33"), std::string::npos)
      << page;
  EXPECT_NE(page.find("cairn_request_seconds_count{operation=\"GetObject\"} 4"), std::string::npos);
  EXPECT_NE(page.find("cairn_requests_in_flight 0"), std::string::npos);
}

TEST_F(FrontTest, TooManyRequestsAreToldToSlowDown) {
  start({.max_requests = 1});
  RawConnection first(server_->port());
  ASSERT_TRUE(first.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"));
  io::block_on(*reactors_, s3_.begun_.get());
  const auto refused = get("/other");
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("<Code>SlowDown</Code>"), std::string::npos) << refused.body;
  EXPECT_EQ(field(refused, "Retry-After"), "1");
  EXPECT_EQ(field(refused, "Content-Type"), "application/xml");
  EXPECT_NE(refused.body.find(field(refused, "x-amz-request-id")), std::string::npos);
  const auto head = get("/other", "HEAD");
  EXPECT_EQ(head.status, 503);
  EXPECT_EQ(get("/health/live").status, 200) << "probes always pass";
  s3_.go_.set(true);
  EXPECT_EQ(first.receive().body, "s3 /hold");
  // The place is free once the server has written the answer, which the client may see a little
  // earlier.
  while (get("/other").status != 200) std::this_thread::yield();
}

TEST_F(FrontTest, WritesTheAccessLog) {
  const std::string path = ::testing::TempDir() + "front_test." + std::to_string(::getpid());
  ::unlink(path.c_str());
  start({.access_log = path});
  const auto response = get("/bucket/key?X-Amz-Signature=verysecret&versionId=3");
  stop();
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  ::unlink(path.c_str());
  const auto line = text.str();
  for (const auto& part :
       {std::string("\"method\":\"GET\",\"path\":\"/bucket/"
                    "key\",\"query\":\"X-Amz-Signature=-&versionId=3\""),
        std::string("\"operation\":\"GetObject\",\"status\":200,\"bytes_in\":0,\"bytes_out\":14"),
        "\"request_id\":\"" + field(response, "x-amz-request-id") + "\",\"user_agent\":\"test\"}"})
    EXPECT_NE(line.find(part), std::string::npos) << part << " in " << line;
  EXPECT_EQ(line.find("verysecret"), std::string::npos);
}

TEST_F(FrontTest, AnAccessLogThatCannotBeWrittenIsAnError) {
  reactors_ = io::make_reactors(1);
  reactors_->start();
  auto server = make_server({s3_, admin_, *reactors_, metrics_, *clock_, *random_},
                            {.access_log = "/no/such/dir/x"});
  EXPECT_FALSE(server->start());
}

TEST(RequestIds, AreDistinct) {
  auto random = io::seeded_random(7);
  RequestIds ids(*random);
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(seen.insert(ids.next()).second);
}

TEST(RequestMetrics, TheTableIsBounded) {
  metrics::Registry registry;
  RequestMetrics metrics(registry);
  for (int i = 0; i < 2'000; ++i) metrics.of("operation" + std::to_string(i)).count(200, 1, 1, 0.1);
  EXPECT_EQ(metrics.of("operation3").name(), "operation3");
  EXPECT_EQ(&metrics.of("beyond"), &metrics.of("beyond too"));
  EXPECT_EQ(metrics.of("beyond").name(), "Other");
}

TEST(RequestMetrics, ThreadsAgree) {
  metrics::Registry registry;
  RequestMetrics metrics(registry);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1'000; ++i)
        metrics.of("operation" + std::to_string(i % 50)).count(200 + i % 7, 1, 1, 0.1);
    });
  }
  for (auto& thread : threads) thread.join();
  const auto page = registry.render();
  EXPECT_NE(page.find("cairn_request_bytes_total{operation=\"operation0\"} 80"), std::string::npos);
}

}  // namespace
}  // namespace cairn::server
