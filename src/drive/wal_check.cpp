#include "drive/wal_check.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include "crypto/digest.h"
#include "drive/codec.h"

namespace cairn::drive {
namespace {

constexpr std::size_t kBlock = 32 * 1024;
constexpr std::size_t kHeader = 7;  // masked CRC32C, length, type
enum Type : std::uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };
constexpr std::string_view kMarkerMagic = "cairn.synced:";

template <class T>
T little(std::string_view bytes) {
  T value = 0;
  for (std::size_t i = sizeof(T); i > 0; --i)
    value = static_cast<T>(static_cast<T>(value << 8) | static_cast<unsigned char>(bytes[i - 1]));
  return value;
}

std::uint32_t masked_crc(std::string_view bytes) {
  auto hasher = crypto::make_checksum(crypto::Checksum::crc32c);
  hasher->update(as_bytes(bytes));
  const std::string raw = hasher->finish();
  const std::uint32_t crc = Decoder(raw).u32();
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

struct Fragment {
  std::uint8_t type = 0;
  std::string_view payload;
  std::size_t end = 0;
};

// The fragment at `at`, or nothing: the end of what is readable in this block.
std::optional<Fragment> fragment_at(std::string_view log, std::size_t at) {
  const std::size_t block_end = std::min(log.size(), (at / kBlock + 1) * kBlock);
  if (at + kHeader > block_end) return std::nullopt;
  const auto header = log.substr(at, kHeader);
  const auto length = little<std::uint16_t>(header.substr(4));
  const auto type = static_cast<std::uint8_t>(header[6]);
  if (type < kFull || type > kLast || at + kHeader + length > block_end) return std::nullopt;
  if (masked_crc(log.substr(at + 6, 1u + length)) != little<std::uint32_t>(header))
    return std::nullopt;
  return Fragment{type, log.substr(at + kHeader, length), at + kHeader + length};
}

std::uint64_t marker_in(std::string_view text) {
  const auto found = text.find(kMarkerMagic);
  if (found == std::string_view::npos || found + kMarkerMagic.size() + 8 > text.size()) return 0;
  return Decoder(text.substr(found + kMarkerMagic.size())).u64();
}

bool only_zeros(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

void note_behind(const Fragment& fragment, WalScan& scan) {
  const bool starts = fragment.type == kFull || fragment.type == kFirst;
  if (starts && fragment.payload.size() >= 12) {
    const auto sequence = little<std::uint64_t>(fragment.payload);
    if (scan.sequence_behind == 0 || sequence < scan.sequence_behind)
      scan.sequence_behind = sequence;
  }
  scan.synced_behind = std::max(scan.synced_behind, marker_in(fragment.payload));
}

// What of the log behind `from` can still be read: blocks are entered at their beginning.
void look_behind(std::string_view log, std::size_t from, WalScan& scan) {
  for (std::size_t block = from / kBlock * kBlock; block < log.size(); block += kBlock) {
    for (std::size_t at = block;;) {
      const auto fragment = fragment_at(log, at);
      if (!fragment) break;
      if (at > from) note_behind(*fragment, scan);
      at = fragment->end;
    }
  }
  // Behind a damaged record its block is lost to the walk above when its length is damaged too:
  // look for records at every byte of that block.
  const std::size_t end = std::min(log.size(), (from / kBlock + 1) * kBlock);
  for (std::size_t at = from + 1; at + kHeader < end; ++at) {
    const auto type = static_cast<std::uint8_t>(log[at + 6]);
    if (type < kFull || type > kLast || little<std::uint16_t>(log.substr(at + 4)) < 12) continue;
    const auto fragment = fragment_at(log, at);
    if (!fragment) continue;
    note_behind(*fragment, scan);
    at = fragment->end - 1;
  }
}

}  // namespace

std::string synced_marker(std::uint64_t synced_through) {
  Writer w(32);
  w.raw(kMarkerMagic).u64(synced_through);
  return w.take();
}

WalScan scan_wal(std::string_view log, std::uint64_t expected) {
  WalScan scan;
  scan.next_sequence = expected;
  std::string batch;
  bool inside = false;
  std::size_t at = 0, batch_start = 0;
  while (at < log.size()) {
    const std::size_t left_in_block = kBlock - at % kBlock;
    if (left_in_block < kHeader) {
      at += left_in_block;
      continue;
    }
    const auto fragment = fragment_at(log, at);
    const bool starts = fragment && (fragment->type == kFull || fragment->type == kFirst);
    if (!fragment || starts == inside) {
      // A crash cuts the file short, or leaves zeros where nothing was written yet: that is no
      // damage.
      scan.sound = !fragment && only_zeros(log.substr(at)) && !inside;
      scan.bad_offset = inside ? batch_start : at;
      if (!scan.sound) look_behind(log, at, scan);
      return scan;
    }
    if (starts) {
      batch.clear();
      batch_start = at;
    }
    batch.append(fragment->payload);
    scan.synced_seen = std::max(scan.synced_seen, marker_in(fragment->payload));
    inside = fragment->type == kFirst || fragment->type == kMiddle;
    at = fragment->end;
    if (!inside && batch.size() >= 12) {
      const std::string_view header(batch);
      scan.next_sequence = little<std::uint64_t>(header) + little<std::uint32_t>(header.substr(8));
    }
  }
  if (inside) {
    scan.sound = false;
    scan.bad_offset = batch_start;
  }
  return scan;
}

Result<WalCheck> check_wal(const std::string& directory) {
  std::error_code error;
  std::vector<std::filesystem::path> logs;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error))
    if (entry.path().extension() == ".log") logs.push_back(entry.path());
  if (error) return Error{Code::io_error, directory + ": " + error.message()};
  std::sort(logs.begin(), logs.end());  // names are numbers of one width
  WalCheck check;
  std::uint64_t expected = 0, bad = 0;
  for (const auto& path : logs) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream content;
    content << in.rdbuf();
    if (!in) return Error{Code::io_error, path.string() + " cannot be read"};
    const std::string log = std::move(content).str();
    if (check.verdict == WalCheck::Verdict::torn) {
      // A newer log behind a torn one: was the torn one synced when it was written?
      const WalScan later = scan_wal(log);
      if (std::max(later.synced_seen, later.synced_behind) >= bad)
        check.verdict = WalCheck::Verdict::damaged;
      continue;
    }
    const WalScan scan = scan_wal(log, expected);
    expected = scan.next_sequence;
    if (scan.sound) continue;
    // The damaged batch's number: the one after the last whole one, or at least below the first
    // behind it.
    bad = scan.next_sequence != 0 ? scan.next_sequence
                                  : std::max<std::uint64_t>(scan.sequence_behind, 2) - 1;
    check.verdict =
        scan.synced_behind >= bad ? WalCheck::Verdict::damaged : WalCheck::Verdict::torn;
    check.where = path.filename().string() + ", byte " + std::to_string(scan.bad_offset);
    if (check.verdict == WalCheck::Verdict::damaged) return check;
  }
  return check;
}

}  // namespace cairn::drive
