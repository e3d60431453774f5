// The control store: small, strongly consistent key-value state (buckets, map, leader epochs, later IAM). One interface,
// two implementations: embedded (control/embedded.h, on the node's own drives) and etcd. Objects never live here.
//
// Keys are UTF-8 paths ("bucket/NAME", "map", "term/..."), values opaque bytes. Every change raises the store's revision
// by one. Readers on the data path use caches kept fresh by watch, never this interface.
// Threads: calls from any executor.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/task.h"

namespace cairn::control {

struct Entry {
  std::string key;
  std::string value;
  std::uint64_t mod_revision = 0;  // of the change that wrote it
};

// All conditions hold, or nothing happens.
struct Condition {
  std::string key;
  std::uint64_t mod_revision = 0;  // 0: the key is absent
};
struct Change {
  std::string key;
  std::optional<std::string> value;  // none: remove
};

class Store {
 public:
  virtual ~Store() = default;
  virtual io::Task<Result<std::optional<Entry>>> get(std::string key) = 0;
  virtual io::Task<Result<std::vector<Entry>>> list(std::string prefix) = 0;
  // Durable when it returns the new revision. conflict: a condition did not hold, nothing was done. Any other error:
  // unknown outcome.
  virtual io::Task<Result<std::uint64_t>> commit(std::vector<Condition> conditions, std::vector<Change> changes) = 0;

  // Calls `on_change` for every change under `prefix` after the call, in order, on an unspecified executor; the value is
  // none for a removal. Ends when the handle is destroyed (no call runs afterwards).
  class Watch {
   public:
    virtual ~Watch() = default;
  };
  using OnChange = std::function<void(const std::string& key, const std::optional<Entry>& entry)>;
  virtual std::unique_ptr<Watch> watch(std::string prefix, OnChange on_change) = 0;

  // A key that goes when its lease is not kept alive. The embedded store has one holder, which always keeps it alive.
  virtual io::Task<Result<std::uint64_t>> grant_lease(std::chrono::seconds ttl) = 0;
  virtual io::Task<Result<void>> keep_alive(std::uint64_t lease) = 0;
};

}  // namespace cairn::control
