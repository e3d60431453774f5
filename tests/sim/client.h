// Clients: what they do to a handful of keys, and the record of it that is checked afterwards.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/history.h"
#include "sim/world.h"

namespace cairn::sim {

// What was written under a number: the ETag is "v" and the number.
struct Value {
  std::string bytes;
  model::ValueId id{};
};

// One version of a versioned key that somebody tried to write.
struct VersionTried {
  std::uint32_t value = 0;  // 0: a delete marker
  bool done = false;
  std::uint64_t begin = 0, end = 0;
  model::Stamp order{};  // when done
  bool removing = false, removed = false;
};

struct Key {
  model::UnitKey unit;
  std::string name;
  bool versioned = false;
  std::vector<Operation> history{};
  std::vector<VersionTried> versions{};
};

class Workload {
 public:
  explicit Workload(World& world);

  // One client's life. The world's `busy` is lowered at its end.
  io::Task<void> client(unsigned operations);
  // After calm(): everything is read once more, and what was recorded is checked.
  io::Task<void> finish();

  std::vector<Key>& keys() { return keys_; }
  std::uint64_t answered() const { return answered_; }
  io::Duration longest() const { return longest_; }

 private:
  using LeaderPtr = std::shared_ptr<Leader>;
  std::uint64_t tick() { return ++time_; }
  std::size_t begin(Key& key, Operation::Kind kind, std::uint32_t value,
                    std::uint32_t expected = 0);
  void end(Key& key, std::size_t at, Operation::Outcome outcome);
  std::uint32_t new_value();
  // Of an ETag; a failure if it was never written.
  std::optional<std::uint32_t> value_of(const std::string& etag);

  io::Task<void> put(LeaderPtr leader, Key* key);
  io::Task<void> put_version(LeaderPtr leader, Key* key);
  io::Task<void> remove(LeaderPtr leader, Key* key);
  io::Task<void> remove_version(LeaderPtr leader, Key* key);
  io::Task<void> update(LeaderPtr leader, Key* key);
  io::Task<void> multipart(LeaderPtr leader, Key* key);
  io::Task<bool> read(LeaderPtr leader, Key* key, bool must);
  io::Task<bool> list(LeaderPtr leader, bool must);
  io::Task<void> check_body(LeaderPtr leader, Key* key, store::Found found, std::uint32_t value,
                            bool must);
  io::Task<Result<void>> stage(LeaderPtr leader, model::UnitKey unit, model::ValueId id,
                               std::string bytes, bool blob_only, store::PutVersion* into);
  io::Task<void> remove_units(std::vector<model::UnitKey> units);
  void check_histories();
  io::Task<void> check_versions(Key* key);
  void check_drives();

  World& w_;
  std::vector<Key> keys_{};
  std::map<std::uint32_t, Value> values_{};
  std::uint64_t time_ = 0, answered_ = 0;
  io::Duration longest_{};
  bool conditional_ = false, multipart_ = false, versions_ = false, retries_ = false;
};

}  // namespace cairn::sim
