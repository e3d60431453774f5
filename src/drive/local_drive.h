// A drive of this machine: format.json, meta/ (RocksDB), blobs/, tmp/ in one directory.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/metrics.h"
#include "drive/drive.h"
#include "io/file.h"
#include "io/reactor.h"
#include "io/world.h"

namespace cairn::drive {

// Written. Version 1, whose index had RocksDB's log, is read as well: a mount makes it this one.
inline constexpr std::uint32_t kLayoutVersion = 2;

// format.json. Written once at creation, and at each mount (generation).
struct Format {
  std::uint32_t layout_version = kLayoutVersion;
  model::DriveId drive{};
  model::ClusterId cluster{};
  std::uint64_t generation = 0;  // raised at each mount (7.4)
  std::uint32_t slot = 0;        // position in the order of creation, for people
  std::uint32_t drives = 0;      // drives at creation
  model::ErasureProfile profile{};
  std::string created{};  // RFC 3339
};

// What a look at a drive directory found, before anything is changed.
struct Probe {
  enum class State { empty, formatted, missing, unreadable, foreign_files, read_only };
  State state = State::missing;
  Format format{};       // of formatted
  std::string reason{};  // for people, when it cannot be used
};

struct LocalDriveOptions {
  std::string path{};                             // absolute
  std::uint64_t block_cache_bytes = 64ull << 20;  // this drive's share
  std::uint64_t memtable_bytes = 32ull << 20;
  std::uint64_t reserve_bytes = 0;  // free space kept; 0: 1 % of the drive, at most 1 GiB
  std::size_t open_files = 64;      // files of shards that are kept open, beside those in use
  bool sync = true;                 // false only as the explicit, less durable setting
  // The partition of a unit, from its lock key. Needed where a drive joins a partition again that
  // it had left (8.3).
  std::function<model::PartitionId(std::string_view lock_key)> partition_of{};
};

struct World {
  io::FileSystem& files;
  io::BlockingPool& pool;
  io::Clock& clock;
  io::Random& random;
  metrics::Registry& metrics;
};

io::Task<Result<Probe>> probe(io::FileSystem& files, std::string path);
// Makes an empty directory a drive. already_exists if it is one; refuses directories with foreign
// files.
io::Task<Result<void>> format_drive(io::FileSystem& files, std::string path, Format format);
// Opens a formatted drive: locks it against a second process, raises the generation, recovers,
// sweeps unnamed blobs in the background. Errors say what is wrong with the drive.
io::Task<Result<std::unique_ptr<Drive>>> open_local_drive(World world, LocalDriveOptions options);

}  // namespace cairn::drive
