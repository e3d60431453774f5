#include "auth/chunked_reader.h"

#include <algorithm>

#include "auth/canonical.h"
#include "base/assert.h"

namespace cairn::auth {
namespace {

constexpr std::size_t kChunkLineMax = 256;
constexpr std::size_t kTrailerLineMax = 4096;
constexpr std::size_t kTrailersMax = 16;
constexpr std::size_t kBufferSize = 4096;
constexpr std::string_view kSignaturePrefix = ";chunk-signature=";
constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature";

Error incomplete() {
  return {Code::incomplete_body,
          "You did not provide the number of bytes specified by the Content-Length HTTP header"};
}
Error malformed_chunk() {
  return {Code::incomplete_body, "The request body terminated unexpectedly"};
}
Error malformed_trailer() {
  return {Code::malformed_trailer,
          "The request contained trailing data that was not well-formed or did not conform to our "
          "published schema."};
}
Error wrong_signature() {
  return {
      Code::signature_does_not_match,
      "The request signature we calculated does not match the signature you provided. Check your "
      "key and signing method."};
}

struct ChunkHead {
  std::uint64_t size = 0;
  std::string_view signature{};
};

Result<ChunkHead> parse_chunk_head(std::string_view line, bool signed_chunks) {
  ChunkHead head;
  std::size_t digits = 0;
  for (; digits < line.size(); ++digits) {
    const char c = line[digits];
    unsigned value;
    if (c >= '0' && c <= '9')
      value = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = static_cast<unsigned>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      value = static_cast<unsigned>(c - 'A' + 10);
    else
      break;
    if (digits == 15) return Error(Code::invalid_chunk_size, "The chunk size is too large");
    head.size = head.size << 4 | value;
  }
  if (digits == 0) return malformed_chunk();
  const std::string_view rest = line.substr(digits);
  if (rest.empty()) {
    // A chunk without a signature where one is required is as good as one with a wrong signature.
    if (signed_chunks) return wrong_signature();
    return head;
  }
  if (!rest.starts_with(kSignaturePrefix)) return malformed_chunk();
  head.signature = rest.substr(kSignaturePrefix.size());
  return head;
}

class ChunkedReader final : public BodyReader {
 public:
  ChunkedReader(const Verified& verified, io::ByteSource& raw,
                std::optional<std::uint64_t> decoded_length, std::vector<std::string> announced)
      : raw_(raw),
        signed_(verified.payload != Payload::unsigned_chunks_trailer),
        has_trailer_(verified.payload != Payload::signed_chunks),
        expected_(decoded_length),
        announced_(std::move(announced)),
        signer_(verified) {
    for (auto& name : announced_) to_lower(name);
  }

  const std::vector<std::pair<std::string, std::string>>& trailers() const override {
    return trailers_;
  }

  io::Task<Result<std::size_t>> read(io::MutableBytes into) override {
    CAIRN_ASSERT(!into.empty());
    if (failed_) co_return *failed_;
    auto result = co_await read_some(into);
    if (!result) failed_ = result.error();
    co_return result;
  }

 private:
  enum class State : std::uint8_t { head, data, end };

  // REQUIRES: read_some() found it known.
  std::uint64_t expected() const {
    CAIRN_ASSERT(expected_.has_value());
    return *expected_;
  }
  static void to_lower(std::string& text) {
    for (char& c : text) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
  }

  io::Task<Result<std::size_t>> read_some(io::MutableBytes into) {
    if (!expected_)
      co_return Error(Code::missing_content_length,
                      "You must provide the Content-Length HTTP header.");
    while (state_ != State::end) {
      if (state_ == State::data) {
        auto got = co_await read_data(into);
        co_return got;
      }
      auto line = co_await read_line(kChunkLineMax);
      CAIRN_CO_TRY(line);
      CAIRN_CO_TRY(begin_chunk(**line));
      if (left_ == 0) CAIRN_CO_TRY(co_await finish_body());
    }
    co_return std::size_t{0};
  }

  Result<void> begin_chunk(std::string_view line) {
    CAIRN_ASSIGN(const ChunkHead head, parse_chunk_head(line, signed_));
    if (head.size > expected() - decoded_) return incomplete();
    left_ = head.size;
    signature_ = head.signature;
    state_ = State::data;
    if (signed_) hasher_ = crypto::make_sha256();
    return {};
  }

  // Verifies the chunk whose data is all there.
  Result<void> end_chunk() {
    if (!signed_) return {};
    const std::string digest = hasher_->finish();
    if (!crypto::equal_constant_time(signer_.next_chunk(crypto::to_hex(as_bytes(digest))),
                                     signature_))
      return wrong_signature();
    return {};
  }

