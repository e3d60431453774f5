// Request text -> response text, operation by operation: the files in testing/golden. Each file is
// one conversation with a new service. With CAIRN_GOLDEN_UPDATE set, the answers are written
// instead of compared; read the difference.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "s3/testing/harness.h"

namespace cairn::s3::testing {
namespace {

constexpr std::string_view kRequest = "=== request\n", kResponse = "=== response\n";

struct Exchange {
  std::string request{}, response{};
};
struct Golden {
  std::string intro{};  // comment lines before the first request
  std::vector<Exchange> exchanges{};
};

Golden load(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream buffer;
  buffer << in.rdbuf();
  std::string text = buffer.str();
  Golden golden;
  auto at = text.find(kRequest);
  golden.intro = text.substr(0, at);
  while (at != std::string::npos) {
    const auto begin = at + kRequest.size();
    const auto next = text.find(kRequest, begin);
    const std::string block = text.substr(begin, next == std::string::npos ? next : next - begin);
    const auto answer = block.find(kResponse);
    Exchange exchange{.request = block.substr(0, answer)};
    if (answer != std::string::npos) exchange.response = block.substr(answer + kResponse.size());
    golden.exchanges.push_back(std::move(exchange));
    at = next;
  }
  return golden;
}

// A body ends before the line break that separates it from what follows.
std::string request_text(const std::string& block) {
  std::string text = block;
  if (text.ends_with('\n') && text.find("\n\n") != text.size() - 2) text.pop_back();
  return text;
}

class GoldenTest : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(GoldenTest, AnswersAsWritten) {
  Golden golden = load(GetParam());
  ASSERT_FALSE(golden.exchanges.empty());
  Harness harness;
  std::string written = golden.intro;
  for (const Exchange& exchange : golden.exchanges) {
    const std::string actual = harness.exchange(request_text(exchange.request));
    if (std::getenv("CAIRN_GOLDEN_UPDATE") == nullptr)
      EXPECT_EQ(actual, exchange.response) << exchange.request;
    written += std::string(kRequest) + exchange.request + std::string(kResponse) + actual;
  }
  if (std::getenv("CAIRN_GOLDEN_UPDATE") != nullptr) std::ofstream(GetParam()) << written;
}

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(CAIRN_S3_GOLDEN))
    out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTest, ::testing::ValuesIn(files()),
                         [](const auto& info) { return info.param.stem().string(); });

}  // namespace
}  // namespace cairn::s3::testing
