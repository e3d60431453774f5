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

io::Task<Result<LogPlace>> ShardLog::append(io::Slice bytes) {
  CAIRN_ASSERT(!bytes.bytes.empty());
  const io::OneShot<Result<LogPlace>> done;
  bool start = false;
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(bytes), done});
    start = !std::exchange(flushing_, true);
  }
  if (start) io::spawn(io::Executor::current(), flush(shared_from_this()));
  co_return co_await done.get();
}

// Writes what waits, batch after batch, until nothing does. One runs at a time.
io::Task<void> ShardLog::flush(std::shared_ptr<ShardLog> self) {
  for (;;) {
    const std::vector<Waiting> batch = self->take_batch();
    if (batch.empty()) co_return;
    std::vector<LogPlace> places;
    const auto written = co_await self->write_batch(batch, places);
    for (std::size_t i = 0; i < batch.size(); ++i)
      batch[i].done.set(written ? Result<LogPlace>(places[i]) : Result<LogPlace>(written.error()));
  }
}

std::vector<ShardLog::Waiting> ShardLog::take_batch() {
  std::vector<Waiting> batch;
  std::size_t bytes = 0;
  std::lock_guard lock(mutex_);
  while (!waiting_.empty()) {
    bytes += pages_of(waiting_.front().bytes.bytes.size()) * kLogPage;
    if (!batch.empty() && bytes > limits_.batch_bytes) break;
    batch.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  flushing_ = !batch.empty();
  return batch;
}

io::Task<Result<void>> ShardLog::write_batch(const std::vector<Waiting>& batch,
                                             std::vector<LogPlace>& places) {
  std::size_t bytes = 0;
  for (const Waiting& one : batch) bytes += pages_of(one.bytes.bytes.size()) * kLogPage;
  if (!tail_ || tail_end_ + bytes > limits_.segment_bytes) CAIRN_CO_TRY(co_await next_segment());
  room_.reserve(std::max(bytes, limits_.batch_bytes));
  std::size_t at = 0;
  {
    std::lock_guard lock(mutex_);
    Segment& segment = segments_[tail_number_];
    for (const Waiting& one : batch) {
      const io::Bytes data = one.bytes.bytes;
      const std::size_t whole = pages_of(data.size()) * kLogPage;
      places.push_back({tail_number_, tail_end_ + at, static_cast<std::uint32_t>(data.size())});
      segment.mark(places.back(), true);
      at += whole;
    }
  }
  at = 0;
  for (const Waiting& one : batch) {
    const io::Bytes data = one.bytes.bytes;
    const std::size_t whole = pages_of(data.size()) * kLogPage;
    std::memcpy(room_.at + at, data.data(), data.size());
    std::memset(room_.at + at + data.size(), 0, whole - data.size());
    at += whole;
  }
  const std::shared_ptr<io::File> tail = tail_;
  const auto done = co_await tail->write_synced(tail_end_, {io::Bytes(room_.at, bytes)});
  tail_end_ += bytes;
  // What a failed write left is unknown: nothing is appended behind it.
  if (!done) tail_.reset();
  co_return done;
}

// It is durable when it returns.
io::Task<Result<void>> ShardLog::next_segment() {
  tail_.reset();
  std::uint64_t number = 0, full = 0;
  {
    std::lock_guard lock(mutex_);
    number = next_number_++;
    full = std::exchange(tail_number_, 0);
  }
  if (full != 0) co_await give_back(full, false);
  CAIRN_CO_ASSIGN(std::shared_ptr<io::File> file,
                  co_await files_.open(path_of(number), io::FileSystem::Open::create_streamed));
  Writer w(kLogPage);
  w.raw(kMagic).u32(kVersion).u64(number);
  std::string header = w.take();
  header.resize(kLogPage, '\0');
  CAIRN_CO_TRY(co_await file->write_synced(0, {as_bytes(header)}));
  CAIRN_CO_TRY(co_await files_.sync_directory(directory_));
  std::lock_guard lock(mutex_);
  segments_[number];
  tail_number_ = number;
  tail_end_ = kLogPage;
  tail_ = std::move(file);
  co_return Result<void>{};
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

io::Task<Result<io::Slice>> ShardLog::read(LogPlace place) {
  CAIRN_CO_ASSIGN(const std::shared_ptr<io::File> file, co_await open_segment(place.segment));
  const auto memory = std::make_shared_for_overwrite<std::byte[]>(place.bytes);
  const io::MutableBytes into(memory.get(), place.bytes);
  CAIRN_CO_ASSIGN(const std::size_t got, co_await file->read_at(place.offset, into));
  if (got != into.size())
    co_return Error{Code::corrupt, "the shard log is shorter than the index says"};
  co_return io::Slice{memory, into};
}

// -- giving back

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
      const bool empty = segment.used == 0 && place.segment != tail_number_;
      if (!segment.counted || (!empty && segment.freed_bytes < limits_.give_back_bytes)) continue;
      if (due.empty() || due.back() != place.segment) due.push_back(place.segment);
    }
  }
  for (const std::uint64_t number : due) co_await give_back(number, false);
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
    remove = segment.used == 0 && number != tail_number_;
    pages = std::max<std::uint64_t>(segment.pages.size(), 1);
    if (remove) {
      if (const auto entry = open_.find(number); entry != open_.end()) {
        open = std::move(entry->second.file);
        open_.erase(entry);
      }
    } else if (all_runs) {
      for (std::uint64_t page = 1; page < segment.pages.size(); ++page) {
        if (segment.pages[page]) continue;
        if (runs.empty() || runs.back().second != page) runs.emplace_back(page, page);
        runs.back().second = page + 1;
      }
    } else {
      std::ranges::sort(segment.freed);
      for (const LogPlace& place : std::exchange(segment.freed, {})) {
        const std::uint64_t page = place.offset / kLogPage;
        if (runs.empty() || runs.back().second != page) runs.emplace_back(page, page);
        runs.back().second = page + pages_of(place.bytes);
      }
    }
    segment.freed_bytes = 0;
    if (remove) segments_.erase(found);
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
      for (const LogPlace& place : std::exchange(segment.freed, {})) segment.mark(place, false);
      segment.freed_bytes = 0;
      segment.counted = true;
      old.push_back(number);
    }
  }
  for (const std::uint64_t number : old) co_await give_back(number, true);
}

}  // namespace cairn::drive
