#include "control/embedded.h"

#include <deque>
#include <unordered_map>

#include "base/assert.h"
#include "base/log.h"
#include "control/format.h"
#include "control/gather.h"
#include "control/recover.h"
#include "control/state.h"
#include "io/executor.h"
#include "io/sync.h"

namespace cairn::control {
namespace {

// Beyond these a log is folded into a snapshot; it may always grow to the size of the state it
// continues.
constexpr std::uint64_t kLogBytes = 1u << 20;
constexpr std::uint64_t kLogRecords = 10'000;
// One write and one sync for at most this much.
constexpr std::size_t kBatchCommits = 1'000;
constexpr std::size_t kBatchBytes = 1u << 20;
// How long to leave a store that has lost its majority alone between attempts to recover it.
constexpr io::Duration kRecoveryPause = std::chrono::seconds(1);
constexpr Patience kInstallPatience{.enough = SIZE_MAX, .deadline = std::chrono::seconds(30)};

struct Commit {
  std::vector<Condition> conditions;
  std::vector<Change> changes;
  io::OneShot<Result<std::uint64_t>> done;
};
struct Attach {
  std::size_t index;
  std::string path;
  Loss loss = Loss::none;
  io::OneShot<Result<void>> done;
};
using Request = std::variant<Commit, Attach>;

// Coroutines that keep their directory alive.
io::Task<Result<void>> append_to(std::shared_ptr<Directory> directory,
                                 std::shared_ptr<const std::string> records) {
  co_return co_await directory->append(std::move(records));
}
io::Task<Result<void>> rotate(std::shared_ptr<Directory> directory,
                              std::shared_ptr<const std::string> snapshot, std::uint64_t epoch,
                              std::uint64_t revision) {
  co_return co_await directory->install(std::move(snapshot), epoch, revision);
}
io::Task<Result<void>> bring_up(std::shared_ptr<Directory> directory,
                                std::shared_ptr<const std::string> snapshot, std::uint64_t epoch,
                                std::uint64_t revision) {
  CAIRN_CO_TRY(co_await directory->promise(epoch));
  co_return co_await directory->install(std::move(snapshot), epoch, revision);
}

// What changed from `before` to `after`, which is later.
std::vector<Event> difference(const State& before, const State& after) {
  std::vector<Event> events;
  for (const auto& [key, item] : after.items)
    if (before.mod_revision(key) != item.mod_revision)
      events.push_back({item.mod_revision, key, Entry{key, item.value, item.mod_revision}});
  for (const auto& [key, item] : before.items)
    if (after.mod_revision(key) == 0) events.push_back({after.revision, key, std::nullopt});
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::tie(a.revision, a.key) < std::tie(b.revision, b.key);
  });
  return events;
}

struct Slot {
  std::string path;
  std::shared_ptr<Directory> directory;  // in use; null: dropped or missing
  std::shared_ptr<Directory> dropped;    // the last one that was given up; it may still be busy
  std::string reason;
  bool ended = false;  // not to be tried again before attach()
};

// All state of the store. One coroutine at a time, the writer, changes it and writes to the
// directories; it runs while there are requests. The mutex covers what readers see.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(io::FileSystem& files, const std::vector<std::string>& paths) : files_(files) {
    for (const auto& path : paths) slots_.push_back({path, nullptr, nullptr, "", path.empty()});
  }

  void take(Recovered recovered);
  void submit(Request request);

  std::optional<Entry> get(const std::string& key) {
    std::lock_guard lock(mutex_);
    return state_.get(key);
  }
  std::vector<Entry> list(const std::string& prefix) {
    std::lock_guard lock(mutex_);
    return state_.list(prefix);
  }
  std::unique_ptr<Store::Watch> watch(std::string prefix, Store::OnChange on_change) {
    std::lock_guard lock(mutex_);
    return hub_.add(std::move(prefix), state_.revision, std::move(on_change));
  }
  Embedded::Status status();
  std::size_t directories() const { return slots_.size(); }

 private:
  // A commit of a batch and what becomes of it if the batch is written.
  struct Decided {
    Commit commit;
    Result<std::uint64_t> result;
    bool applies = false;
  };

  static io::Task<void> write_loop(std::shared_ptr<Core> self);
  std::vector<Request> next_requests();
  io::Task<void> run_commits(std::vector<Request> requests);
  std::string decide(std::vector<Request> requests, std::vector<Decided>& batch) const;
  io::Task<Result<void>> write(std::string records);
  void apply(std::vector<Decided>& batch);
  io::Task<void> rotate_if_due();
  io::Task<Result<void>> run_attach(Attach attach);
  io::Task<Result<void>> recover_in_place(Loss loss);
  void take_hung(Recovered& recovered);
  void drop(std::size_t index, const std::optional<Result<void>>& outcome);
  std::vector<std::size_t> in_use() const;
  // Once a write has missed its majority, so many directories are dropped that this is false:
  // nothing follows records of which nobody knows whether they count, before a recovery has decided
  // that in a new epoch.
  bool healthy() const { return in_use().size() >= majority_of(slots_.size()); }

  io::FileSystem& files_;
  std::mutex mutex_;
  State state_;
  WatchHub hub_;
  std::deque<Request> queue_;
  bool writing_ = false;
  // Written by the writer, under the mutex.
  std::vector<Slot> slots_;
  std::uint64_t epoch_ = 0;
  // The writer's own.
  std::uint64_t log_records_ = 0;
  std::size_t snapshot_bytes_ = 0;
  std::optional<io::Instant> last_recovery_;
};

