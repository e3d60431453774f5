#include "server/router.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

Destination route(std::string method, std::string path, std::string query = "",
                  std::string host = "localhost:9000") {
  net::Request request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.query = std::move(query);
  request.headers.add("Host", std::move(host));
  return destination_of(request, {"s3.example.com"});
}

TEST(Router, ProbesAreExact) {
  for (const auto* path : {"/health/live", "/health/ready", "/metrics"}) {
    EXPECT_EQ(route("GET", path), Destination::admin) << path;
    EXPECT_EQ(route("PUT", path), Destination::s3) << path;
    EXPECT_EQ(route("HEAD", path), Destination::s3) << path;
    EXPECT_EQ(route("GET", path, "list-type=2"), Destination::s3) << path;
  }
}

TEST(Router, ASignedRequestIsForABucketThatIsCalledLikeAProbe) {
  net::Request request;
  request.method = "GET";
  request.path = "/metrics";
  request.headers.add("Host", "localhost:9000");
  EXPECT_EQ(destination_of(request, {}), Destination::admin);
  request.headers.add("Authorization", "AWS4-HMAC-SHA256 Credential=x");
  EXPECT_EQ(destination_of(request, {}), Destination::s3);
  request.headers.set("Authorization", "Bearer x");  // as a scraper may be told to send
  EXPECT_EQ(destination_of(request, {}), Destination::admin);
}

TEST(Router, BucketsMayBeCalledLikeProbes) {
  for (const auto* path :
       {"/", "/health", "/health/", "/health/other", "/health/live/x", "/health/live/", "/metrics/",
        "/metrics/key", "/Metrics", "/health//live", "/%6detrics"})
    EXPECT_EQ(route("GET", path), Destination::s3) << path;
}

TEST(Router, TheAdministrationHasAPrefix) {
  EXPECT_EQ(route("GET", "/_cairn/admin/v1/status"), Destination::admin);
  EXPECT_EQ(route("POST", "/_cairn/admin/v1/unknown", "q"), Destination::admin);
  EXPECT_EQ(route("GET", "/_cairn/admin/"), Destination::admin);
  EXPECT_EQ(route("GET", "/_cairn/admin"), Destination::s3);
  EXPECT_EQ(route("GET", "/cairn/admin/x"), Destination::s3);
  EXPECT_EQ(route("GET", "/_cairn/administrators"), Destination::s3);
  EXPECT_EQ(route("GET", "/cairn"), Destination::s3);
}

TEST(Router, ABucketInTheHostNameHasAllPathsForKeys) {
  EXPECT_EQ(route("GET", "/health/live", "", "b.s3.example.com"), Destination::s3);
  EXPECT_EQ(route("GET", "/_cairn/admin/v1/status", "", "b.c.S3.Example.COM:443"), Destination::s3);
  EXPECT_EQ(route("GET", "/health/live", "", "s3.example.com"), Destination::admin);
  EXPECT_EQ(route("GET", "/health/live", "", "xs3.example.com"), Destination::admin);
  EXPECT_EQ(route("GET", "/health/live", "", ".s3.example.com"), Destination::admin);
  EXPECT_EQ(route("GET", "/health/live", "", "[::1]:9000"), Destination::admin);
}

}  // namespace
}  // namespace cairn::server
