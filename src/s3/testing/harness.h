// A Service over the fake object layer, driven by request text. For tests and fuzzers; one thread,
// deterministic.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "s3/service.h"
#include "s3/testing/fake_objects.h"

namespace cairn::s3::testing {

// Runs posted work when told to. Its time stands still.
class StepExecutor final : public io::Executor {
 public:
  void post(std::move_only_function<void()> work) override { queue_.push_back(std::move(work)); }
  void post_at(io::Instant, std::move_only_function<void()> work) override {
    post(std::move(work));
  }
  io::Instant now() const override { return {}; }
  void run();

 private:
  std::deque<std::move_only_function<void()>> queue_;
};

// Says who sends a request by its Authorization header alone: "root", "other", or nothing for
// anonymous; a query with X-Amz-Signature is root, presigned. x-amz-content-sha256 is read as the
// real verifier reads it.
class FakeVerifier final : public auth::Verifier {
 public:
  Result<auth::Verified> verify(const auth::HttpView& request, std::int64_t now_ms) const override;
};

// Allows root everything but what is named here, and keeps what it was asked.
class FakePolicy final : public auth::Policy {
 public:
  Result<void> decide(const auth::Identity& identity, const auth::Action& action) const override;
  std::string denied{};  // "s3:GetObject bucket/key"
  mutable std::vector<std::string> asked{};
};

class Harness {
 public:
  explicit Harness(Options options = {});
  // `text`: request line, headers, an empty line, body; LF or CRLF. Without Content-Length the
  // body's own length is used for PUT and POST.
  net::Response send(std::string_view text);
  // Status line, headers and body of a response as text; reads its body source to the end.
  std::string render(net::Response response);
  std::string exchange(std::string_view text) { return render(send(text)); }

  FakeObjects objects;
  FakePolicy policy;
  std::string operation;       // of the last request
  bool body_was_read = false;  // of the last request

 private:
  FakeVerifier verifier_;
  std::unique_ptr<io::Clock> clock_;
  std::unique_ptr<io::Random> random_;
  metrics::Registry metrics_;
  StepExecutor executor_;
  std::unique_ptr<Service> service_;
};

}  // namespace cairn::s3::testing