Embedded::Status Core::status() {
  std::lock_guard lock(mutex_);
  Embedded::Status out{epoch_, state_.revision, healthy(), {}};
  for (const auto& slot : slots_)
    out.directories.push_back({slot.path, slot.directory != nullptr, slot.reason});
  return out;
}

void Core::take(Recovered recovered) {
  std::vector<Event> events;
  {
    std::lock_guard lock(mutex_);
    if (epoch_ != 0) events = difference(state_, recovered.state);
    epoch_ = recovered.epoch;
    state_ = std::move(recovered.state);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      slots_[i].directory = std::move(recovered.directories[i]);
      slots_[i].reason = std::move(recovered.reasons[i]);
    }
    take_hung(recovered);
    hub_.queue(std::move(events));
  }
  log_records_ = 0;
  hub_.deliver();
}

// REQUIRES: the mutex is held.
void Core::take_hung(Recovered& recovered) {
  for (std::size_t i = 0; i < recovered.hung.size(); ++i) {
    if (!recovered.hung[i]) continue;
    slots_[i].dropped = std::move(recovered.hung[i]);
    slots_[i].ended = true;
  }
}

void Core::submit(Request request) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(request));
    if (std::exchange(writing_, true)) return;
  }
  io::spawn(io::Executor::current(), write_loop(shared_from_this()));
}

std::vector<std::size_t> Core::in_use() const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (slots_[i].directory) out.push_back(i);
  return out;
}

// The requests that are run together: one attach, or the commits before the next one.
std::vector<Request> Core::next_requests() {
  std::lock_guard lock(mutex_);
  std::vector<Request> out;
  std::size_t bytes = 0;
  while (!queue_.empty() && out.size() < kBatchCommits && bytes < kBatchBytes) {
    const auto* commit = std::get_if<Commit>(&queue_.front());
    if (commit == nullptr && !out.empty()) break;
    if (commit != nullptr) bytes += format::record_bytes(commit->changes);
    out.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (std::holds_alternative<Attach>(out.back())) break;
  }
  if (out.empty()) writing_ = false;
  return out;
}

io::Task<void> Core::write_loop(std::shared_ptr<Core> self) {
  for (;;) {
    auto requests = self->next_requests();
    if (requests.empty()) co_return;
    if (auto* attach = std::get_if<Attach>(&requests.front())) {
      const auto done = attach->done;
      auto result = co_await self->run_attach(std::move(*attach));
      done.set(std::move(result));
    } else {
      co_await self->run_commits(std::move(requests));
    }
  }
}

// Decides each commit against the state as the ones before it leave it; returns the records to
// write.
std::string Core::decide(std::vector<Request> requests, std::vector<Decided>& batch) const {
  std::string records;
  std::unordered_map<std::string, std::uint64_t> changed;  // key -> its revision within the batch
  const auto holds = [&](const Condition& c) {
    const auto it = changed.find(c.key);
    return (it != changed.end() ? it->second : state_.mod_revision(c.key)) == c.mod_revision;
  };
  std::uint64_t revision = state_.revision;
  for (auto& request : requests) {
    auto& commit = std::get<Commit>(request);
    if (!std::all_of(commit.conditions.begin(), commit.conditions.end(), holds)) {
      batch.push_back(
          {std::move(commit), Error{Code::conflict, "the control store changed meanwhile"}});
      continue;
    }
    if (commit.changes.empty()) {
      batch.push_back({std::move(commit), revision});
      continue;
    }
    ++revision;
    for (const auto& change : commit.changes) changed[change.key] = change.value ? revision : 0;
    format::append_record(records, epoch_, revision, state_.revision, commit.changes);
    batch.push_back({std::move(commit), revision, true});
  }
  return records;
}

