#include <gtest/gtest.h>

#include "auth/auth.h"
#include "auth/chunked_reader.h"
#include "auth/signing_key.h"
#include "io/testing/sim_executor.h"

namespace cairn::auth {
namespace {

constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr char kTrailerHeader[] = "x-amz-checksum-crc32c";

// Gives a text in pieces of at most `piece` bytes, then fails or ends.
class TextSource final : public io::ByteSource {
 public:
  TextSource(std::string text, std::size_t piece, std::optional<Error> failure = std::nullopt)
      : text_(std::move(text)), piece_(piece), failure_(std::move(failure)) {}
  io::Task<Result<std::size_t>> read(io::MutableBytes into) override {
    const std::size_t n = std::min({into.size(), piece_, text_.size() - at_});
    if (n == 0 && failure_) co_return *failure_;
    std::copy_n(text_.data() + at_, n, reinterpret_cast<char*>(into.data()));
    at_ += n;
    co_return n;
  }

 private:
  std::string text_;
  std::size_t piece_;
  std::optional<Error> failure_;
  std::size_t at_ = 0;
};

struct Outcome {
  Result<std::string> body;
  std::vector<std::pair<std::string, std::string>> trailers{};
};

struct Case {
  Verified verified{};
  std::string raw{};
  std::optional<std::uint64_t> length{};
  std::vector<std::string> announced{};
};

io::Task<Outcome> drain(BodyReader* reader, std::size_t room) {
  std::string all;
  std::string buffer(room, '?');
  for (;;) {
    auto got = co_await reader->read(std::as_writable_bytes(std::span(buffer)));
    if (!got) {
      // Once failed, it stays failed.
      auto again = co_await reader->read(std::as_writable_bytes(std::span(buffer)));
      EXPECT_FALSE(again);
      co_return Outcome{got.error()};
    }
    if (*got == 0) break;
    all.append(buffer, 0, *got);
  }
  auto again = co_await reader->read(std::as_writable_bytes(std::span(buffer)));
  EXPECT_EQ(again.value_or(1), 0u);
  co_return Outcome{std::move(all), reader->trailers()};
}

Outcome decode(const Case& c, std::size_t piece = SIZE_MAX, std::size_t room = 100'000,
               std::optional<Error> failure = std::nullopt) {
  TextSource source(c.raw, piece, std::move(failure));
  auto reader = make_body_reader(c.verified, source, c.length, c.announced);
  io::testing::SimExecutor sim(1);
  return sim.run(drain(reader.get(), room));
}

void expect_error(const Case& c, Code code) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
    const auto outcome = decode(c, piece);
    ASSERT_FALSE(outcome.body) << "piece " << piece;
    EXPECT_EQ(name_of(outcome.body.code()), name_of(code)) << "piece " << piece;
  }
}

Verified example(Payload payload, std::string seed) {
  Verified v;
  v.payload = payload;
  v.signing_key = derive_signing_key(kSecret, "20130524", "us-east-1");
  v.seed_signature = std::move(seed);
  v.date_time = "20130524T000000Z";
  v.scope = "20130524/us-east-1/s3/aws4_request";
  return v;
}