  io::Task<Result<std::size_t>> read_data(io::MutableBytes into) {
    const auto room =
        into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_)));
    std::size_t n = std::min(room.size(), buffered());
    if (n > 0) {
      std::copy_n(buffer_.data() + begin_, n, reinterpret_cast<char*>(room.data()));
      begin_ += n;
    } else {
      // Straight from the connection into the caller's memory.
      auto got = co_await raw_.read(room);
      CAIRN_CO_TRY(got);
      n = *got;
      if (n == 0) co_return incomplete();
      CAIRN_ASSERT(n <= room.size());
    }
    if (signed_) hasher_->update(room.first(n));
    left_ -= n;
    decoded_ += n;
    if (left_ == 0) {
      CAIRN_CO_TRY(end_chunk());
      auto line = co_await read_line(0);  // the line end after the data, and nothing before it
      CAIRN_CO_TRY(line);
      state_ = State::head;
    }
    co_return n;
  }

  // What follows the head of the last chunk.
  io::Task<Result<void>> finish_body() {
    CAIRN_CO_TRY(end_chunk());
    if (decoded_ != expected()) co_return incomplete();
    std::string canonical, signature;
    for (;;) {
      auto line = co_await read_line(kTrailerLineMax, true);
      if (!line && line.code() == Code::incomplete_body && has_trailer_)
        co_return malformed_trailer();
      CAIRN_CO_TRY(line);
      const std::optional<std::string_view> text = *line;
      if (!text || text->empty()) break;
      if (!has_trailer_) co_return malformed_chunk();
      CAIRN_CO_TRY(take_trailer(*text, canonical, signature));
    }
    CAIRN_CO_TRY(check_trailers(canonical, signature));
    // The end must be the end: bytes after it belong to nothing.
    std::byte extra;
    if (buffered() > 0) co_return malformed_chunk();
    auto more = co_await raw_.read(io::MutableBytes(&extra, 1));
    CAIRN_CO_TRY(more);
    if (*more != 0) co_return malformed_chunk();
    state_ = State::end;
    co_return Result<void>{};
  }

  Result<void> take_trailer(std::string_view line, std::string& canonical, std::string& signature) {
    const auto colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos) return malformed_trailer();
    std::string name(line.substr(0, colon));
    to_lower(name);
    std::string value;
    append_folded(value, line.substr(colon + 1));
    if (!signature.empty()) return malformed_trailer();  // the signature comes last
    if (name == kTrailerSignature) {
      if (!signed_ || value.empty()) return malformed_trailer();
      signature = std::move(value);
      return {};
    }
    const auto same = [&](const auto& t) { return t.first == name; };
    if (trailers_.size() == kTrailersMax || std::any_of(trailers_.begin(), trailers_.end(), same) ||
        std::find(announced_.begin(), announced_.end(), name) == announced_.end())
      return malformed_trailer();
    canonical += name + ':' + value + '\n';
    trailers_.emplace_back(std::move(name), std::move(value));
    return {};
  }

  Result<void> check_trailers(std::string_view canonical, std::string_view signature) const {
    if (!has_trailer_) return {};
    for (const auto& name : announced_) {
      const auto same = [&](const auto& t) { return t.first == name; };
      if (std::none_of(trailers_.begin(), trailers_.end(), same)) return malformed_trailer();
    }
    if (signed_ && !crypto::equal_constant_time(signer_.trailer(canonical), signature))
      return wrong_signature();
    return {};
  }

  std::size_t buffered() const { return end_ - begin_; }

  // A line without its end (CRLF, or LF alone as some clients end trailers). It is a view into the
  // buffer, valid until the next read. With `may_end`, the end of the body in place of a line is
  // none.
  io::Task<Result<std::optional<std::string_view>>> read_line(std::size_t size_max,
                                                              bool may_end = false) {
    std::size_t searched = 0;
    for (;;) {
      const std::string_view have(buffer_.data() + begin_, buffered());
      const auto end = have.find('\n', searched);
      if (end != std::string_view::npos) {
        std::string_view line = have.substr(0, end);
        if (line.ends_with('\r')) line.remove_suffix(1);
        begin_ += end + 1;
        if (line.size() > size_max) co_return malformed_chunk();
        co_return line;
      }
      searched = have.size();
      if (searched > size_max + 1) co_return malformed_chunk();
      auto got = co_await fill();
      CAIRN_CO_TRY(got);
      if (*got == 0) {
        if (may_end && searched == 0) co_return std::optional<std::string_view>{};
        co_return malformed_chunk();
      }
    }
  }

  io::Task<Result<std::size_t>> fill() {
    if (begin_ > 0) {
      std::copy(buffer_.data() + begin_, buffer_.data() + end_, buffer_.data());
      end_ -= begin_;
      begin_ = 0;
    }
    const auto room = std::as_writable_bytes(std::span(buffer_)).subspan(end_);
    CAIRN_ASSERT(!room.empty());
    auto got = co_await raw_.read(room);
    if (got) end_ += *got;
    co_return got;
  }

  io::ByteSource& raw_;
  const bool signed_;
  const bool has_trailer_;
  const std::optional<std::uint64_t> expected_;
  std::vector<std::string> announced_;
  ChunkSigner signer_;
  std::unique_ptr<crypto::Hasher> hasher_{};
  State state_ = State::head;
  std::uint64_t left_ = 0;     // of the current chunk
  std::uint64_t decoded_ = 0;  // in all
  std::string signature_{};    // of the current chunk
  std::vector<std::pair<std::string, std::string>> trailers_{};
  std::optional<Error> failed_{};
  // One byte more than the longest line with its end, so that a line too long is seen before the
  // buffer is full.
  std::array<char, kBufferSize + 64> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  static_assert(kTrailerLineMax + 3 <= kBufferSize + 64);
};

}  // namespace

std::unique_ptr<BodyReader> make_chunked_reader(const Verified& verified, io::ByteSource& raw,
                                                std::optional<std::uint64_t> decoded_length,
                                                std::vector<std::string> announced_trailers) {
  return std::make_unique<ChunkedReader>(verified, raw, decoded_length,
                                         std::move(announced_trailers));
}

}  // namespace cairn::auth
