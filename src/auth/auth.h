// Who sends a request, and may they: AWS Signature Version 4 and the authorization decision. Values in, values out; no
// I/O. https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
//
// Independent of net: a request is described by views the caller owns.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "crypto/digest.h"
#include "io/bytes.h"

namespace cairn::auth {

struct Identity {
  std::string access_key{};   // empty: anonymous
  std::string user{};         // display name and owner id
  bool root = false;
  bool anonymous() const { return access_key.empty(); }
};

// Looks secrets up. Thread-safe; secrets never reach a log.
class Credentials {
 public:
  virtual ~Credentials() = default;
  struct Found {
    Identity identity;
    std::string secret;
  };
  virtual std::optional<Found> find(std::string_view access_key) const = 0;
};
std::unique_ptr<Credentials> root_credentials(std::string access_key, std::string secret);

struct HttpView {
  std::string_view method;
  std::string_view path;      // as sent, percent-encoded
  std::string_view query;     // as sent, percent-encoded, without '?'
  const std::vector<std::pair<std::string, std::string>>* headers = nullptr;
};

// How the body is protected, as x-amz-content-sha256 says.
enum class Payload : std::uint8_t {
  unsigned_payload,             // UNSIGNED-PAYLOAD, or presigned without the header
  digest,                       // hex SHA-256 of the body, to be verified
  signed_chunks,                // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
  signed_chunks_trailer,        // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
  unsigned_chunks_trailer,      // STREAMING-UNSIGNED-PAYLOAD-TRAILER
};

// The outcome of verification: who, and what reading the body still has to check.
struct Verified {
  Identity identity{};
  Payload payload = Payload::unsigned_payload;
  std::string payload_sha256{};     // hex; of Payload::digest
  bool presigned = false;
  // For signed chunks:
  crypto::Sha256Digest signing_key{};
  std::string seed_signature{};     // hex
  std::string date_time{};          // 20130524T000000Z
  std::string scope{};              // 20130524/us-east-1/s3/aws4_request
};

struct VerifyOptions {
  std::string region = "us-east-1";
  std::int64_t max_skew_ms = 15 * 60 * 1000;
};

// Checks the signature of a request's head in whatever form it has (Authorization header, presigned query). A request
// with neither is anonymous. Caches derived signing keys. Thread-safe.
class Verifier {
 public:
  virtual ~Verifier() = default;
  virtual Result<Verified> verify(const HttpView& request, std::int64_t now_ms) const = 0;
};
std::unique_ptr<Verifier> make_verifier(const Credentials& credentials, VerifyOptions options);

// Wraps a request body: decodes aws-chunked, verifies chunk signatures, digests and the trailer's signature. Errors end
// the body. `decoded_length`: x-amz-decoded-content-length. Trailers are there once read() returned 0.
class BodyReader : public io::ByteSource {
 public:
  virtual const std::vector<std::pair<std::string, std::string>>& trailers() const = 0;  // names in lower case
};
std::unique_ptr<BodyReader> make_body_reader(const Verified& verified, io::ByteSource& raw,
                                             std::optional<std::uint64_t> decoded_length,
                                             std::vector<std::string> announced_trailers);

// ---- the one authorization decision

struct Action {
  std::string_view name;       // "s3:GetObject"
  std::string bucket{};        // empty: the service itself
  std::string key{};
};
// ok or access_denied. Deny by default; anonymous is denied.
class Policy {
 public:
  virtual ~Policy() = default;
  virtual Result<void> decide(const Identity& identity, const Action& action) const = 0;
};
std::unique_ptr<Policy> root_only_policy();

// ---- signing, for clients (cairn bench) and tests
struct SignRequest {
  std::string method{}, path{}, query{};    // encoded as sent
  std::vector<std::pair<std::string, std::string>> headers{};  // host included
  std::string payload_sha256 = "UNSIGNED-PAYLOAD";
  std::string access_key{}, secret{}, region = "us-east-1";
  std::int64_t now_ms = 0;
};
// The headers to add: x-amz-date, x-amz-content-sha256, authorization.
std::vector<std::pair<std::string, std::string>> sign(const SignRequest& request);
// The query string (with signature) of a presigned request; only `host` is signed.
std::string presign(const SignRequest& request, std::chrono::seconds expires);

}  // namespace cairn::auth
