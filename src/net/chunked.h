// The chunked transfer coding (RFC 9112 7.1), decoded step by step from whatever pieces arrive.
// Private to net.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cairn::net {

// Strict: lines end with CRLF, sizes are hexadecimal digits only, extensions and trailers are
// skipped but bounded.
class ChunkDecoder {
 public:
  static constexpr std::size_t kMaxExtensionBytes = 4 * 1024;   // of one chunk
  static constexpr std::size_t kMaxFramingBytes = 1024 * 1024;  // extensions of a whole body
  static constexpr std::size_t kMaxTrailerBytes = 16 * 1024;

  enum class Step { need_more, data, end, bad };

  // Consumes framing from the front of `input` until body bytes are next (data), the body has
  // ended, or more input is needed. Body bytes are not consumed: the caller moves up to remaining()
  // of them and says so with take().
  Step advance(std::string_view input, std::size_t& consumed);
  std::uint64_t remaining() const { return remaining_; }
  void take(std::uint64_t bytes) { remaining_ -= bytes; }

 private:
  enum class State : std::uint8_t {
    size_first,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_first,
    trailer_name,
    trailer,
    trailer_lf,
    final_lf,
    end,
    bad
  };
  State next(char c);
  State after_size(char c);
  State in_extension(char c);
  State in_trailer(char c);

  State state_ = State::size_first;
  std::uint64_t remaining_ = 0;
  std::size_t extension_bytes_ = 0, framing_bytes_ = 0, trailer_bytes_ = 0;
};

}  // namespace cairn::net
