#include "admin/service.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "io/reactor.h"

namespace cairn::admin {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

class FixedClock final : public io::Clock {
 public:
  std::int64_t unix_ms() const override { return kNow; }
};

class FakeProvider final : public StatusProvider {
 public:
  Readiness readiness() override { return readiness_; }
  io::Task<Result<Status>> status() override {
    if (broken_) co_return Error{Code::unavailable, "no drive answers"};
    co_return status_;
  }
  io::Task<Result<void>> start_scrub() override {
    ++scrubs_;
    if (!status_.scrub.enabled) co_return Error{Code::conflict, "scrub is switched off"};
    co_return Result<void>{};
  }
  io::Task<Result<void>> start_heal() override {
    ++heals_;
    co_return Result<void>{};
  }
  io::Task<Result<Retired>> retire_drive(std::string drive) override {
    asked_to_retire_.push_back(drive);
    if (drive == "aa") co_return Retired{"aa", "bb", "/d2"};
    if (drive == "cc") co_return Error{Code::conflict, "/d3 is in service: it is not lost"};
    co_return Error{Code::not_found, "no drive " + drive + " is a member"};
  }
  Readiness readiness_{.can_read = true, .can_write = true};
  Status status_{};
  bool broken_ = false;
  int scrubs_ = 0, heals_ = 0;
  std::vector<std::string> asked_to_retire_{};
};

class AdminTest : public ::testing::Test {
 protected:
  AdminTest() : reactors_(io::make_reactors(1)) { reactors_->start(); }
  ~AdminTest() override { reactors_->stop(); }

  static io::Task<net::Response> run(Service& service, net::Request& request,
                                     std::string& operation) {
    auto response = co_await service.handle(request, operation);
    co_return response;
  }
  net::Response ask(std::string method, std::string path, const std::string& secret = "",
                    const std::string& query = "") {
    net::Request request;
    request.method = method;
    request.path = path;
    request.query = query;
    request.target = path + (query.empty() ? "" : "?") + query;
    request.id = "ID";
    request.headers.add("Host", "h");
    if (!secret.empty()) {
      auth::SignRequest sign{
          .method = method, .path = path, .query = query, .headers = {{"host", "h"}}};
      sign.access_key = "root";
      sign.secret = secret;
      sign.now_ms = kNow;
      for (auto& [name, value] : auth::sign(sign)) request.headers.add(name, value);
    }
    auto service = make_service({provider_, *verifier_, *policy_, clock_, metrics_}, options_);
    operation_.clear();
    return io::block_on(*reactors_, run(*service, request, operation_));
  }

