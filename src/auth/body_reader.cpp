#include "auth/chunked_reader.h"

namespace cairn::auth {
namespace {

class PlainReader : public BodyReader {
 public:
  explicit PlainReader(io::ByteSource& raw) : raw_(raw) {}
  io::Task<Result<std::size_t>> read(io::MutableBytes into) override { return raw_.read(into); }
  const std::vector<std::pair<std::string, std::string>>& trailers() const override {
    return trailers_;
  }

 protected:
  io::ByteSource& raw_;

 private:
  const std::vector<std::pair<std::string, std::string>> trailers_{};
};

// Checks the digest that the request's head was signed with.
class DigestReader final : public PlainReader {
 public:
  DigestReader(io::ByteSource& raw, std::string expected_hex)
      : PlainReader(raw), expected_(std::move(expected_hex)), hasher_(crypto::make_sha256()) {}

  io::Task<Result<std::size_t>> read(io::MutableBytes into) override {
    if (failed_) co_return *failed_;
    if (hasher_ == nullptr) co_return std::size_t{0};
    auto got = co_await raw_.read(into);
    if (got && *got > 0) {
      hasher_->update(into.first(*got));
      co_return got;
    }
    if (got) {
      const std::string digest = hasher_->finish();
      hasher_.reset();
      const std::string computed = crypto::to_hex(as_bytes(digest));
      if (computed == expected_) co_return std::size_t{0};
      got = Error(
          Code::content_sha256_mismatch,
          "The provided 'x-amz-content-sha256' header does not match what was computed.",
          {{"ClientComputedContentSHA256", expected_}, {"S3ComputedContentSHA256", computed}});
    }
    failed_ = got.error();
    co_return got;
  }

 private:
  const std::string expected_;
  std::unique_ptr<crypto::Hasher> hasher_;  // null: the end was reached and proven
  std::optional<Error> failed_{};
};

}  // namespace

std::unique_ptr<BodyReader> make_body_reader(const Verified& verified, io::ByteSource& raw,
                                             std::optional<std::uint64_t> decoded_length,
                                             std::vector<std::string> announced_trailers) {
  switch (verified.payload) {
    case Payload::unsigned_payload:
      return std::make_unique<PlainReader>(raw);
    case Payload::digest:
      return std::make_unique<DigestReader>(raw, verified.payload_sha256);
    case Payload::signed_chunks:
    case Payload::signed_chunks_trailer:
    case Payload::unsigned_chunks_trailer:
      break;
  }
  return make_chunked_reader(verified, raw, decoded_length, std::move(announced_trailers));
}

}  // namespace cairn::auth