std::string chunk(std::string_view data, std::string_view signature) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx", data.size());
  std::string out = size;
  if (!signature.empty()) out += ";chunk-signature=" + std::string(signature);
  return out + "\r\n" + std::string(data) + (data.empty() ? "" : "\r\n");
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
Case aws_chunked() {
  return {example(Payload::signed_chunks,
                  "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"),
          chunk(std::string(65536, 'a'),
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648") +
              chunk(std::string(1024, 'a'),
                    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497") +
              chunk("", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9") +
              "\r\n",
          66560,
          {}};
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
Case aws_signed_trailer() {
  return {example(Payload::signed_chunks_trailer,
                  "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"),
          chunk(std::string(65536, 'a'),
                "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2") +
              chunk(std::string(1024, 'a'),
                    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7") +
              chunk("", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992") +
              "x-amz-checksum-crc32c:sOO8/Q==\r\n"
              "x-amz-trailer-signature:"
              "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
          66560,
          {kTrailerHeader}};
}

Case unsigned_trailer(std::string raw, std::uint64_t length,
                      std::vector<std::string> announced = {kTrailerHeader}) {
  Case c;
  c.verified.payload = Payload::unsigned_chunks_trailer;
  c.raw = std::move(raw);
  c.length = length;
  c.announced = std::move(announced);
  return c;
}

TEST(BodyReader, AwsExampleChunked) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, SIZE_MAX}) {
    for (const std::size_t room : {std::size_t{1}, std::size_t{8192}, std::size_t{200'000}}) {
      const auto outcome = decode(aws_chunked(), piece, room);
      ASSERT_TRUE(outcome.body) << outcome.body.error().message;
      EXPECT_EQ(*outcome.body, std::string(66560, 'a'));
    }
  }
}

TEST(BodyReader, AwsExampleSignedTrailer) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, SIZE_MAX}) {
    const auto outcome = decode(aws_signed_trailer(), piece);
    ASSERT_TRUE(outcome.body) << outcome.body.error().message;
    EXPECT_EQ(*outcome.body, std::string(66560, 'a'));
    ASSERT_EQ(outcome.trailers.size(), 1u);
    EXPECT_EQ(outcome.trailers[0].first, kTrailerHeader);
    EXPECT_EQ(outcome.trailers[0].second, "sOO8/Q==");
  }
}

// Every byte of a signed body is covered: by a signature, by the framing, or by the length.
TEST(BodyReader, AnyChangedByteIsDetected) {
  for (const Case& original : {aws_chunked(), aws_signed_trailer()}) {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < original.raw.size(); i += i < 120 || i > 65'500 ? 1 : 997)
      places.push_back(i);
    for (const std::size_t i : places) {
      Case c = original;
      c.raw[i] = static_cast<char>(c.raw[i] ^ 1);
      const auto outcome = decode(c);
      // A name of a trailer in capitals is the same name; nothing else may pass.
      EXPECT_FALSE(outcome.body) << "byte " << i;
    }
  }
}

TEST(BodyReader, EveryTruncationIsDetected) {
  for (const Case& original : {aws_chunked(), aws_signed_trailer()}) {
    // The last line end alone may be missing: the body's end is proven by its framing below.
    for (std::size_t size = 0; size + 2 < original.raw.size();
         size += size < 120 || size > 65'500 ? 1 : 997) {
      Case c = original;
      c.raw.resize(size);
      EXPECT_FALSE(decode(c).body) << "size " << size;
    }
  }
}

TEST(BodyReader, ChunksCannotBeReordered) {
  Case c = aws_chunked();
  const std::string first = chunk(
      std::string(65536, 'a'), "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
  const std::string second = chunk(
      std::string(1024, 'a'), "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
  c.raw = second + first + c.raw.substr(first.size() + second.size());
  expect_error(c, Code::signature_does_not_match);
}

TEST(BodyReader, UnsignedTrailer) {
  for (const char* raw : {"5\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n",
                          "5\r\nhello\r\n1\r\n!\r\n0\r\nX-Amz-Checksum-CRC32C: AAAAAA== \n\r\n",
                          "0005\r\nhello\r\n01\r\n!\r\n00\r\nx-amz-checksum-crc32c:AAAAAA==\r\n"}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{4}, SIZE_MAX}) {
      const auto outcome = decode(unsigned_trailer(raw, 6), piece, 3);
      ASSERT_TRUE(outcome.body) << raw << outcome.body.error().message;
      EXPECT_EQ(*outcome.body, "hello!");
      ASSERT_EQ(outcome.trailers.size(), 1u);
      EXPECT_EQ(outcome.trailers[0].first, kTrailerHeader);
      EXPECT_EQ(outcome.trailers[0].second, "AAAAAA==");
    }
  }
  EXPECT_EQ(decode(unsigned_trailer("0\r\n\r\n", 0, {})).body.value_or("?"), "");
}

TEST(BodyReader, AnnouncedTrailersMustComeAndNoOthers) {
  expect_error(unsigned_trailer("1\r\nx\r\n0\r\n\r\n", 1), Code::malformed_trailer);
  expect_error(unsigned_trailer("1\r\nx\r\n0\r\nx-amz-checksum-sha1:a\r\n\r\n", 1),
               Code::malformed_trailer);
  const std::string line = "x-amz-checksum-crc32c:a\r\n";
  expect_error(unsigned_trailer("0\r\n" + line + line + "\r\n", 0), Code::malformed_trailer);
  expect_error(unsigned_trailer("0\r\n" + line + "x-amz-trailer-signature:00\r\n\r\n", 0),
               Code::malformed_trailer);
  expect_error(unsigned_trailer("0\r\nx-amz-checksum-crc32c\r\n\r\n", 0), Code::malformed_trailer);
  expect_error(unsigned_trailer("0\r\n:a\r\n\r\n", 0), Code::malformed_trailer);
  expect_error(
      unsigned_trailer("0\r\nx-amz-checksum-crc32c:" + std::string(5000, 'a') + "\r\n\r\n", 0),
      Code::malformed_trailer);
}

TEST(BodyReader, DecodedLengthMustMatch) {
  expect_error(unsigned_trailer("5\r\nhello\r\n0\r\n\r\n", 4, {}), Code::incomplete_body);
  expect_error(unsigned_trailer("5\r\nhello\r\n0\r\n\r\n", 6, {}), Code::incomplete_body);
  Case c = unsigned_trailer("0\r\n\r\n", 0, {});
  c.length.reset();
  expect_error(c, Code::missing_content_length);
}

TEST(BodyReader, MalformedChunks) {
  const auto bad = [](std::string raw) { return unsigned_trailer(std::move(raw), 5, {}); };
  for (const char* raw :
       {"", "5", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n", "zz\r\nhello\r\n0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n", "5;x=y\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\nmore"})
    expect_error(bad(raw), Code::incomplete_body);
  expect_error(bad(std::string(17, 'f') + "\r\n"), Code::invalid_chunk_size);
  expect_error(bad("5;chunk-signature=" + std::string(5000, '0')), Code::incomplete_body);
  Case c = aws_chunked();
  c.raw = "5\r\nhello\r\n0\r\n\r\n";
  c.length = 5;
  expect_error(c, Code::signature_does_not_match);
}

TEST(BodyReader, DigestIsVerifiedAtTheEnd) {
  Case c;
  c.verified.payload = Payload::digest;
  c.verified.payload_sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
  c.raw = "hello";
  for (const std::size_t piece : {std::size_t{1}, SIZE_MAX})
    EXPECT_EQ(decode(c, piece).body.value_or("?"), "hello");
  c.raw = "hellO";
  expect_error(c, Code::content_sha256_mismatch);
  c.raw = "";
  expect_error(c, Code::content_sha256_mismatch);
}

TEST(BodyReader, UnsignedPassesThrough) {
  Case c;
  c.raw = "anything";
  EXPECT_EQ(decode(c, 3).body.value_or("?"), "anything");
}

TEST(BodyReader, ErrorsFromBelowArePassedOn) {
  for (Case c : {aws_chunked(), aws_signed_trailer(), Case{}}) {
    c.raw.resize(c.raw.size() / 2);
    const auto outcome = decode(c, 1000, 5000, Error(Code::connection_closed, "gone"));
    ASSERT_FALSE(outcome.body);
    EXPECT_EQ(outcome.body.code(), Code::connection_closed);
  }
}

}  // namespace
}  // namespace cairn::auth
