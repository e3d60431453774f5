// The examples are AWS's own:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html (and its query and
// streaming pages)
#include <gtest/gtest.h>

#include <thread>

#include "auth/auth.h"
#include "auth/canonical.h"
#include "auth/times.h"

namespace cairn::auth {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr std::int64_t kNow = 1369353600000;  // 2013-05-24T00:00:00Z
constexpr char kKey[] = "AKIAIOSFODNN7EXAMPLE";
constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr char kEmptyHash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kCredential[] =
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,";

struct Request {
  std::string method = "GET", path = "/test.txt", query{};
  Headers headers{};
  HttpView view() const { return {method, path, query, &headers}; }
  void set(std::string_view name, std::string value) {
    for (auto& [field, old] : headers) {
      if (equal_ignoring_case(field, name)) {
        old = std::move(value);
        return;
      }
    }
    headers.emplace_back(name, std::move(value));
  }
  void remove(std::string_view name) {
    std::erase_if(headers, [&](const auto& h) { return equal_ignoring_case(h.first, name); });
  }
};

class SigV4 : public ::testing::Test {
 protected:
  Result<Verified> verify(const Request& request, std::int64_t now = kNow) {
    return verifier_->verify(request.view(), now);
  }
  void expect_error(const Request& request, Code code, std::string_view part = "",
                    std::int64_t now = kNow) {
    const auto result = verify(request, now);
    ASSERT_FALSE(result);
    EXPECT_EQ(name_of(result.code()), name_of(code)) << result.error().message;
    EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
  }
  std::unique_ptr<Credentials> credentials_ = root_credentials(kKey, kSecret);
  std::unique_ptr<Verifier> verifier_ = make_verifier(*credentials_, {});
};

Request get_object() {
  Request r;
  r.headers = {
      {"Host", "examplebucket.s3.amazonaws.com"},
      {"Range", "bytes=0-9"},
      {"x-amz-content-sha256", kEmptyHash},
      {"x-amz-date", "20130524T000000Z"},
      {"Authorization", std::string(kCredential) +
                            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
                            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}};
  return r;
}

Request presigned() {
  Request r;
  r.query =
      "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-"
      "1"
      "%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders="
      "host"
      "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
  r.headers = {{"Host", "examplebucket.s3.amazonaws.com"}};
  return r;
}

TEST_F(SigV4, AwsExampleGetObject) {
  const auto verified = verify(get_object());
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->identity.access_key, kKey);
  EXPECT_TRUE(verified->identity.root);
  EXPECT_EQ(verified->payload, Payload::digest);
  EXPECT_EQ(verified->payload_sha256, kEmptyHash);
  EXPECT_FALSE(verified->presigned);
}

