#include "server/access_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace cairn::server {
namespace {

TEST(AccessLog, ShowsNoSecretsOfTheQuery) {
  EXPECT_EQ(redact_query("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F2&X-Amz-Signature="
                         "abc&x=1&uploads"),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=-&X-Amz-Signature=-&x=1&uploads");
  EXPECT_EQ(redact_query("x%2Damz%2dsignature=abc"), "x%2Damz%2dsignature=-");
  EXPECT_EQ(redact_query("X-Amz-Security-Token=t&x-amz-server-side-encryption-customer-key=k"),
            "X-Amz-Security-Token=-&x-amz-server-side-encryption-customer-key=-");
  EXPECT_EQ(redact_query("AWSAccessKeyId=a&Signature=b&Expires=1"),
            "AWSAccessKeyId=-&Signature=-&Expires=1");
  EXPECT_EQ(redact_query("%zz=secret"), "%zz=-");
  EXPECT_EQ(redact_query(""), "");
}

TEST(AccessLog, OneLineWhateverTheRequest) {
  AccessRecord record;
  record.time_ms = 784111777005;
  record.peer = "127.0.0.1:1";
  record.method = "GET";
  record.path = "/b/\"\\\n\xff";
  record.query = "a=1";
  record.operation = "GetObject";
  record.request_id = "ABC";
  record.status = 200;
  record.bytes_in = 1;
  record.bytes_out = 2;
  record.seconds = 0.0015;
  EXPECT_EQ(
      format_access(record),
      R"({"time":"1994-11-06T08:49:37.005Z","peer":"127.0.0.1:1","method":"GET","path":"/b/\"\\\u000a\u00ff",)"
      R"("query":"a=1","operation":"GetObject","status":200,"bytes_in":1,"bytes_out":2,"duration_us":1500,)"
      R"("request_id":"ABC"})"
      "\n");
}

std::string content_of(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

TEST(AccessLog, AppendsAndFollowsAFileThatWasMoved) {
  const std::string path = ::testing::TempDir() + "access_log_test." + std::to_string(::getpid());
  std::filesystem::remove(path);
  AccessRecord record;
  record.path = "/one";
  {
    auto log = AccessLog::open(path);
    ASSERT_TRUE(log);
    (*log)->write(record);
  }
  std::filesystem::rename(path, path + ".1");
  {
    auto log = AccessLog::open(path);
    ASSERT_TRUE(log);
    std::filesystem::rename(path, path + ".2");
    record.path = "/two";
    (*log)->write(record);
  }
  EXPECT_NE(content_of(path + ".1").find("/one"), std::string::npos);
  EXPECT_EQ(content_of(path + ".2"), "");
  EXPECT_NE(content_of(path).find("/two"), std::string::npos);
  for (const auto* suffix : {"", ".1", ".2"}) std::filesystem::remove(path + suffix);
}

TEST(AccessLog, AFileThatCannotBeOpenedIsAnError) {
  const auto log = AccessLog::open("/no/such/directory/log");
  ASSERT_FALSE(log);
  EXPECT_NE(log.error().message.find("/no/such/directory/log"), std::string::npos);
}

}  // namespace
}  // namespace cairn::server