io::Task<void> Core::run_commits(std::vector<Request> requests) {
  Result<void> outcome;
  if (!healthy()) outcome = co_await recover_in_place(Loss::none);
  std::vector<Decided> batch;
  std::string records = decide(std::move(requests), batch);
  if (outcome && !records.empty()) outcome = co_await write(std::move(records));
  if (outcome) {
    apply(batch);
    co_await rotate_if_due();
  }
  for (auto& decided : batch) {
    if (outcome)
      decided.commit.done.set(std::move(decided.result));
    else
      decided.commit.done.set(Error{outcome.error()});
  }
}

io::Task<Result<void>> Core::write(std::string records) {
  const auto shared = std::make_shared<const std::string>(std::move(records));
  const auto positions = in_use();
  std::vector<io::Task<Result<void>>> tasks;
  for (const auto at : positions) tasks.push_back(append_to(slots_[at].directory, shared));
  const std::size_t majority = majority_of(slots_.size());
  auto results = co_await gather(std::move(tasks), Patience{.enough = majority});
  std::size_t good = 0, full = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& result = results[i];
    if (result && *result) {
      ++good;
      continue;
    }
    full += result && result->code() == Code::no_space ? 1 : 0;
    drop(positions[i], result);
  }
  if (good >= majority) co_return Result<void>{};
  CAIRN_ASSERT(!healthy());
  // Had the full disks had room, there would have been a majority.
  if (good + full >= majority)
    co_return Error{Code::no_space, "the control store's drives are full"};
  co_return Error{Code::unavailable, "the control store lost the majority of its drives"};
}

void Core::apply(std::vector<Decided>& batch) {
  {
    std::lock_guard lock(mutex_);
    std::vector<Event> events;
    for (const auto& decided : batch) {
      if (!decided.applies) continue;
      state_.apply(decided.commit.changes, events);
      CAIRN_ASSERT(state_.revision == *decided.result);
      ++log_records_;
    }
    hub_.queue(std::move(events));
  }
  hub_.deliver();
}

io::Task<void> Core::rotate_if_due() {
  const auto positions = in_use();
  std::uint64_t log_bytes = 0;
  for (const auto at : positions)
    log_bytes = std::max(log_bytes, slots_[at].directory->log_bytes());
  if (log_records_ < kLogRecords && log_bytes < std::max<std::uint64_t>(kLogBytes, snapshot_bytes_))
    co_return;
  const auto snapshot =
      std::make_shared<const std::string>(format::encode_snapshot(epoch_, state_));
  std::vector<io::Task<Result<void>>> tasks;
  for (const auto at : positions)
    tasks.push_back(rotate(slots_[at].directory, snapshot, epoch_, state_.revision));
  auto results = co_await gather(std::move(tasks), kInstallPatience);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& result = results[i];
    if (!result || !*result) drop(positions[i], result);
  }
  log_records_ = 0;
  snapshot_bytes_ = snapshot->size();
}

void Core::drop(std::size_t index, const std::optional<Result<void>>& outcome) {
  std::lock_guard lock(mutex_);
  Slot& slot = slots_[index];
  slot.reason = outcome ? outcome->error().message : "it does not answer";
  // A full disk may get room again. Anything else is a failing disk; above all, a failed sync is
  // never asked twice.
  slot.ended = !outcome || outcome->code() != Code::no_space || slot.directory->sync_failed();
  slot.dropped = std::move(slot.directory);
  log::error("a directory of the control store left service",
             {{"path", slot.path}, {"reason", slot.reason}});
}

// Reads everything again and starts a new epoch. What memory holds stays until that has succeeded.
io::Task<Result<void>> Core::recover_in_place(Loss loss) {
  const io::Instant now = io::Executor::current().now();
  if (last_recovery_ && now < *last_recovery_ + kRecoveryPause)
    co_return Error{Code::unavailable, "the control store has lost the majority of its drives"};
  last_recovery_ = now;
  RecoveryInput input{.may_create = false, .revision_min = state_.revision, .loss = loss};
  {
    std::lock_guard lock(mutex_);
    for (auto& slot : slots_) {
      const bool usable = !slot.ended && !(slot.dropped && slot.dropped->busy());
      input.paths.push_back(usable ? slot.path : "");
      input.reasons.push_back(usable ? "" : slot.reason);
      if (slot.directory) slot.dropped = std::move(slot.directory);
    }
  }
  Recovered recovered;
  auto outcome = co_await recover(files_, std::move(input), &recovered);
  if (!outcome) {
    std::lock_guard lock(mutex_);
    take_hung(recovered);
    co_return outcome;
  }
  take(std::move(recovered));
  log::info("the control store has a majority of its drives again", {{"epoch", epoch_}});
  co_return Result<void>{};
}

