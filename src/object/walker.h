// Walks the units of one kind in a bucket in key order, and rolls keys up into common prefixes.
//
// A common prefix is passed by seeking to the first key after it, where the keys are read: what is
// beneath it is not read, however much that is. Single-threaded. Usage: take() until it has
// nothing; then refill(), until that says that nothing follows.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/error.h"
#include "io/task.h"
#include "model/unit_key.h"
#include "store/store.h"

namespace cairn::object {

class Walker {
 public:
  struct Options {
    model::UnitKind kind = model::UnitKind::object;
    model::BucketId bucket{};
    std::string prefix{}, delimiter{};
    bool all_rows = false;      // every version, delete markers included
    std::size_t wanted = 1000;  // about how many entries will be taken: sizes the reads
  };
  // Views are valid while held() is kept.
  struct Unit {
    std::string_view key;
    store::ScanUnit unit;
  };
  using Entry = std::variant<std::string, Unit>;  // a common prefix, or a unit

  Walker(store::Store& store, Options options);

  // Where to start, REQUIRES: nothing was read. After `marker`: after all units of that key.
  void start_after(const std::string& marker);
  // At the unit key `begin`, which belongs to the key `marker`.
  void start_within(const std::string& marker, std::string begin);
  // Both: after the whole common prefix that `marker` lies in, if it does.

  std::optional<Entry> take();
  // What the units that were taken are views of.
  std::shared_ptr<const void> held() const { return held_; }
  // Reads on. False: proven that nothing follows. REQUIRES: take() had nothing.
  io::Task<Result<bool>> refill();

 private:
  struct Held {
    std::vector<std::shared_ptr<const drive::UnitPage>> pages{};
    std::deque<std::string> keys{};  // those that are stored escaped
  };
  void start_at(std::string begin);
  std::string_view key_of(const store::ScanUnit& unit);
  std::optional<std::string> common_prefix(std::string_view key) const;
  void skip_beneath(const std::string& common);

  store::Store& store_;
  const Options options_;
  std::string begin_, end_;  // what has not been read yet
  std::string skip_until_;   // units below it lie beneath a common prefix that was taken
  bool exhausted_ = false;
  std::size_t
      left_;  // entries that will still be taken, the one that proves that more follows among them
  const std::optional<drive::ScanRequest::Groups> groups_;  // asked of the drives
  std::size_t batch_;                                       // units to read at once
  store::ScanPage page_{};
  std::size_t at_ = 0;
  const std::shared_ptr<Held> held_ = std::make_shared<Held>();
};

}  // namespace cairn::object
