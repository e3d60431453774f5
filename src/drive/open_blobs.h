// The blob files of a drive that were read last, kept open with their tables of checksums: reading
// a range of one again costs no opening. What is handed out stays readable also when it is
// forgotten here or its name goes (7.5). Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "drive/blob_file.h"

namespace cairn::drive {

class OpenBlobs {
 public:
  // How many files, and how many bytes of tables, are kept at most, and for how long: a table that
  // was damaged on the disk since is noticed by whoever opens the file anew.
  struct Limits {
    std::size_t files = 256;
    std::size_t bytes = 8 << 20;
    io::Duration age = std::chrono::minutes(1);
  };
  OpenBlobs() : OpenBlobs(Limits{}) {}
  explicit OpenBlobs(Limits limits) : limits_(limits) {}

  // Null: not kept. The caller asks still_there() before it trusts the file to be the blob.
  std::shared_ptr<const BlobFileReader> find(const BlobName& name, io::Instant now);
  // Keeps it, in place of what was kept under this name.
  void keep(const BlobName& name, std::shared_ptr<const BlobFileReader> file, io::Instant now);
  // The blob's file was removed, moved or replaced: space is given back when its readers are done.
  void forget(const BlobName& name);
  void forget_all();
  std::size_t files() const;

 private:
  struct Entry {
    BlobName name;
    std::shared_ptr<const BlobFileReader> file;
    io::Instant until;
  };
  using Order = std::list<Entry>;
  struct Hash {
    std::size_t operator()(const BlobName& name) const;
  };
  void erase(Order::iterator it, Order& dropped);

  const Limits limits_;
  mutable std::mutex mutex_;
  Order order_;  // guarded by mutex_, as is the rest; the one used last in front
  std::unordered_map<BlobName, Order::iterator, Hash> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace cairn::drive
