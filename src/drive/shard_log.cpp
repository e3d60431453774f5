#include "drive/shard_log.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/assert.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "drive/codec.h"

namespace cairn::drive {
namespace {

constexpr std::string_view kMagic = "CAIRNLOG";
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kEnding = ".seg";
constexpr std::size_t kMostRoom = std::size_t{8} << 20;  // kept between writes

constexpr std::uint64_t pages_of(std::uint64_t bytes) {
  return (bytes + kLogPage - 1) / kLogPage;
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (!name.ends_with(kEnding)) return std::nullopt;
  name.remove_suffix(kEnding.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.begin(), name.end(), number, 16);
  if (name.size() != 16 || error != std::errc{} || end != name.end()) return std::nullopt;
  return number;
}

}  // namespace

ShardLog::Room::~Room() {
  std::free(at);
}

void ShardLog::Room::reserve(std::size_t wanted) {
  if (wanted <= bytes) return;
  std::free(at);
  at = static_cast<std::byte*>(std::aligned_alloc(io::kDirectAlignment, wanted));
  CAIRN_ASSERT(at != nullptr);
  bytes = wanted;
}

void ShardLog::Room::keep_at_most(std::size_t most) {
  if (bytes <= most) return;
  std::free(std::exchange(at, nullptr));
  bytes = 0;
}

void ShardLog::Segment::mark(const LogPlace& place, bool in_use) {
  const std::uint64_t first = place.offset / kLogPage;
  const std::uint64_t end = first + pages_of(place.bytes);
  if (end > pages.size()) pages.resize(end, false);
  for (std::uint64_t page = first; page < end; ++page) {
    if (pages[page] == in_use) continue;
    pages[page] = in_use;
    if (in_use)
      ++used;
    else
      --used;
  }
}

bool ShardLog::Segment::in_use(const LogPlace& place) const {
  const std::uint64_t first = place.offset / kLogPage;
  const std::uint64_t end = first + pages_of(place.bytes);
  if (end > pages.size()) return false;
  for (std::uint64_t page = first; page < end; ++page)
    if (!pages[page]) return false;
  return true;
}

std::string ShardLog::path_of(std::uint64_t number) const {
  Writer w(8);
  w.u64(number);
  return directory_ + "/" + crypto::to_hex(as_bytes(w.view())) + std::string(kEnding);
}

io::Task<Result<void>> ShardLog::load() {
  CAIRN_CO_TRY(co_await files_.make_directory(directory_));
  CAIRN_CO_TRY(co_await files_.sync_directory(directory_.substr(0, directory_.rfind('/'))));
  CAIRN_CO_ASSIGN(const auto entries, co_await files_.list(directory_));
  std::lock_guard lock(mutex_);
  for (const auto& entry : entries) {
    const auto number = parse_segment_name(entry.name);
    if (!number || entry.is_directory) continue;
    segments_[*number].counted = false;
    next_number_ = std::max(next_number_, *number + 1);
  }
  co_return Result<void>{};
}

// -- writing

bool ShardLog::has_room() {
  std::lock_guard lock(mutex_);
  return fresh_.number != 0 || (tail_.number != 0 && tail_.end < limits_.segment_bytes);
}

io::Task<Result<void>> ShardLog::make_room() {
  if (has_room()) co_return Result<void>{};
  const auto self = shared_from_this();
  const io::AsyncMutex::Guard guard = co_await making_room_.lock();
  if (has_room()) co_return Result<void>{};
  co_return co_await next_segment();
}

// It is durable when it returns.
io::Task<Result<void>> ShardLog::next_segment() {
  Tail next;
  {
    std::lock_guard lock(mutex_);
    next.number = next_number_++;
  }
  CAIRN_CO_ASSIGN(
      next.file, co_await files_.open(path_of(next.number), io::FileSystem::Open::create_streamed));
  Writer w(kLogPage);
  w.raw(kMagic).u32(kVersion).u64(next.number);
  std::string header = w.take();
  header.resize(kLogPage, '\0');
  auto made = co_await next.file->write_synced(0, {as_bytes(header)});
  if (made) made = co_await files_.sync_directory(directory_);
  if (!made) {
    static_cast<void>(co_await files_.remove(path_of(next.number)));  // else the next mount
    co_return made;
  }
  next.end = kLogPage;
  {
    std::lock_guard lock(mutex_);
    segments_[next.number];
    fresh_ = std::move(next);
  }
  co_await give_back_left();
  co_return Result<void>{};
}

Result<std::vector<LogPlace>> ShardLog::append(const std::vector<io::Slices>& shards) {
  std::vector<LogPlace> places;
  std::shared_ptr<io::File> file;
  std::uint64_t begin = 0;
  {
    std::lock_guard lock(mutex_);
    if (fresh_.number != 0 && (tail_.number == 0 || tail_.end >= limits_.segment_bytes)) {
      if (tail_.number != 0) left_.push_back(tail_.number);
      tail_ = std::exchange(fresh_, {});
    }
    // The last write failed. The drive goes on after that only if it was for lack of space.
    if (tail_.number == 0) return Error{Code::no_space, "the shard log has no segment"};
    file = tail_.file;
    begin = tail_.end;
    Segment& segment = segments_[tail_.number];
    for (const io::Slices& shard : shards) {
      const std::size_t bytes = io::size_of(shard);
      CAIRN_ASSERT(bytes > 0);
      places.push_back({tail_.number, tail_.end, static_cast<std::uint32_t>(bytes)});
      segment.mark(places.back(), true);
      tail_.end += pages_of(bytes) * kLogPage;
    }
  }
  auto written = file->write_synced_blocking(begin, pieces_of(shards));
  room_.keep_at_most(kMostRoom);
  if (written) return places;
  // What a failed write left is unknown: nothing is appended behind it.
  std::lock_guard lock(mutex_);
  Segment& segment = segments_[tail_.number];
  for (const LogPlace& place : places) {
    segment.mark(place, false);
    segment.freed.push_back(place);
    segment.freed_bytes += pages_of(place.bytes) * kLogPage;
  }
  left_.push_back(std::exchange(tail_, {}).number);
  return std::move(written.error());
}

// The shards, each filled up to whole pages. What lies on page boundaries in memory goes to the
// disk from there.
std::vector<io::Bytes> ShardLog::pieces_of(const std::vector<io::Slices>& shards) {
  const auto in_place = [](io::Bytes piece) {
    const bool aligned = reinterpret_cast<std::uintptr_t>(piece.data()) % kLogPage == 0;
    return aligned ? piece.first(piece.size() / kLogPage * kLogPage) : io::Bytes{};
  };
  std::size_t copied = 0;
  for (const io::Slices& shard : shards)
    for (const io::Slice& piece : shard)
      copied += pages_of(piece.bytes.size() - in_place(piece.bytes).size()) * kLogPage;
  room_.reserve(copied);
  std::vector<io::Bytes> out;
  std::byte* at = room_.at;
  for (const io::Slices& shard : shards) {
    for (const io::Slice& piece : shard) {
      const io::Bytes front = in_place(piece.bytes), rest = piece.bytes.subspan(front.size());
      if (!front.empty()) out.push_back(front);
      if (rest.empty()) continue;
      CAIRN_ASSERT(&piece == &shard.back() || rest.size() % kLogPage == 0);
      const std::size_t whole = pages_of(rest.size()) * kLogPage;
      std::memcpy(at, rest.data(), rest.size());
      std::memset(at + rest.size(), 0, whole - rest.size());
      out.emplace_back(at, whole);
      at += whole;
    }
  }
  return out;
}

// -- reading

io::Task<Result<std::shared_ptr<io::File>>> ShardLog::open_segment(std::uint64_t number) {
  {
    std::lock_guard lock(mutex_);
    if (const auto found = open_.find(number); found != open_.end()) {
      found->second.last_use = ++uses_;
      co_return found->second.file;
    }
  }
  CAIRN_CO_ASSIGN(std::shared_ptr<io::File> file,
                  co_await files_.open(path_of(number), io::FileSystem::Open::read_write));
  std::vector<std::shared_ptr<io::File>> closed;  // without the lock
  std::lock_guard lock(mutex_);
  if (!segments_.contains(number)) co_return file;  // being removed
  open_[number] = {file, ++uses_};
  while (open_.size() > limits_.open_files) {
    const auto oldest = std::ranges::min_element(
        open_, {}, [](const auto& entry) { return entry.second.last_use; });
    closed.push_back(std::move(oldest->second.file));
    open_.erase(oldest);
  }
  co_return file;
}

io::Task<Result<std::shared_ptr<const ShardLog::Opened>>> ShardLog::open(LogPlace place) {
  {
    std::lock_guard lock(mutex_);
    const auto found = segments_.find(place.segment);
    // Of a segment that is not counted yet nothing is given back before it is.
    const bool there =
        found != segments_.end() && (!found->second.counted || found->second.in_use(place));
    if (!there) co_return Error{Code::not_found, "the shard log has nothing at this place"};
    ++found->second.opened[place];
  }
  const std::shared_ptr<Opened> opened(new Opened(shared_from_this(), place));
  CAIRN_CO_ASSIGN(opened->file_, co_await open_segment(place.segment));
  co_return opened;
}

ShardLog::Opened::~Opened() {
  bool wake = false;
  {
    std::lock_guard lock(log_->mutex_);
    const auto found = log_->segments_.find(place_.segment);
    CAIRN_ASSERT(found != log_->segments_.end());
    Segment& segment = found->second;
    const auto count = segment.opened.find(place_);
    CAIRN_ASSERT(count != segment.opened.end());
    if (--count->second > 0) return;
    segment.opened.erase(count);
    if (segment.in_use(place_) || !log_->is_due(place_.segment, segment)) return;
    wake = log_->left_.empty();
    log_->left_.push_back(place_.segment);
  }
  if (wake && log_->when_left_) log_->when_left_();
}

io::Task<Result<void>> ShardLog::Opened::read(std::uint64_t offset, io::MutableBytes into) const {
  CAIRN_ASSERT(offset + into.size() <= place_.bytes);
  CAIRN_CO_ASSIGN(const std::size_t got, co_await file_->read_at(place_.offset + offset, into));
  if (got != into.size())
    co_return Error{Code::corrupt, "the shard log is shorter than the index says"};
  co_return Result<void>{};
}

// -- giving back

bool ShardLog::is_empty(std::uint64_t number, const Segment& segment) const {
  return segment.used == 0 && number != tail_.number && number != fresh_.number;
}

bool ShardLog::is_due(std::uint64_t number, const Segment& segment) const {
  const bool enough = segment.freed_bytes >= limits_.give_back_bytes;
  return segment.counted && (enough || is_empty(number, segment));
}

io::Task<void> ShardLog::release(std::vector<LogPlace> places) {
  const auto self = shared_from_this();
  std::vector<std::uint64_t> due;
  {
    std::lock_guard lock(mutex_);
    for (const LogPlace& place : places) {
      const auto found = segments_.find(place.segment);
      if (found == segments_.end()) continue;
      Segment& segment = found->second;
      segment.mark(place, false);
      segment.freed.push_back(place);
      segment.freed_bytes += pages_of(place.bytes) * kLogPage;
      if (!is_due(place.segment, segment)) continue;
      if (due.empty() || due.back() != place.segment) due.push_back(place.segment);
    }
  }
  for (const std::uint64_t number : due) co_await give_back(number, false);
  co_await give_back_left();
}

io::Task<void> ShardLog::give_back_left() {
  const auto self = shared_from_this();
  std::vector<std::uint64_t> left;
  {
    std::lock_guard lock(mutex_);
    left.swap(left_);
  }
  for (const std::uint64_t number : left) co_await give_back(number, false);
}

// Removes a segment that holds nothing more, or cuts what it does not use out of it: what was
// released since the last time, or `all_runs`.
io::Task<void> ShardLog::give_back(std::uint64_t number, bool all_runs) {
  const auto self = shared_from_this();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;  // pages: first, end
  bool remove = false;
  std::uint64_t pages = 0;  // that anything was known of
  std::shared_ptr<io::File> open;
  {
    std::lock_guard lock(mutex_);
    const auto found = segments_.find(number);
    if (found == segments_.end() || !found->second.counted) co_return;
    Segment& segment = found->second;
    remove = is_empty(number, segment) && segment.opened.empty();
    pages = std::max<std::uint64_t>(segment.pages.size(), 1);
    if (remove) {
      if (const auto entry = open_.find(number); entry != open_.end()) {
        open = std::move(entry->second.file);
        open_.erase(entry);
      }
    } else if (all_runs) {
      Segment kept;  // what is in use, and what is open
      kept.pages = segment.pages;
      for (const auto& [place, count] : segment.opened) kept.mark(place, true);
      pages = std::max<std::uint64_t>(kept.pages.size(), 1);
      for (std::uint64_t page = 1; page < kept.pages.size(); ++page) {
        if (kept.pages[page]) continue;
        if (runs.empty() || runs.back().second != page) runs.emplace_back(page, page);
        runs.back().second = page + 1;
      }
    } else {
      std::ranges::sort(segment.freed);
      for (const LogPlace& place : segment.freed) {
        if (segment.opened.contains(place)) continue;
        const std::uint64_t page = place.offset / kLogPage;
        if (runs.empty() || runs.back().second != page) runs.emplace_back(page, page);
        runs.back().second = page + pages_of(place.bytes);
      }
    }
    if (remove) {
      segments_.erase(found);
    } else {
      std::erase_if(segment.freed,
                    [&](const LogPlace& place) { return !segment.opened.contains(place); });
      segment.freed_bytes = 0;
      for (const LogPlace& place : segment.freed)
        segment.freed_bytes += pages_of(place.bytes) * kLogPage;
    }
  }
  open.reset();
  if (remove) {
    auto removed = co_await files_.remove(path_of(number));
    if (!removed && removed.code() != Code::not_found)
      log::warn("a segment of a shard log cannot be removed",
                {{"path", path_of(number)}, {"reason", removed.error().message}});
    co_return;
  }
  if (runs.empty() && !all_runs) co_return;
  auto file = co_await open_segment(number);
  if (file && all_runs) {
    auto size = co_await (*file)->size();
    if (size && pages_of(*size) > pages) runs.emplace_back(pages, pages_of(*size));
  }
  for (const auto& [first, end] : runs) {
    if (!file) break;
    auto cut = co_await (*file)->discard(first * kLogPage, (end - first) * kLogPage);
    if (!cut) file = Error{std::move(cut.error())};
  }
  if (!file)
    log::warn("space of a shard log cannot be given back",
              {{"path", path_of(number)}, {"reason", file.error().message}});
}

std::uint64_t ShardLog::bytes_in_use() {
  std::lock_guard lock(mutex_);
  std::uint64_t pages = 0;
  for (const auto& [number, segment] : segments_) pages += segment.used;
  return pages * kLogPage;
}

void ShardLog::take(const LogPlace& place) {
  std::lock_guard lock(mutex_);
  const auto found = segments_.find(place.segment);
  if (found != segments_.end() && !found->second.counted) found->second.mark(place, true);
}

io::Task<void> ShardLog::reclaim() {
  const auto self = shared_from_this();
  std::vector<std::uint64_t> old;
  {
    std::lock_guard lock(mutex_);
    for (auto& [number, segment] : segments_) {
      if (segment.counted) continue;
      for (const LogPlace& place : segment.freed) segment.mark(place, false);
      segment.counted = true;
      old.push_back(number);
    }
  }
  for (const std::uint64_t number : old) co_await give_back(number, true);
}

}  // namespace cairn::drive