io::Task<Result<void>> Core::run_attach(Attach attach) {
  const Slot& slot = slots_[attach.index];
  if (slot.dropped && slot.dropped->busy())
    co_return Error{Code::unavailable,
                    attach.path + ": an operation on its disk has not come back"};
  if (!healthy()) {
    // Its word may be needed for a majority: it is read, not overwritten.
    {
      std::lock_guard lock(mutex_);
      slots_[attach.index].path = attach.path;
      slots_[attach.index].ended = false;
    }
    last_recovery_.reset();
    CAIRN_CO_TRY(co_await recover_in_place(attach.loss));
    if (slot.directory) co_return Result<void>{};
  }
  const auto directory = std::make_shared<Directory>(files_, attach.path);
  const auto snapshot =
      std::make_shared<const std::string>(format::encode_snapshot(epoch_, state_));
  std::vector<io::Task<Result<void>>> tasks;
  tasks.push_back(bring_up(directory, snapshot, epoch_, state_.revision));
  const auto results = co_await gather(std::move(tasks), kInstallPatience);
  const auto& result = results.front();
  {
    // Also where it failed: what was in this place is not what the caller wants to be there.
    std::lock_guard lock(mutex_);
    slots_[attach.index] = {attach.path, directory, nullptr, "", false};
  }
  if (result && *result) co_return Result<void>{};
  drop(attach.index, result);
  if (!result) co_return Error{Code::timeout, attach.path + ": it does not answer"};
  co_return *result;
}

class EmbeddedStore final : public Embedded {
 public:
  explicit EmbeddedStore(std::shared_ptr<Core> core) : core_(std::move(core)) {}

  io::Task<Result<std::optional<Entry>>> get(std::string key) override {
    co_return core_->get(key);
  }
  io::Task<Result<std::vector<Entry>>> list(std::string prefix) override {
    co_return core_->list(prefix);
  }
  std::unique_ptr<Watch> watch(std::string prefix, OnChange on_change) override {
    return core_->watch(std::move(prefix), std::move(on_change));
  }
  Status status() const override { return core_->status(); }

  io::Task<Result<std::uint64_t>> commit(std::vector<Condition> conditions,
                                         std::vector<Change> changes) override {
    if (format::record_bytes(changes) > format::kMaxCommitBytes || changes.size() > 10'000)
      co_return Error{Code::invalid_argument, "a commit to the control store is too large"};
    const auto pass = gate_.enter();
    if (!pass) co_return Error{Code::cancelled, "the control store is closing"};
    const io::OneShot<Result<std::uint64_t>> done;
    core_->submit(Commit{std::move(conditions), std::move(changes), done});
    co_return co_await done.get();
  }

  io::Task<Result<void>> attach(std::size_t index, std::string path, Loss loss) override {
    CAIRN_ASSERT(index < core_->directories() && !path.empty());
    const auto pass = gate_.enter();
    if (!pass) co_return Error{Code::cancelled, "the control store is closing"};
    const io::OneShot<Result<void>> done;
    core_->submit(Attach{index, std::move(path), loss, done});
    co_return co_await done.get();
  }

  io::Task<void> stop() override { co_await gate_.close(); }

  // The process is the only holder, and it is alive.
  io::Task<Result<std::uint64_t>> grant_lease(std::chrono::seconds) override {
    co_return ++leases_;
  }
  io::Task<Result<void>> keep_alive(std::uint64_t lease) override {
    if (lease == 0 || lease > leases_) co_return Error{Code::not_found, "there is no such lease"};
    co_return Result<void>{};
  }

 private:
  const std::shared_ptr<Core> core_;
  io::Gate gate_;
  std::atomic<std::uint64_t> leases_{0};
};

}  // namespace

io::Task<Result<std::unique_ptr<Embedded>>> open_embedded(io::FileSystem& files,
                                                          std::vector<std::string> directories,
                                                          Loss loss) {
  if (directories.empty())
    co_return Error{Code::invalid_argument, "the control store needs a directory"};
  auto core = std::make_shared<Core>(files, directories);
  Recovered recovered;
  RecoveryInput input{.paths = std::move(directories), .may_create = loss == Loss::none};
  input.loss = loss;
  CAIRN_CO_TRY(co_await recover(files, std::move(input), &recovered));
  core->take(std::move(recovered));
  co_return std::make_unique<EmbeddedStore>(std::move(core));
}

}  // namespace cairn::control