  std::unique_ptr<io::Reactors> reactors_;
  FakeProvider provider_;
  FixedClock clock_;
  metrics::Registry metrics_;
  Options options_;
  std::unique_ptr<auth::Credentials> credentials_ = auth::root_credentials("root", "secret");
  std::unique_ptr<auth::Verifier> verifier_ = auth::make_verifier(*credentials_, {});
  std::unique_ptr<auth::Policy> policy_ = auth::root_only_policy();
  std::string operation_;
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_F(AdminTest, LiveAnswersEvenWhenNothingElseWorks) {
  provider_.broken_ = true;
  provider_.readiness_ = {};
  EXPECT_EQ(ask("GET", "/health/live").status, 200);
  EXPECT_EQ(operation_, "HealthLive");
}

TEST_F(AdminTest, ReadySaysWhatIsMissing) {
  auto ready = ask("GET", "/health/ready");
  EXPECT_EQ(ready.status, 200);
  EXPECT_TRUE(contains(ready.content, "\"ready\":true"));
  provider_.readiness_ = {
      .can_read = true, .can_write = false, .reasons = {"drive /d3 is \"missing\""}};
  ready = ask("GET", "/health/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_TRUE(contains(ready.content, "\"can_read\":true,\"can_write\":false"));
  EXPECT_TRUE(contains(ready.content, R"(drive /d3 is \"missing\")")) << ready.content;
  provider_.readiness_ = {.can_read = false, .can_write = true, .reasons = {}};
  EXPECT_EQ(ask("GET", "/health/ready").status, 503);
}

TEST_F(AdminTest, StatusNeedsASignatureAndTheRight) {
  EXPECT_EQ(ask("GET", "/_cairn/admin/v1/status").status, 403);
  EXPECT_EQ(ask("GET", "/_cairn/admin/v1/status", "wrong").status, 403);
  EXPECT_EQ(ask("POST", "/_cairn/admin/v1/scrub/start").status, 403);
  EXPECT_EQ(ask("POST", "/_cairn/admin/v1/heal/start").status, 403);
  EXPECT_EQ(ask("GET", "/_cairn/admin/v1/nothing").status, 403) << "strangers learn no paths";
  EXPECT_EQ(provider_.scrubs_ + provider_.heals_, 0);
  EXPECT_EQ(ask("GET", "/_cairn/admin/v1/status", "secret").status, 200);
  EXPECT_EQ(ask("GET", "/_cairn/admin/v1/nothing", "secret").status, 404);
  EXPECT_EQ(ask("GET", "/_cairn/admin/v1/scrub/start", "secret").status, 405);
}

TEST_F(AdminTest, StatusTellsAll) {
  provider_.status_.version = "1.2.3";
  provider_.status_.erasure = "2+2";
  provider_.status_.started_ms = kNow - 90'500;
  provider_.status_.drives = {
      {.id = "ab", .path = "/d1", .state = "rebuilding", .total_bytes = 100}};
  provider_.status_.heal.rebuilds = {
      {.drive = "ab", .units_done = 7, .started_ms = 5, .waiting_for = "drive 2"}};
  const auto response = ask("GET", "/_cairn/admin/v1/status", "secret");
  EXPECT_EQ(response.headers.get("content-type"), "application/json");
  for (const auto* part : {"\"version\":\"1.2.3\"", "\"erasure\":\"2+2\"", "\"uptime_seconds\":90,",
                           "\"path\":\"/d1\"", "\"state\":\"rebuilding\"", "\"total_bytes\":100",
                           "\"units_done\":7", "\"units_estimate\":null",
                           "\"started_ms\":5,\"finished_ms\":null", "\"waiting_for\":\"drive 2\""})
    EXPECT_TRUE(contains(response.content, part)) << part << " in " << response.content;
  provider_.broken_ = true;
  const auto failed = ask("GET", "/_cairn/admin/v1/status", "secret");
  EXPECT_EQ(failed.status, 503);
  EXPECT_TRUE(contains(failed.content, "\"request_id\":\"ID\"")) << failed.content;
}

TEST_F(AdminTest, StartsWork) {
  EXPECT_EQ(ask("POST", "/_cairn/admin/v1/scrub/start", "secret").status, 202);
  EXPECT_EQ(operation_, "AdminStartScrub");
  EXPECT_EQ(ask("POST", "/_cairn/admin/v1/heal/start", "secret").status, 202);
  EXPECT_EQ(provider_.scrubs_, 1);
  EXPECT_EQ(provider_.heals_, 1);
  provider_.status_.scrub.enabled = false;
  EXPECT_EQ(ask("POST", "/_cairn/admin/v1/scrub/start", "secret").status, 409);
}

TEST_F(AdminTest, GivesUpADriveOnlyForWhoMayAndNamesIt) {
  const std::string path = "/_cairn/admin/v1/drives/retire";
  EXPECT_EQ(ask("POST", path, "", "drive=aa").status, 403);
  EXPECT_EQ(ask("POST", path, "wrong", "drive=aa").status, 403);
  EXPECT_EQ(ask("GET", path, "secret", "drive=aa").status, 405);
  for (const auto* query : {"", "drive=", "drive=aa&drive=cc", "id=aa", "drive=%zz"})
    EXPECT_GE(ask("POST", path, "secret", query).status, 400) << query;
  EXPECT_EQ(std::ranges::count(provider_.asked_to_retire_, "aa"), 0);
  const auto done = ask("POST", path, "secret", "drive=aa");
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(operation_, "AdminRetireDrive");
  EXPECT_EQ(done.content, "{\"lost\":\"aa\",\"replacement\":\"bb\",\"path\":\"/d2\"}\n");
  const auto there = ask("POST", path, "secret", "drive=cc");
  EXPECT_EQ(there.status, 409);
  EXPECT_TRUE(contains(there.content, "it is not lost")) << there.content;
  EXPECT_EQ(ask("POST", path, "secret", "drive=dd").status, 404);
}

TEST_F(AdminTest, MetricsAreFreshAndOpenUnlessToldOtherwise) {
  metrics_.counter("cairn_test_total", "A test").add(3);
  provider_.status_.drives = {{.path = "/d1", .state = "online", .available_bytes = 5}};
  auto page = ask("GET", "/metrics");
  EXPECT_EQ(page.status, 200);
  EXPECT_TRUE(contains(page.content, "cairn_test_total 3"));
  EXPECT_TRUE(contains(page.content, "cairn_drive_state{drive=\"/d1\",state=\"online\"} 1"))
      << page.content;
  EXPECT_TRUE(contains(page.content, "cairn_drive_available_bytes{drive=\"/d1\"} 5"));
  provider_.status_.drives[0].state = "failed";
  page = ask("GET", "/metrics");
  EXPECT_TRUE(contains(page.content, "cairn_drive_state{drive=\"/d1\",state=\"online\"} 0"));
  EXPECT_TRUE(contains(page.content, "cairn_drive_state{drive=\"/d1\",state=\"failed\"} 1"));
  provider_.broken_ = true;
  EXPECT_EQ(ask("GET", "/metrics").status, 200) << "the page is there when the store is not";
  options_.metrics_need_auth = true;
  EXPECT_EQ(ask("GET", "/metrics").status, 403);
  EXPECT_EQ(ask("GET", "/metrics", "secret").status, 200);
}

}  // namespace
}  // namespace cairn::admin
