// The door to a drive's ordered index: column families of byte keys, atomic batches, consistent
// views. RocksDB behind it in a server (index_rocksdb.cpp), an ordered map that knows what a power
// cut loses in the simulation (testing/memory_index.h); the logic of a drive is the same over both.
//
// Threads: everything may be called from any thread; one thread writes at a time (the drive's
// committer). Calls block, except on a Reader with Reads::cached. Errors: io_error, no_space and
// corrupt end the drive, whoever sees them in a write; `unavailable` from a reader with
// Reads::cached means only "not in memory, ask again where blocking is allowed". Durability:
// write(batch, true) and sync() make that batch, and every batch written before, survive a crash; a
// batch that was written without sync survives whole or not at all, and never without those before
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/bytes.h"

namespace cairn::drive {

// Column families; layout.h says what their keys and values are.
enum class Family : std::uint8_t {
  records,      // rows and heads of units
  pending,      // pending mutations
  inline_data,  // inline shards
  parts,        // tables of parts
  refs,         // which units name a blob file
  missing,      // shards that are named and not here
  state,        // promises per partition
  repair,       // repair queue
  logged,       // where the shard log keeps an inline shard
};
inline constexpr std::size_t kFamilies = 9;

// Changes that take effect together.
class Batch {
 public:
  virtual ~Batch() = default;
  // The value is the concatenation of the pieces.
  virtual void put(Family family, std::string_view key,
                   std::initializer_list<std::string_view> value) = 0;
  virtual void remove(Family family, std::string_view key) = 0;
  // Cheaper. REQUIRES: the key was put exactly once since it was last removed, and is only ever
  // removed this way.
  virtual void remove_once(Family family, std::string_view key) = 0;
  virtual bool empty() const = 0;
  virtual std::size_t bytes() const = 0;
  virtual void clear() = 0;
  // Remembers where the batch stands; goes back there. One place is remembered at a time.
  virtual void save() = 0;
  virtual void rollback() = 0;
};

// Walks keys upwards. Views are valid until the next move. After a move that left it !valid(),
// status() tells the end from an error.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void seek(std::string_view key) = 0;
  virtual void next() = 0;
  virtual bool valid() const = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual Result<void> status() const = 0;
};

// How far a cursor walks: `unit` may only look at keys that share their first part (unit key of
// records, data id of refs and missing) with the key it was last set to, and may use filters to
// learn that there are none.
enum class Walk : std::uint8_t { unit, all };
enum class Reads : std::uint8_t { cached, blocking };

class Reader {
 public:
  virtual ~Reader() = default;
  // True and `into` assigned, or false when there is no such key.
  virtual Result<bool> get(Family family, std::string_view key, std::string& into) = 0;
  // As above without a copy where the index can lend its memory.
  virtual Result<std::optional<io::Slice>> get_slice(Family family, std::string_view key) = 0;
  // `end`, if not empty: keys from it on are not walked; what lies there costs nothing.
  virtual std::unique_ptr<Cursor> cursor(Family family, Walk walk, std::string_view end = {}) = 0;
};

class Index {
 public:
  virtual ~Index() = default;
  virtual std::unique_ptr<Batch> batch() = 0;
  virtual Result<void> write(Batch& batch, bool sync) = 0;
  virtual Result<void> sync() = 0;
  // Everything goes to where the next open has it at once, without a log. Called last, if at all:
  // afterwards only readers are used.
  virtual Result<void> close() { return {}; }
  // Each call of it sees the newest state; calls do not see the same state.
  virtual std::unique_ptr<Reader> latest(Reads reads) = 0;
  // Sees the state as of this call. Blocking.
  virtual std::unique_ptr<Reader> snapshot() = 0;
};

struct IndexOptions {
  std::uint64_t block_cache_bytes = 64ull << 20;
  std::uint64_t memtable_bytes = 32ull << 20;
  bool sync = true;  // false: writes are not synced, whatever is asked
  // Random: tells the log of an index that is made from any other bytes.
  std::uint64_t fresh_seed = 1;
};
// Opens or makes a RocksDB index in `path`. Errors say what is wrong: corrupt when the log lacks
// what was acknowledged, already_exists when another process has it open.
Result<std::unique_ptr<Index>> open_rocksdb_index(const std::string& path,
                                                  const IndexOptions& options);

}  // namespace cairn::drive
