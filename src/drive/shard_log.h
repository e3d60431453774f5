// The shard log of a drive (docs/format/log.md): shards of mid-size objects, too large to be
// written to the index twice and too small for a file and a directory entry each. They are appended
// to segments, all of a batch of the committer in one write and one sync, and the index keeps where
// each one is.
//
// Order: an append is durable before the row that names it is committed; a crash between leaves
// bytes that nothing names. A place is given back after the loss of its name is synced, and after
// whoever has it open is done with it. What a crash kept from being given back, the next mount
// finds.
//
// Threads: append() from one thread, which may block; everything else from any executor. Lifetime:
// shared; what is in flight keeps it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "drive/layout.h"
#include "io/file.h"
#include "io/sync.h"

namespace cairn::drive {

inline constexpr std::size_t kLogPage = io::kDirectAlignment;  // places begin and end on pages

class ShardLog : public std::enable_shared_from_this<ShardLog> {
 public:
  struct Limits {
    std::uint64_t segment_bytes = std::uint64_t{512} << 20;  // a full one is left for a new one
    std::uint64_t give_back_bytes = std::uint64_t{8} << 20;  // freed in a segment before it is cut
    std::size_t open_files = 64;
  };
  ShardLog(io::FileSystem& files, std::string directory, Limits limits)
      : files_(files), directory_(std::move(directory)), limits_(limits) {}

  // Looks which segments there are. REQUIRES: called once, before anything else.
  io::Task<Result<void>> load();
  // Counts what the segments that load() found still hold and gives the rest back. First
  // take(place) for every place that a snapshot of the index taken after load() names, then this,
  // once.
  void take(const LogPlace& place);
  io::Task<void> reclaim();

  // Sees to it that there is a segment to append to: to be awaited for each shard before append().
  io::Task<Result<void>> make_room();
  // Durable when it returns: where each shard is, in their order. None is empty. An error of the
  // disk but no_space ends the drive (the caller sees to it); a place that was not returned is
  // never named.
  Result<std::vector<LogPlace>> append(const std::vector<io::Slices>& shards);
  // A place that is read: its bytes stay what they are also when it is released (7.5).
  class Opened {
   public:
    ~Opened();
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
    // The bytes from `offset` on, as they are: whoever asked compares checksums. corrupt: the
    // segment is shorter. REQUIRES: `into` ends within the place.
    io::Task<Result<void>> read(std::uint64_t offset, io::MutableBytes into) const;

   private:
    friend class ShardLog;
    Opened(std::shared_ptr<ShardLog> log, const LogPlace& place)
        : log_(std::move(log)), place_(place) {}
    std::shared_ptr<ShardLog> log_;
    LogPlace place_;
    std::shared_ptr<io::File> file_{};
  };
  // not_found: it was released, or there is no such segment.
  io::Task<Result<std::shared_ptr<const Opened>>> open(LogPlace place);
  // Of pages that are in use; of segments that are not counted yet, what take() said.
  std::uint64_t bytes_in_use();
  // Named by nothing any more, and that is synced.
  io::Task<void> release(std::vector<LogPlace> places);
  // What could not be given back when it was released, because it was open or being appended to.
  io::Task<void> give_back_left();
  // `wake` is called, on any thread, when a place was closed that waits for give_back_left(). To be
  // set before anything is opened.
  void when_left(std::function<void()> wake) { when_left_ = std::move(wake); }

 private:
  struct Segment {
    std::vector<bool> pages{};  // in use
    std::uint64_t used = 0;     // how many
    bool counted = true;        // pages are right: of an old segment once reclaim() was here
    std::vector<LogPlace> freed{};
    std::uint64_t freed_bytes = 0;          // not given back yet
    std::map<LogPlace, unsigned> opened{};  // how often: their pages are not given back
    void mark(const LogPlace& place, bool in_use);
    bool in_use(const LogPlace& place) const;
  };
  struct OpenFile {
    std::shared_ptr<io::File> file;
    std::uint64_t last_use = 0;
  };
  struct Room {
    std::byte* at = nullptr;
    std::size_t bytes = 0;
    ~Room();
    void reserve(std::size_t wanted);
    void keep_at_most(std::size_t most);
  };

  struct Tail {
    std::uint64_t number = 0;  // 0: there is none
    std::shared_ptr<io::File> file{};
    std::uint64_t end = 0;
  };
  bool has_room();
  // Under the lock: whether nothing of it is named and nothing more comes; whether it is worth
  // giving something of it back.
  bool is_empty(std::uint64_t number, const Segment& segment) const;
  bool is_due(std::uint64_t number, const Segment& segment) const;
  io::Task<Result<void>> next_segment();
  std::vector<io::Bytes> pieces_of(const std::vector<io::Slices>& shards);
  io::Task<Result<std::shared_ptr<io::File>>> open_segment(std::uint64_t number);
  io::Task<void> give_back(std::uint64_t number, bool all_runs);
  std::string path_of(std::uint64_t number) const;

  io::FileSystem& files_;
  const std::string directory_;
  const Limits limits_;

  std::function<void()> when_left_{};
  Room room_{};  // append()'s own
  io::AsyncMutex making_room_;

  std::mutex mutex_;
  // Guarded by mutex_.
  Tail tail_{};                        // being appended to
  Tail fresh_{};                       // the next one
  std::vector<std::uint64_t> left_{};  // segments to be looked at
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, Segment> segments_;
  std::map<std::uint64_t, OpenFile> open_;
  std::uint64_t uses_ = 0;
};

}  // namespace cairn::drive
