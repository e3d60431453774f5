#include "s3/body.h"

#include <algorithm>
#include <array>

#include "s3/checksums.h"
#include "s3/error.h"

namespace cairn::s3 {
namespace {

bool has_trailer(auth::Payload payload) {
  return payload == auth::Payload::signed_chunks_trailer ||
         payload == auth::Payload::unsigned_chunks_trailer;
}
bool is_chunked(auth::Payload payload) {
  return payload == auth::Payload::signed_chunks || has_trailer(payload);
}

// Names in x-amz-trailer, lower case.
std::vector<std::string> announced_trailers(const net::Headers& headers) {
  std::vector<std::string> names;
  const std::string joined = headers.joined("x-amz-trailer");
  std::string name;
  for (const char c : joined + ',') {
    if (c == ',') {
      if (!name.empty()) names.push_back(std::move(name));
      name.clear();
    } else if (c != ' ' && c != '\t') {
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
  }
  return names;
}

Result<std::optional<std::string>> content_md5(const net::Headers& headers) {
  const auto text = headers.get("content-md5");
  if (!text) return std::optional<std::string>{};
  auto raw = crypto::from_base64(*text);
  if (!raw || raw->size() != 16) {
    return Error{Code::invalid_digest,
                 "The Content-MD5 you specified was invalid.",
                 {{"Content-MD5", std::string(*text)}}};
  }
  return std::optional<std::string>(std::move(*raw));
}

Result<std::string> trailer_value(const auth::BodyReader& reader, crypto::Checksum algorithm) {
  const std::string_view name = checksum_header_name(algorithm);
  for (const auto& [n, v] : reader.trailers()) {
    if (n != name) continue;
    auto raw = decode_checksum(algorithm, v);
    if (!raw)
      return Error{Code::invalid_request,
                   "Value for " + std::string(name) + " trailing header is invalid."};
    return raw;
  }
  return Error{Code::malformed_trailer,
               "The announced trailer " + std::string(name) + " did not come."};
}

// The checksum that the headers state or announce.
Result<std::optional<object::ExpectedChecksum>> expected_checksum(
    Context& context, const std::vector<std::string>& trailers) {
  std::optional<object::ExpectedChecksum> expected;
  CAIRN_ASSIGN(auto stated, checksum_among(context.request.headers));
  if (stated)
    expected =
        object::ExpectedChecksum{.algorithm = stated->first, .value = std::move(stated->second)};
  for (const std::string& name : trailers) {
    CAIRN_ASSIGN(const auto algorithm, checksum_of_header(name));
    if (!algorithm) {  // what else comes behind the body would be dropped
      return Error{Code::invalid_request,
                   "The value specified in the x-amz-trailer header is not supported"};
    }
    if (expected) {
      return Error{
          Code::invalid_request,
          "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."};
    }
    if (!has_trailer(context.who.payload)) {
      return Error{Code::malformed_trailer,
                   "A trailer was announced but the body cannot have one."};
    }
    const auth::BodyReader* reader = context.body_reader.get();
    expected = object::ExpectedChecksum{
        .algorithm = *algorithm,
        .from_trailer = [reader, a = *algorithm] { return trailer_value(*reader, a); }};
  }
  const auto sdk = context.header("x-amz-sdk-checksum-algorithm");
  if (!sdk) return expected;
  const auto named = crypto::parse_checksum(*sdk);
  if (!named) {
    return Error{Code::invalid_request,
                 "Value for x-amz-sdk-checksum-algorithm header is invalid."};
  }
  if (!expected && !context.who.presigned) {
    return Error{Code::invalid_request,
                 "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
                 "x-amz-trailer "
                 "headers were found."};
  }
  if (expected && expected->algorithm != *named) {
    return Error{Code::invalid_request,
                 "Value for x-amz-sdk-checksum-algorithm header is invalid."};
  }
  return expected;
}

Result<void> verify(const std::string& text, const Body& body) {
  if (body.content_md5) {
    const auto digest = crypto::md5(io::as_bytes(text));
    if (!std::ranges::equal(digest, *body.content_md5, [](std::uint8_t a, char b) {
          return a == static_cast<std::uint8_t>(b);
        })) {
      return Error{Code::bad_digest,
                   "The Content-MD5 you specified did not match what we received."};
    }
  }
  if (body.checksum) {
    std::string expected;
    if (body.checksum->value) {
      expected = *body.checksum->value;
    } else {
      CAIRN_ASSIGN(expected, body.checksum->from_trailer());
    }
    const auto hasher = crypto::make_checksum(body.checksum->algorithm);
    hasher->update(io::as_bytes(text));
    if (hasher->finish() != expected) {
      return Error{Code::bad_digest,
                   "The " + std::string(crypto::checksum_name(body.checksum->algorithm)) +
                       " you specified did not match the calculated checksum."};
    }
  }
  return {};
}

}  // namespace

Result<Body> open_body(Context& context, Integrity integrity) {
  net::Request& request = context.request;
  Body body;
  std::vector<std::string> trailers;
  if (is_chunked(context.who.payload)) {
    const auto text = request.headers.get("x-amz-decoded-content-length");
    if (!text)
      return Error{Code::missing_content_length, "x-amz-decoded-content-length is missing."};
    body.size = parse_number(*text);
    if (!body.size) {
      return Error{Code::missing_content_length, "x-amz-decoded-content-length is not a number."};
    }
  } else if (request.content_length) {
    body.size = request.content_length;
  } else if (!request.has_body) {
    return Error{Code::missing_content_length, "You must provide the Content-Length HTTP header."};
  }
  if (request.headers.get("x-amz-trailer")) trailers = announced_trailers(request.headers);
  if (context.who.payload == auth::Payload::unsigned_payload) {
    body.source = request.body;
  } else {
    context.body_reader = auth::make_body_reader(context.who, *request.body, body.size, trailers);
    body.source = context.body_reader.get();
  }
  CAIRN_ASSIGN(body.content_md5, content_md5(request.headers));
  if (integrity != Integrity::only_md5) {
    CAIRN_ASSIGN(body.checksum, expected_checksum(context, trailers));
  }
  if (integrity == Integrity::required && !body.content_md5 && !body.checksum) {
    return Error{Code::invalid_request, "Missing required header for this request: Content-MD5"};
  }
  return body;
}

Result<void> check_size(const Body& body, std::uint64_t most) {
  if (body.size && *body.size > most) {
    return Error{
        Code::entity_too_large,
        "Your proposed upload exceeds the maximum allowed size",
        {{"ProposedSize", std::to_string(*body.size)}, {"MaxSizeAllowed", std::to_string(most)}}};
  }
  return {};
}

io::Task<Result<std::string>> read_document(Context& context, std::size_t most,
                                            Integrity integrity) {
  if (!context.request.has_body && !context.request.content_length)
    context.request.content_length = 0;
  CAIRN_CO_ASSIGN(Body body, open_body(context, integrity));
  const Error too_big(Code::max_message_length_exceeded, "Your request was too big.",
                      {{"MaxMessageLengthBytes", std::to_string(most)}});
  if (body.size && *body.size > most) co_return too_big;
  std::string text;
  std::array<std::byte, 16 * 1024> piece;  // NOLINT: filled by read
  for (;;) {
    auto got = co_await body.source->read(piece);
    if (!got) co_return std::move(got.error());
    if (*got == 0) break;
    if (text.size() + *got > most) co_return too_big;
    text.append(reinterpret_cast<const char*>(piece.data()), *got);
  }
  if (body.size && *body.size != text.size()) {
    co_return Error{Code::incomplete_body, "The body is not as long as the headers said."};
  }
  CAIRN_CO_TRY(verify(text, body));
  co_return text;
}

}  // namespace cairn::s3
