#include "drive/write_ahead_log.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/assert.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "drive/codec.h"

namespace cairn::drive {
namespace {

constexpr std::string_view kMagic = "CAIRNWL\1";         // the last byte is the version
constexpr std::size_t kHead = 32;                        // magic, checksum, first, batches, length
constexpr std::size_t kChecked = 16;                     // what the checksum covers begins here
constexpr std::size_t kMostRoom = std::size_t{1} << 20;  // kept between records
constexpr std::string_view kEnding = ".wal";

std::size_t whole_pages(std::size_t bytes) {
  return (bytes + kWalPage - 1) / kWalPage * kWalPage;
}

void put_number(std::byte* at, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) *at++ = static_cast<std::byte>(value >> (8 * i));
}

std::string segment_name(std::uint64_t number) {
  std::string name = std::to_string(number);
  return std::string(name.size() < 8 ? 8 - name.size() : 0, '0') + name + std::string(kEnding);
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (!name.ends_with(kEnding)) return std::nullopt;
  name.remove_suffix(kEnding.size());
  if (name.empty() || name.size() > 18) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

}  // namespace

std::optional<WalRecord> decode_wal_record(std::string_view bytes, std::uint64_t seed) {
  if (bytes.size() < kHead || !bytes.starts_with(kMagic)) return std::nullopt;
  Decoder head(bytes.substr(kMagic.size(), kHead - kMagic.size()));
  const std::uint64_t checksum = head.u64();
  WalRecord record;
  record.first = head.u64();
  record.batches = head.u32();
  const std::size_t length = head.u32();
  if (length > bytes.size() - kHead || record.first == 0 || record.batches == 0)
    return std::nullopt;
  if (crypto::xxh3_64(as_bytes(bytes.substr(kChecked, kHead - kChecked + length)), seed) !=
      checksum)
    return std::nullopt;
  record.payload = bytes.substr(kHead, length);
  record.pages = whole_pages(kHead + length) / kWalPage;
  return record;
}

// Where a whole record is that holds something behind `applied`.
struct WriteAheadLog::Found {
  std::uint64_t first = 0, last = 0;
  std::size_t segment = 0;  // place in what load() looks at
  std::uint64_t offset = 0, bytes = 0;
};

WriteAheadLog::WriteAheadLog(std::string directory, std::uint64_t seed, const Options& options)
    : directory_(std::move(directory)), seed_(seed), options_(options) {
  reserve(kMostRoom);
  filled_ = kHead;
}

WriteAheadLog::~WriteAheadLog() {
  std::free(room_);
}

void WriteAheadLog::reserve(std::size_t bytes) {
  if (bytes <= room_bytes_) return;
  const std::size_t size = whole_pages(std::max(bytes, room_bytes_ * 2));
  auto* const room = static_cast<std::byte*>(std::aligned_alloc(kWalPage, size));
  CAIRN_ASSERT(room != nullptr);
  if (filled_ > 0) std::memcpy(room, room_, filled_);
  std::free(room_);
  room_ = room;
  room_bytes_ = size;
}

// -- at a mount

Result<std::unique_ptr<WriteAheadLog>> WriteAheadLog::open(std::string directory,
                                                           std::uint64_t seed,
                                                           std::uint64_t applied,
                                                           const Options& options,
                                                           const Apply& apply) {
  CAIRN_TRY(io::make_directory_durably(directory));
  std::unique_ptr<WriteAheadLog> log(new WriteAheadLog(std::move(directory), seed, options));
  CAIRN_TRY(log->load(applied, apply));
  return log;
}

Result<void> WriteAheadLog::load(std::uint64_t applied, const Apply& apply) {
  CAIRN_ASSIGN(const auto entries, io::list_directory(directory_));
  std::vector<Segment> segments;
  for (const auto& entry : entries) {
    const auto number = parse_segment_name(entry.name);
    if (!number || entry.is_directory) continue;
    names_ = std::max(names_, *number);
    Segment segment{.path = directory_ + "/" + entry.name};
    CAIRN_ASSIGN(segment.file, io::SyncedFile::open(segment.path));
    segments.push_back(std::move(segment));
  }
  std::vector<Found> found;
  for (std::size_t i = 0; i < segments.size(); ++i) CAIRN_TRY(scan(segments[i], i, applied, found));
  std::ranges::sort(found, {}, &Found::first);
  last_ = applied;
  std::uint64_t before = 0;
  for (const Found& one : found) {
    if (one.first > last_ + 1)
      return Error{Code::corrupt, "the write-ahead log lacks batches " + std::to_string(last_ + 1) +
                                      " to " + std::to_string(one.first - 1) +
                                      ", which had been acknowledged"};
    if (one.first <= before)
      return Error{Code::corrupt, "the write-ahead log has batch " + std::to_string(one.first) +
                                      " twice: a part of it could not be read for a while"};
    before = one.last;
    CAIRN_TRY(replay(segments[one.segment], one, apply));
  }
  if (!found.empty()) CAIRN_TRY(make_durable(segments[found.back().segment], found.back()));
  written_ = last_;
  std::ranges::sort(segments, {}, &Segment::last);
  for (Segment& segment : segments) {
    if (segment.last == 0 && segment.file->bytes() < options_.segment_bytes) {
      CAIRN_TRY(segment.file->remove());  // half made when a crash came
    } else if (segment.last == 0) {
      free_.push_back(std::move(segment));
    } else {
      bytes_in_use_ += segment.file->bytes();
      used_.push_back(std::move(segment));
    }
  }
  return {};
}

// Whole records may be anywhere, behind damage and among the rest of what was there before.
Result<void> WriteAheadLog::scan(Segment& segment, std::size_t place, std::uint64_t applied,
                                 std::vector<Found>& found) {
  std::vector<std::byte> bytes(segment.file->bytes());
  CAIRN_ASSIGN(const std::size_t read, segment.file->read(0, bytes));
  const std::string_view text = io::as_text(io::Bytes(bytes).first(read));
  for (std::size_t at = 0; at < text.size();) {
    const auto record = decode_wal_record(text.substr(at), seed_);
    if (!record) {
      at += kWalPage;
      continue;
    }
    const std::uint64_t last = record->first + record->batches - 1;
    const std::uint64_t size = record->pages * kWalPage;
    if (last > applied) found.push_back({record->first, last, place, at, size});
    at += size;
  }
  return {};
}

Result<void> WriteAheadLog::replay(Segment& segment, const Found& found, const Apply& apply) {
  std::vector<std::byte> bytes(found.bytes);
  CAIRN_ASSIGN(const std::size_t read, segment.file->read(found.offset, bytes));
  const auto record = decode_wal_record(io::as_text(io::Bytes(bytes).first(read)), seed_);
  if (!record) return Error{Code::io_error, segment.path + " changed while it was read"};
  Decoder in(record->payload);
  for (std::uint64_t number = record->first; number <= found.last; ++number) {
    const std::string_view batch = in.text();
    if (!in.ok()) return Error{Code::corrupt, "a record of the write-ahead log is malformed"};
    if (number <= last_) continue;
    CAIRN_TRY(apply(number, batch));
    last_ = number;
  }
  segment.last = std::max(segment.last, last_);
  return {};
}

// The last record may have been read from the page cache, where a write that failed had left it.
// L1 builds on it: it is written once more, over itself.
Result<void> WriteAheadLog::make_durable(Segment& segment, const Found& found) {
  reserve(found.bytes);
  const io::MutableBytes bytes(room_, found.bytes);
  CAIRN_ASSIGN(const std::size_t read, segment.file->read(found.offset, bytes));
  if (read != found.bytes) return Error{Code::io_error, segment.path + " is too short"};
  return segment.file->write(found.offset, bytes, options_.sync);
}

// -- writing

Result<void> WriteAheadLog::append(std::string_view batch, bool sync) {
  if (failed_) return Error{Code::io_error, "a write to the write-ahead log failed before"};
  reserve(filled_ + 4 + batch.size());
  put_number(room_ + filled_, batch.size(), 4);
  std::memcpy(room_ + filled_ + 4, batch.data(), batch.size());
  filled_ += 4 + batch.size();
  ++last_;
  if (!sync && filled_ < options_.unsynced_bytes) return {};
  return write_record();
}

Result<void> WriteAheadLog::sync() {
  if (failed_) return Error{Code::io_error, "a write to the write-ahead log failed before"};
  if (written_ == last_) return {};
  return write_record();
}

Result<void> WriteAheadLog::write_record() {
  const std::size_t size = whole_pages(filled_);
  reserve(size);
  std::memset(room_ + filled_, 0, size - filled_);
  std::memcpy(room_, kMagic.data(), kMagic.size());
  put_number(room_ + 16, written_ + 1, 8);
  put_number(room_ + 24, last_ - written_, 4);
  put_number(room_ + 28, filled_ - kHead, 4);
  const std::uint64_t checksum =
      crypto::xxh3_64(io::Bytes(room_ + kChecked, filled_ - kChecked), seed_);
  put_number(room_ + kMagic.size(), checksum, 8);
  auto written = [&]() -> Result<void> {
    if (!writable_ || end_ + size > used_.back().file->bytes()) CAIRN_TRY(next_segment(size));
    return used_.back().file->write(end_, io::Bytes(room_, size), options_.sync);
  }();
  if (!written) {
    failed_ = true;
    return written;
  }
  end_ += size;
  written_ = used_.back().last = last_;
  filled_ = kHead;
  if (room_bytes_ > 2 * options_.unsynced_bytes) {
    std::free(std::exchange(room_, nullptr));
    room_bytes_ = filled_ = 0;
    reserve(kMostRoom);
    filled_ = kHead;
  }
  return {};
}

Result<void> WriteAheadLog::next_segment(std::uint64_t bytes) {
  const auto fits =
      std::ranges::find_if(free_, [&](const Segment& s) { return s.file->bytes() >= bytes; });
  Segment next;
  if (fits != free_.end()) {
    next = std::move(*fits);
    free_.erase(fits);
  } else {
    next.path = directory_ + "/" + segment_name(++names_);
    CAIRN_ASSIGN(next.file,
                 io::SyncedFile::create(next.path, std::max(bytes, options_.segment_bytes)));
  }
  bytes_in_use_ += next.file->bytes();
  used_.push_back(std::move(next));
  writable_ = true;
  end_ = 0;
  return {};
}

void WriteAheadLog::release(std::uint64_t number) {
  const std::size_t written_to = writable_ ? 1 : 0;
  while (used_.size() > written_to && used_.front().last <= number) {
    bytes_in_use_ -= used_.front().file->bytes();
    free_.push_back(std::move(used_.front()));
    used_.pop_front();
  }
}

Result<void> WriteAheadLog::remove() {
  failed_ = true;
  std::ranges::move(used_, std::back_inserter(free_));
  used_.clear();
  bytes_in_use_ = 0;
  for (const Segment& segment : std::exchange(free_, {})) CAIRN_TRY(segment.file->remove());
  return {};
}

}  // namespace cairn::drive
