// The watch over drives: which left service, and which came back. A drive that returned, or an
// empty directory in the place of one that is gone, is put into service again; heal then rebuilds
// what it lacks.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "background/loop.h"
#include "base/metrics.h"
#include "store/local_store.h"

namespace cairn::background {

// The slots of this process, as app keeps them. Called on the executor of the service.
class DriveSlots {
 public:
  virtual ~DriveSlots() = default;
  virtual std::size_t count() const = 0;
  struct Slot {
    std::string path{};
    std::shared_ptr<drive::Drive> drive{};  // null: missing
    std::string reason{};                   // why
  };
  virtual Slot slot(std::size_t index) const = 0;
  // Looks at the directory of a drive in service: an error says, in a sentence, that it is not the
  // drive that was opened (vanished, replaced, unreadable).
  virtual io::Task<Result<void>> check(std::size_t index) = 0;
  // Takes a drive whose directory is gone out of service.
  virtual void retire(std::size_t index, std::string reason) = 0;
  // For a slot without a drive in service: opens the drive that is back, or makes an empty
  // directory a new drive; where the drives that are left cannot lead, only if `given_up`: an
  // operator says that the drive is lost for good (7.6), and it is a new one that is opened or
  // none. not_found: there is nothing usable yet.
  virtual io::Task<Result<std::shared_ptr<drive::Drive>>> reopen(std::size_t index,
                                                                 bool given_up) = 0;
  // The store has taken it into service.
  virtual io::Task<Result<void>> adopt(std::size_t index, std::shared_ptr<drive::Drive> drive) = 0;
};

struct DriveWatchOptions {
  io::Duration interval = std::chrono::seconds(5);
  // A slot is looked at so many times before its drive is retired or an empty directory is taken: a
  // mount that is still under way looks like an empty directory.
  unsigned patience = 3;
  io::Duration backoff_max = std::chrono::minutes(5);
};

class DriveWatch {
 public:
  // What is referred to outlives it. `on_attached` is told after a drive came into service (heal
  // wakes up).
  DriveWatch(store::LocalStore& store, DriveSlots& slots, metrics::Registry& metrics,
             std::function<void()> on_attached, DriveWatchOptions options = {});

  void start(io::Executor& executor);
  io::Task<void> stop();
  void wake() { loop_.wake(); }  // thread-safe

  // Puts the empty directory of a slot in the place of its drive, which an operator has given up
  // (7.6): the id of the new drive. conflict: the drive is in service. Thread-safe between start()
  // and stop().
  io::Task<Result<model::DriveId>> replace(std::size_t index);

  struct Status {
    bool in_service = false;
    std::string reason{};        // why not, for people
    std::uint64_t attached = 0;  // times a drive came back into this slot
  };
  std::vector<Status> status() const;  // by slot; thread-safe

 private:
  struct Watched {
    unsigned seen_bad = 0;  // looks in a row
    io::Instant retry_at{};
    io::Duration delay{};
    std::string told{};  // the reason that was logged last
  };
  io::Task<void> loop();
  io::Task<void> look(std::size_t index);
  io::Task<void> look_at_running(std::size_t index);
  io::Task<void> bring_back(std::size_t index);
  io::Task<Result<model::DriveId>> replace_here(std::size_t index);
  io::Task<Result<model::DriveId>> put_in_service(std::size_t index, bool given_up);
  void wait_longer(std::size_t index, const Error& why);
  void tell(std::size_t index, bool in_service, std::string reason);

  store::LocalStore& store_;
  DriveSlots& slots_;
  metrics::Gauge& in_service_;
  metrics::Counter& attached_;
  std::function<void()> on_attached_;
  DriveWatchOptions options_;
  Loop loop_;
  io::Executor* executor_ = nullptr;  // of the loop
  io::AsyncMutex turn_{};             // one look or replacement at a time
  std::vector<Watched> watched_;
  mutable std::mutex mutex_;
  std::vector<Status> status_;  // guarded by mutex_
};

}  // namespace cairn::background
