#include "net/chunked.h"

#include "net/ascii.h"

namespace cairn::net {

ChunkDecoder::Step ChunkDecoder::advance(std::string_view input, std::size_t& consumed) {
  consumed = 0;
  for (;;) {
    if (state_ == State::bad) return Step::bad;
    if (state_ == State::end) return Step::end;
    if (state_ == State::data) {
      if (remaining_ > 0) return Step::data;
      state_ = State::data_cr;
    }
    if (consumed == input.size()) return Step::need_more;
    state_ = next(input[consumed++]);
  }
}

ChunkDecoder::State ChunkDecoder::next(char c) {
  switch (state_) {
    case State::size_first: {
      const int digit = hex_value(c);
      if (digit < 0) return State::bad;
      remaining_ = static_cast<std::uint64_t>(digit);
      extension_bytes_ = 0;
      return State::size;
    }
    case State::size: {
      const int digit = hex_value(c);
      if (digit < 0) return after_size(c);
      if (remaining_ >> 59 != 0) return State::bad;  // would pass 2^63
      remaining_ = remaining_ << 4 | static_cast<std::uint64_t>(digit);
      // Leading zeros make a size as long as one likes: they count as framing.
      return ++extension_bytes_ > kMaxExtensionBytes ? State::bad : State::size;
    }
    case State::extension:
      return in_extension(c);
    case State::size_lf:
      if (c != '\n') return State::bad;
      return remaining_ == 0 ? State::trailer_first : State::data;
    case State::data_cr:
      return c == '\r' ? State::data_lf : State::bad;
    case State::data_lf:
      return c == '\n' ? State::size_first : State::bad;
    case State::trailer_first:
      if (c == '\r') return State::final_lf;
      if (!is_token_char(c)) return State::bad;
      return in_trailer(c);
    case State::trailer_name:
    case State::trailer:
      return in_trailer(c);
    case State::trailer_lf:
      return c == '\n' ? State::trailer_first : State::bad;
    case State::final_lf:
      return c == '\n' ? State::end : State::bad;
    case State::data:
    case State::end:
    case State::bad:
      break;
  }
  return State::bad;
}

ChunkDecoder::State ChunkDecoder::after_size(char c) {
  if (c == '\r') return State::size_lf;
  if (c == ';' || c == ' ' || c == '\t') return in_extension(c);
  return State::bad;
}

ChunkDecoder::State ChunkDecoder::in_extension(char c) {
  if (c == '\r') return State::size_lf;
  const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  if (control && c != '\t') return State::bad;
  if (++extension_bytes_ > kMaxExtensionBytes || ++framing_bytes_ > kMaxFramingBytes)
    return State::bad;
  return State::extension;
}

ChunkDecoder::State ChunkDecoder::in_trailer(char c) {
  if (++trailer_bytes_ > kMaxTrailerBytes) return State::bad;
  if (state_ != State::trailer) {
    if (c == ':') return State::trailer;
    return is_token_char(c) ? State::trailer_name : State::bad;
  }
  if (c == '\r') return State::trailer_lf;
  const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  return control && c != '\t' ? State::bad : State::trailer;
}

}  // namespace cairn::net