TEST_F(SigV4, AwsExamplePutObject) {
  Request r;
  r.method = "PUT";
  const std::string hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  r.headers = {{"Host", "examplebucket.s3.amazonaws.com"},
               {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
               {"x-amz-date", "20130524T000000Z"},
               {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
               {"x-amz-content-sha256", hash},
               {"Authorization",
                std::string(kCredential) +
                    "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
                    "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"}};
  // However the client spells the path, it is the same object and the same signature.
  for (const char* path : {"/test$file.text", "/test%24file.text", "/%74est%24file%2etext"}) {
    r.path = path;
    EXPECT_TRUE(verify(r)) << path;
  }
  r.path = "/test%2524file.text";
  expect_error(r, Code::signature_does_not_match);
}

TEST_F(SigV4, AwsExampleGetLifecycleAndList) {
  Request r = get_object();
  r.remove("Range");
  r.path = "/";
  r.query = "lifecycle";
  const std::string names =
      std::string(kCredential) + "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=";
  r.set("Authorization",
        names + "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_TRUE(verify(r));
  r.query = "lifecycle=";
  EXPECT_TRUE(verify(r));
  r.set("Authorization",
        names + "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  for (const char* query :
       {"max-keys=2&prefix=J", "prefix=J&max-keys=2", "prefix=%4a&max-keys=%32"}) {
    r.query = query;
    EXPECT_TRUE(verify(r)) << query;
  }
}

TEST_F(SigV4, AwsExamplePresigned) {
  const auto verified = verify(presigned());
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_TRUE(verified->presigned);
  EXPECT_EQ(verified->payload, Payload::unsigned_payload);
}

TEST_F(SigV4, AwsExampleChunkedSeed) {
  Request r;
  r.method = "PUT";
  r.path = "/examplebucket/chunkObject.txt";
  r.headers = {{"Host", "s3.amazonaws.com"},
               {"x-amz-date", "20130524T000000Z"},
               {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
               {"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
               {"Content-Encoding", "aws-chunked"},
               {"x-amz-decoded-content-length", "66560"},
               {"Content-Length", "66824"},
               {"Authorization",
                std::string(kCredential) +
                    "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-"
                    "date;x-amz-decoded-content-length;x-amz-storage-class,Signature="
                    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"}};
  const auto verified = verify(r);
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->payload, Payload::signed_chunks);
  EXPECT_EQ(verified->seed_signature,
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  EXPECT_EQ(verified->scope, "20130524/us-east-1/s3/aws4_request");
  EXPECT_EQ(verified->date_time, "20130524T000000Z");
}

// Whatever is covered by the signature cannot be changed.
TEST_F(SigV4, TamperedRequestsAreRefused) {
  const Code wrong = Code::signature_does_not_match;
  Request r = get_object();
  r.method = "PUT";
  expect_error(r, wrong);
  r = get_object();
  r.path = "/test.txu";
  expect_error(r, wrong);
  r = get_object();
  r.path = "//test.txt";
  expect_error(r, wrong);
  r = get_object();
  r.path = "/a/../test.txt";
  expect_error(r, wrong);
  r = get_object();
  r.query = "acl";
  expect_error(r, wrong);
  r = get_object();
  r.set("range", "bytes=0-10");
  expect_error(r, wrong);
  r = get_object();
  r.set("host", "otherbucket.s3.amazonaws.com");
  expect_error(r, wrong);
  r = get_object();
  r.remove("range");
  expect_error(r, wrong);
  r = get_object();
  r.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
  expect_error(r, wrong);
  r = get_object();
  r.set("x-amz-date", "20130524T000001Z");
  expect_error(r, wrong);
}

TEST_F(SigV4, MismatchTellsWhatWasSigned) {
  Request r = get_object();
  r.method = "PUT";
  const auto result = verify(r);
  ASSERT_FALSE(result);
  std::map<std::string, std::string> details(result.error().details.begin(),
                                             result.error().details.end());
  EXPECT_EQ(details["AWSAccessKeyId"], kKey);
  EXPECT_TRUE(details["StringToSign"].starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/"));
  EXPECT_TRUE(details["CanonicalRequest"].starts_with("PUT\n/test.txt\n\nhost:"));
  EXPECT_TRUE(details["SignatureProvided"].starts_with("f0e8"));
  for (const auto& [name, value] : details)
    EXPECT_EQ(value.find(kSecret), std::string::npos) << name;
}

TEST_F(SigV4, HeaderWhitespaceIsFoldedAndRepeatsAreJoined) {
  SignRequest s{
      .method = "GET", .path = "/k", .access_key = kKey, .secret = kSecret, .now_ms = kNow};
  s.headers = {{"host", "h"}, {"x-amz-meta-a", "  one   two "}, {"x-amz-meta-a", "three"}};
  Request r{.path = "/k", .headers = s.headers};
  for (auto& header : sign(s)) r.headers.push_back(header);
  EXPECT_TRUE(verify(r));
  r.headers[1].second = "one two";
  EXPECT_TRUE(verify(r));
  std::erase_if(r.headers, [](const auto& h) { return h.first == "x-amz-meta-a"; });
  r.headers.emplace_back("X-Amz-Meta-A", "one two,three");
  EXPECT_TRUE(verify(r));
  r.headers.back().second = "one two, three";
  expect_error(r, Code::signature_does_not_match);
}

TEST_F(SigV4, UnsignedHostOrAmzHeadersAreRefused) {
  Request r = get_object();
  r.headers.emplace_back("X-Amz-Acl", "public-read");
  expect_error(r, Code::unsigned_headers,
               "There were headers present in the request which were not");
  r = presigned();
  r.headers.emplace_back("x-amz-meta-a", "b");
  expect_error(r, Code::unsigned_headers);
  r = get_object();
  r.set("Authorization",
        std::string(kCredential) + "SignedHeaders=x-amz-content-sha256;x-amz-date,Signature=00");
  expect_error(r, Code::unsigned_headers);
}

TEST_F(SigV4, ClockSkew) {
  constexpr std::int64_t kQuarter = 15 * 60 * 1000;
  EXPECT_TRUE(verify(get_object(), kNow + kQuarter));
  EXPECT_TRUE(verify(get_object(), kNow - kQuarter));
  expect_error(get_object(), Code::request_time_too_skewed, "", kNow + kQuarter + 1);
  expect_error(get_object(), Code::request_time_too_skewed, "", kNow - kQuarter - 1);
  // Also where the day of the credential is another one.
  Request r = get_object();
  for (const char* far : {"20100707T215304Z", "20300707T215304Z", "99990707T215304Z"}) {
    r.set("x-amz-date", far);
    expect_error(r, Code::request_time_too_skewed);
  }
  r.set("x-amz-date", "19500707T215304Z");
  expect_error(r, Code::access_denied, "valid Date or x-amz-date header");
}

TEST_F(SigV4, DateHeaderInsteadOfAmzDate) {
  SignRequest s{
      .method = "GET", .path = "/k", .access_key = kKey, .secret = kSecret, .now_ms = kNow};
  s.headers = {{"host", "h"}, {"date", "Fri, 24 May 2013 00:00:00 GMT"}};
  Request r{.path = "/k", .headers = s.headers};
  for (auto& header : sign(s)) r.headers.push_back(header);
  EXPECT_TRUE(verify(r));
  r.remove("x-amz-date");
  expect_error(
      r,
      Code::signature_does_not_match);  // it was signed: so the date is taken, but not without it
  r.remove("date");
  expect_error(r, Code::access_denied, "valid Date or x-amz-date header");
  r.headers.emplace_back("x-amz-date", "yesterday");
  expect_error(r, Code::access_denied, "valid Date or x-amz-date header");
}

TEST_F(SigV4, MissingOrOddPayloadHash) {
  Request r = get_object();
  r.remove("x-amz-content-sha256");
  expect_error(r, Code::invalid_request, "x-amz-content-sha256");
  for (const char* odd : {"", "abc", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}) {
    r.set("x-amz-content-sha256", odd);
    expect_error(r, Code::invalid_argument, "x-amz-content-sha256 must be");
  }
}

TEST_F(SigV4, WhoIsIt) {
  Request r = get_object();
  const auto other = root_credentials("AKIAOTHER", kSecret);
  const auto verifier = make_verifier(*other, {});
  const auto result = verifier->verify(r.view(), kNow);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.code(), Code::invalid_access_key_id);
  const auto changed = root_credentials(kKey, "another secret");
  EXPECT_TRUE(verify(r));  // the key of the old secret is cached now
  EXPECT_EQ(make_verifier(*changed, {})->verify(r.view(), kNow).code(),
            Code::signature_does_not_match);
}

TEST_F(SigV4, RegionIsChecked) {
  const auto verifier = make_verifier(*credentials_, {.region = "eu-west-1"});
  const auto in_header = verifier->verify(get_object().view(), kNow);
  ASSERT_FALSE(in_header);
  EXPECT_EQ(in_header.code(), Code::authorization_header_malformed);
  ASSERT_EQ(in_header.error().details.size(), 1u);
  EXPECT_EQ(in_header.error().details[0].first, "Region");
  EXPECT_EQ(in_header.error().details[0].second, "eu-west-1");
  EXPECT_EQ(verifier->verify(presigned().view(), kNow).code(),
            Code::authorization_query_parameters_error);
}

TEST_F(SigV4, SessionTokensAreNotKnown) {
  SignRequest s{
      .method = "GET", .path = "/k", .access_key = kKey, .secret = kSecret, .now_ms = kNow};
  s.headers = {{"host", "h"}, {"x-amz-security-token", "token"}};
  Request r{.path = "/k", .headers = s.headers};
  for (auto& header : sign(s)) r.headers.push_back(header);
  expect_error(r, Code::invalid_token);
}

TEST_F(SigV4, MalformedAuthorizationHeaders) {
  const Code malformed = Code::authorization_header_malformed;
  const std::string rest = ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=00";
  const auto with = [&](std::string credential) {
    Request r = get_object();
    r.set("Authorization", "AWS4-HMAC-SHA256 Credential=" + std::move(credential) + rest);
    return r;
  };
  expect_error(with("x"), malformed, "the Credential is mal-formed");
  expect_error(with("a/20130524/us-east-1/s3"), malformed, "the Credential is mal-formed");
  expect_error(with("/20130524/us-east-1/s3/aws4_request"), malformed, "non-empty Access Key");
  expect_error(with("a/2013-5-2/us-east-1/s3/aws4_request"), malformed, "incorrect date format");
  expect_error(with("a/20130532/us-east-1/s3/aws4_request"), malformed, "incorrect date format");
  expect_error(with("a/20130524/us-east-1/ec2/aws4_request"), malformed,
               "incorrect service \"ec2\"");
  expect_error(with("a/20130524/us-east-1/s3/aws4"), malformed, "incorrect terminal \"aws4\"");
  expect_error(with(std::string(kKey) + "/20130525/us-east-1/s3/aws4_request"), malformed,
               "Invalid credential date");
  // Who it is comes first.
  expect_error(with("a/20130525/us-east-1/s3/aws4_request"), Code::invalid_access_key_id);
  expect_error(with("a/20130524/us-east-1/s3/aws4_request"), Code::invalid_access_key_id);
  for (const char* header :
       {"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=a",
        "AWS4-HMAC-SHA256 Credential", "AWS4-HMAC-SHA256 Oops=1",
        "AWS4-HMAC-SHA256 Credential=a,Credential=b"}) {
    Request r = get_object();
    r.set("Authorization", header);
    expect_error(r, malformed);
  }
  for (const char* names : {"", "Host", "host;;x", "host;host", "ho st"}) {
    Request r = get_object();
    r.set("Authorization", std::string(kCredential) + "SignedHeaders=" + names + ",Signature=00");
    expect_error(r, malformed, "SignedHeaders");
  }
}

TEST_F(SigV4, OtherMechanisms) {
  Request r = get_object();
  for (const char* v2 :
       {"AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJl", "AWS4-ECDSA-P256-SHA256 Credential=a"}) {
    r.set("Authorization", v2);
    expect_error(r, Code::invalid_request, "Please use AWS4-HMAC-SHA256.");
  }
  for (const char* odd : {"Bearer abc", "Basic dTpw", "AWS4 HAHAHA"}) {
    r.set("Authorization", odd);
    expect_error(r, Code::invalid_argument, "Unsupported Authorization Type");
  }
  r.set("Authorization", "AWS HAHAHA");
  expect_error(r, Code::invalid_argument, "Expected AwsAccessKeyId:signature");
  for (const char* empty : {"", " \t"}) {
    r.set("Authorization", empty);
    const auto nobody = verify(r);
    ASSERT_TRUE(nobody) << nobody.error().message;
    EXPECT_TRUE(nobody->identity.anonymous());
  }
  r = Request{.query = "AWSAccessKeyId=a&Expires=1&Signature=b"};
  expect_error(r, Code::invalid_request, "Please use AWS4-HMAC-SHA256.");
}

TEST_F(SigV4, OnlyOneMechanism) {
  Request r = presigned();
  r.headers.emplace_back("Authorization", get_object().headers.back().second);
  expect_error(r, Code::invalid_argument, "Only one auth mechanism allowed");
  r = get_object();
  r.headers.push_back(r.headers.back());
  expect_error(r, Code::invalid_argument, "Only one auth mechanism allowed");
}

TEST_F(SigV4, NeitherIsAnonymous) {
  Request r{.query = "list-type=2&x-amz-signature=1"};
  auto verified = verify(r);
  ASSERT_TRUE(verified);
  EXPECT_TRUE(verified->identity.anonymous());
  EXPECT_FALSE(root_only_policy()->decide(verified->identity, {.name = "s3:ListBucket"}));
  r.headers = {{"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}};
  expect_error(r, Code::invalid_argument);
}

TEST_F(SigV4, PresignedExpiry) {
  constexpr std::int64_t kDay = 86'400'000;
  EXPECT_TRUE(verify(presigned(), kNow + kDay - 1));
  expect_error(presigned(), Code::request_expired, "Request has expired", kNow + kDay);
  EXPECT_TRUE(verify(presigned(), kNow - 15 * 60 * 1000));
  expect_error(presigned(), Code::access_denied, "not yet valid", kNow - 15 * 60 * 1000 - 1);
}

TEST_F(SigV4, MalformedPresigned) {
  const Code bad = Code::authorization_query_parameters_error;
  const auto with = [&](std::string_view from, std::string_view to) {
    Request r = presigned();
    const auto at = r.query.find(from);
    EXPECT_NE(at, std::string::npos);
    r.query.replace(at, from.size(), to);
    return r;
  };
  for (const char* name : {"X-Amz-Algorithm=AWS4-HMAC-SHA256&", "&X-Amz-Date=20130524T000000Z",
                           "&X-Amz-Expires=86400", "&X-Amz-SignedHeaders=host"})
    expect_error(with(name, ""), bad, "requires the X-Amz-Algorithm");
  expect_error(with("AWS4-HMAC-SHA256", "AWS4"), bad, "X-Amz-Algorithm only supports");
  expect_error(with("X-Amz-Expires=86400", "X-Amz-Expires=604801"), bad, "less than a week");
  expect_error(with("X-Amz-Expires=86400", "X-Amz-Expires=99999999999999999999"), bad,
               "less than a week");
  expect_error(with("X-Amz-Expires=86400", "X-Amz-Expires=-1"), bad, "non-negative");
  expect_error(with("X-Amz-Expires=86400", "X-Amz-Expires=1d"), bad, "should be a number");
  expect_error(with("X-Amz-Expires=86400", "X-Amz-Expires="), bad, "should be a number");
  expect_error(with("X-Amz-Expires=86400", "X-Amz-Expires=0"), Code::request_expired);
  expect_error(with("20130524T000000Z", "20130524"), bad, "X-Amz-Date must be");
  expect_error(with("20130524T000000Z", "20130523T235959Z"), bad, "Invalid credential date");
  expect_error(with("%2Faws4_request", ""), bad, "the Credential is mal-formed");
  expect_error(with("%2Fs3%2F", "%2Fiam%2F"), bad, "incorrect service");
  expect_error(with("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=HOST"), bad, "SignedHeaders");
  Request twice = presigned();
  twice.query += "&X-Amz-Expires=1";
  expect_error(twice, bad, "given twice");
  expect_error(with("X-Amz-Expires=86400", "X-Amz-Expires=604800"), Code::signature_does_not_match);
}

TEST_F(SigV4, PresignRoundTripWithOddKeysAndExtraParameters) {
  for (const char* key : {"a/b+c", "plain", "per%cent", "ключ"}) {
    const auto credentials = root_credentials(key, kSecret);
    const auto verifier = make_verifier(*credentials, {});
    SignRequest s{.method = "PUT",
                  .path = "/bucket/k%20ey",
                  .query = "partNumber=1&uploadId=a%2Fb",
                  .headers = {{"host", "localhost:9000"}},
                  .access_key = key,
                  .secret = kSecret,
                  .now_ms = kNow};
    Request r{.method = "PUT", .path = "/bucket/k%20ey", .headers = s.headers};
    r.query = presign(s, std::chrono::seconds(60));
    const auto verified = verifier->verify(r.view(), kNow);
    ASSERT_TRUE(verified) << key << ": " << verified.error().message;
    EXPECT_EQ(verified->identity.access_key, key);
    r.query += "&versionId=1";
    EXPECT_EQ(verifier->verify(r.view(), kNow).code(), Code::signature_does_not_match);
  }
}

TEST_F(SigV4, PresignedPayloadDigest) {
  SignRequest s{.method = "PUT",
                .path = "/k",
                .headers = {{"host", "h"}},
                .payload_sha256 = kEmptyHash,
                .access_key = kKey,
                .secret = kSecret,
                .now_ms = kNow};
  Request r{.method = "PUT", .path = "/k", .headers = s.headers};
  r.query = presign(s, std::chrono::seconds(60));
  const auto verified = verify(r);
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->payload, Payload::digest);
  EXPECT_EQ(verified->payload_sha256, kEmptyHash);
}

TEST_F(SigV4, IsThreadSafe) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) good += verify(get_object()).has_value();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good.load(), 800);
}

TEST(Canonical, Query) {
  const auto canonical = [](std::string_view query) {
    std::string out;
    append_canonical_query(out, query);
    return out;
  };
  EXPECT_EQ(canonical(""), "");
  EXPECT_EQ(canonical("b=2&a=1&a=0"), "a=0&a=1&b=2");
  EXPECT_EQ(canonical("a&b="), "a=&b=");
  EXPECT_EQ(canonical("a=b=c"), "a=b%3Dc");
  EXPECT_EQ(canonical("p=a/b c+d%2Be"), "p=a%2Fb%20c%20d%2Be");
  EXPECT_EQ(canonical("p=%e2%82%ac&&"), "p=%E2%82%AC");
  EXPECT_EQ(canonical("p=100%"), "p=100%25");
  EXPECT_EQ(canonical("X-Amz-Signature=x&a=1"), "a=1");
  // Sorted by what is encoded, the name before the value: '-' sorts before '='.
  EXPECT_EQ(canonical("a=1&a-b=1"), "a=1&a-b=1");
}

TEST(Canonical, Path) {
  const auto canonical = [](std::string_view path) {
    std::string out;
    append_normalised(out, path, UriPart::path);
    return out;
  };
  EXPECT_EQ(canonical("/a//b/../c/./"), "/a//b/../c/./");
  EXPECT_EQ(canonical("/a%2fb%2Fc"), "/a/b/c");
  EXPECT_EQ(canonical("/a+b c*"), "/a%2Bb%20c%2A");
  EXPECT_EQ(canonical("/%"), "/%25");
  EXPECT_EQ(canonical("/%zz%4"), "/%25zz%254");
  EXPECT_EQ(canonical("/\xd0\xba"), "/%D0%BA");
}

TEST(Times, Parse) {
  EXPECT_EQ(parse_amz_date("20130524T000000Z"), kNow);
  EXPECT_EQ(parse_http_date("Fri, 24 May 2013 00:00:00 GMT"), kNow);
  EXPECT_EQ(format_amz_date(kNow), "20130524T000000Z");
  EXPECT_EQ(format_iso_date(kNow + 999), "2013-05-24T00:00:00Z");
  for (const char* bad : {"", "20130524T000000", "20130524 000000Z", "20130230T000000Z",
                          "20130524T240000Z", "20130524T00000xZ", "2013-5-24T000000Z"})
    EXPECT_FALSE(parse_amz_date(bad)) << bad;
  for (const char* bad : {"Fri, 24 May 2013 00:00:00 CET", "Fri, 24 ayJ 2013 00:00:00 GMT",
                          "24 May 2013", "Fri, 32 May 2013 00:00:00 GMT"})
    EXPECT_FALSE(parse_http_date(bad)) << bad;
  EXPECT_TRUE(is_scope_date("20240229"));
  EXPECT_FALSE(is_scope_date("20230229"));
}

TEST(Policy, OnlyRootMay) {
  const auto policy = root_only_policy();
  EXPECT_TRUE(
      policy->decide({.access_key = "k", .user = "k", .root = true}, {.name = "s3:GetObject"}));
  EXPECT_EQ(policy->decide({.access_key = "k", .user = "k"}, {.name = "s3:GetObject"}).code(),
            Code::access_denied);
  EXPECT_EQ(policy->decide({.root = true}, {.name = "s3:GetObject"}).code(), Code::access_denied);
}

}  // namespace
}  // namespace cairn::auth
