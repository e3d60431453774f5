// The state of scrub as text, one field a line (docs/format/scrub.md).
#include <charconv>

#include "background/scrub/scrub.h"

namespace cairn::background {
namespace {

constexpr std::string_view kHeader = "cairn-scrub 1";

std::string hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::optional<std::string> unhex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (error != std::errc{} || end != text.data() + i + 2) return std::nullopt;
    out += static_cast<char>(value);
  }
  return out;
}

template <class T>
bool number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

bool set_field(ScrubState& s, std::string_view name, std::string_view value) {
  if (name == "cursor") {
    const auto bytes = unhex(value);
    if (!bytes) return false;
    s.cursor = *bytes;
    return true;
  }
  if (name == "in_pass") {
    s.in_pass = value == "1";
    return value == "0" || value == "1";
  }
  if (name == "started_ms") return number(value, s.started_ms);
  if (name == "finished_ms") return number(value, s.finished_ms);
  if (name == "units") return number(value, s.units);
  if (name == "bytes") return number(value, s.bytes);
  if (name == "damaged_shards") return number(value, s.damaged_shards);
  if (name == "not_whole") return number(value, s.not_whole);
  if (name == "errors") return number(value, s.errors);
  return true;  // of a newer version
}

}  // namespace

std::string encode_scrub_state(const ScrubState& s) {
  std::string out(kHeader);
  out += "\ncursor " + hex(s.cursor) + "\nin_pass " + (s.in_pass ? "1" : "0");
  out += "\nstarted_ms " + std::to_string(s.started_ms) + "\nfinished_ms " +
         std::to_string(s.finished_ms);
  out += "\nunits " + std::to_string(s.units) + "\nbytes " + std::to_string(s.bytes);
  out += "\ndamaged_shards " + std::to_string(s.damaged_shards) + "\nnot_whole " +
         std::to_string(s.not_whole);
  return out + "\nerrors " + std::to_string(s.errors) + "\n";
}

Result<ScrubState> decode_scrub_state(std::string_view bytes) {
  ScrubState state;
  bool header = true;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos)
      return Error{Code::corrupt, "the state of scrub is cut short"};
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    if (header) {
      if (line != kHeader) return Error{Code::corrupt, "the state of scrub has an unknown format"};
      header = false;
      continue;
    }
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos ||
        !set_field(state, line.substr(0, space), line.substr(space + 1)))
      return Error{Code::corrupt, "the state of scrub has a field that cannot be read"};
  }
  if (header) return Error{Code::corrupt, "the state of scrub is empty"};
  return state;
}

}  // namespace cairn::background
