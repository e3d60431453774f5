#include "drive/committer.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/assert.h"
#include "base/log.h"
#include "drive/blob_store.h"

namespace cairn::drive {
namespace {

constexpr std::size_t kMostWorks = 512;
constexpr std::size_t kMostBytes = 8u << 20;
constexpr std::size_t kMostLogged = 4u << 20;  // bytes of shards for the shard log
constexpr auto kIdleSync = std::chrono::milliseconds(500);
// How long a settle waits for a batch to go with.
constexpr auto kSettleWait = std::chrono::milliseconds(20);
// How long a batch waits for those who were answered by the last one: a part of what a sync takes.
constexpr auto kGatherMost = std::chrono::milliseconds(1);
constexpr int kGatherPart = 2;

io::Task<void> remove_blobs(std::shared_ptr<Core> core, io::Gate::Pass pass,
                            std::vector<BlobName> names) {
  for (const auto& name : names) {
    core->open_blobs.forget(name);  // else its space would be given back later, and by a reactor
    auto removed = co_await core->files.remove(core->blob_path(name));
    core->open_blobs.forget(name);  // opened meanwhile
    if (!removed && removed.code() != Code::not_found)
      log::warn("a blob that nothing names cannot be removed",
                {{"path", core->blob_path(name)}, {"reason", removed.error().message}});
    core->blobs.end_remove(name);
  }
  static_cast<void>(pass);
}

}  // namespace

void publish(PendingMirror& mirror, std::vector<PendingsChange>& changes) {
  for (auto& change : changes) {
    auto settled = change.pendings->empty()
                       ? nullptr
                       : std::make_shared<const SettledState>(std::move(change.settled));
    mirror.publish(change.unit, std::move(change.pendings), std::move(settled));
  }
}

void spawn_removal(std::shared_ptr<Core> core, std::vector<BlobName> names) {
  auto pass = core->background.enter();
  if (!pass) {  // closing: the next sweep finds them
    for (const auto& name : names) core->blobs.end_remove(name);
    return;
  }
  io::Executor& executor = core->executor;
  io::spawn(executor, remove_blobs(std::move(core), std::move(*pass), std::move(names)));
}

namespace {

io::Task<void> release_places(std::shared_ptr<Core> core, io::Gate::Pass pass,
                              std::vector<LogPlace> places) {
  co_await core->log->release(std::move(places));
  static_cast<void>(pass);
}

io::Task<void> give_back_left(std::shared_ptr<Core> core, io::Gate::Pass pass) {
  co_await core->log->give_back_left();
  static_cast<void>(pass);
}

}  // namespace

void spawn_give_back(std::shared_ptr<Core> core) {
  auto pass = core->background.enter();
  if (!pass) return;  // closing: the next mount finds it
  io::Executor& executor = core->executor;
  io::spawn(executor, give_back_left(std::move(core), std::move(*pass)));
}

void spawn_release(std::shared_ptr<Core> core, std::vector<LogPlace> places) {
  auto pass = core->background.enter();
  if (!pass) return;  // closing: the next mount finds them
  io::Executor& executor = core->executor;
  io::spawn(executor, release_places(std::move(core), std::move(*pass), std::move(places)));
}

Committer::Committer(Core& core, bool own_thread) : core_(core), own_thread_(own_thread) {}

Committer::~Committer() {
  stop(true);
}

void Committer::start() {
  if (own_thread_) thread_ = std::thread([this] { run(); });
}

void Committer::stop(bool abandon) {
  Works left;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    if (abandon || !own_thread_) left.swap(queue_);
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (!abandon && !own_thread_) {
    while (!left.empty() && !core_.failed()) main_round(left);
    if (unsynced_) idle_sync();
  }
  end(left, Error{Code::drive_failed, "the drive is closed"});
}

void Committer::submit(std::unique_ptr<Work> work) {
  Wake wake;
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      enqueue(std::move(work), wake);
      work.reset();
    }
  }
  if (!work) return wake_up(wake);
  const Error closed{Code::drive_failed, "the drive is closed"};
  work->finish(&closed);
}

void Committer::submit(std::vector<std::unique_ptr<Work>> works) {
  Wake wake;
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      for (auto& work : works) enqueue(std::move(work), wake);
      works.clear();
    }
  }
  const Error closed{Code::drive_failed, "the drive is closed"};
  for (auto& work : works) work->finish(&closed);
  wake_up(wake);
}

void Committer::enqueue(std::unique_ptr<Work> work, Wake& wake) {
  const bool settles = work->may_wait();
  const bool first_settle = settles && queue_.size() == urgent_;
  if (first_settle) settle_by_ = std::chrono::steady_clock::now() + kSettleWait;
  urgent_ += settles ? 0 : 1;
  wake.thread |= settles ? idle_ : urgent_ == wanted_;
  queue_.push_back(std::move(work));
  core_.metrics.queue.set(static_cast<double>(queue_.size()));
  if (own_thread_) return;
  wake.post |= !settles && !std::exchange(posted_, true);
  wake.post_late |= settles && !posted_ && !std::exchange(posted_late_, true);
}

void Committer::wake_up(const Wake& wake) {
  if (own_thread_) {
    if (wake.thread) wake_.notify_one();
    return;
  }
  const auto drain_now = [core = core_.weak_from_this()] {
    if (const auto alive = core.lock()) alive->committer->drain();
  };
  if (wake.post) {
    core_.executor.post(drain_now);
  } else if (wake.post_late) {
    core_.executor.post_at(core_.executor.now() + kSettleWait, drain_now);
  }
}

bool Committer::wait_for_work() {
  using Time = std::chrono::steady_clock::time_point;
  std::unique_lock lock(mutex_);
  // Settles follow what was just answered: they are found without being woken for them.
  const Time settles_come_until = std::chrono::steady_clock::now() + kSettleWait;
  for (;;) {
    if (stopping_ || urgent_ > 0) return !stopping_ || !queue_.empty();
    const Time now = std::chrono::steady_clock::now();
    const bool settles = !queue_.empty();
    if ((settles && now >= settle_by_) || (unsynced_ && now >= sync_by_)) return true;
    idle_ = !settles && now >= settles_come_until;
    Time until = settles ? settle_by_ : idle_ ? Time::max() : settles_come_until;
    if (unsynced_) until = std::min(until, sync_by_);
    if (until == Time::max()) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, until);
    }
    idle_ = false;
  }
}

// Those who were just answered are likely to come again, and others wait already: what they bring
// shares one sync if the batch waits a little. Alone, nobody waits.
void Committer::gather() {
  const std::size_t answered = std::exchange(batch_size_, 0);
  std::unique_lock lock(mutex_);
  const std::size_t expected = answered + urgent_;
  if (answered == 0 || expected < 2 || urgent_ >= kMostWorks) return;
  const auto patience = std::min<std::chrono::steady_clock::duration>(
      (log_time_ + sync_time_) / kGatherPart, kGatherMost);
  wanted_ = expected;
  wake_.wait_for(lock, patience, [&] { return stopping_ || urgent_ >= wanted_; });
  wanted_ = 1;
}

void Committer::run() {
  while (wait_for_work()) {
    drain();
    if (unsynced_ && std::chrono::steady_clock::now() >= sync_by_) idle_sync();
    gather();
  }
  if (unsynced_) idle_sync();
}

void Committer::drain() {
  Works works;
  {
    std::lock_guard lock(mutex_);
    posted_ = posted_late_ = false;
    if (stopping_ && !own_thread_) return;
    works.swap(queue_);
    urgent_ = 0;
  }
  core_.metrics.queue.set(0);
  while (!works.empty()) {
    if (core_.failed()) {
      end(works, core_.failure());
      return;
    }
    settle_round(works);
    if (!works.empty()) main_round(works);
  }
}

void Committer::end(Works& works, const Error& error) {
  for (auto& work : works) work->finish(&error);
  works.clear();
}

bool Committer::apply(Work& work, Round& round) {
  round.batch.save();
  auto memory = round.data.remember();
  const auto pendings = round.units.remember();
  auto applied = work.apply(round);
  if (applied) return true;
  round.batch.rollback();
  round.data.restore(std::move(memory));
  round.units.restore(pendings);
  if (const PreparedRows* const rows = work.rows()) free_after_sync(rows->places());
  work.finish(&applied.error());
  return false;
}

void Committer::finish(Works& works) {
  const Ack ack{core_.mount, core_.synced_batch.load()};
  for (auto& work : works) {
    work->synced(ack);
    work->finish(nullptr);
  }
}

// R2: settles that something queued behind them concerns, and nothing before them.
void Committer::settle_round(Works& works) {
  std::unordered_map<std::string_view, std::size_t> messages;
  for (const auto& work : works)
    if (!work->unit().empty()) ++messages[work->unit()];
  std::unordered_set<std::string_view> before;
  Works settles, rest;
  for (auto& work : works) {
    const auto unit = work->unit();
    const bool shared = !unit.empty() && messages.find(unit)->second > 1;
    const bool take =
        shared && before.insert(unit).second && work->may_wait() && settles.size() < kMostWorks;
    (take ? settles : rest).push_back(std::move(work));
  }
  works = std::move(rest);
  if (settles.empty()) return;
  auto batch = core_.index->batch();
  auto reader = core_.index->latest(Reads::blocking);
  DataChanges data(*batch, *reader, core_.marks);
  UnitChanges units{*batch, data};
  Round round{core_, *batch, *reader, data, units};
  Works applied;
  for (auto& work : settles)
    if (apply(*work, round)) applied.push_back(std::move(work));
  if (!commit(round, applied.size())) {
    end(applied, core_.failure());
    return;
  }
  finish(applied);
}

// R1. What may go into one batch, in order; the rest stays.
Committer::Works Committer::take_round(Works& works) {
  std::unordered_set<std::string_view> used;
  Works taken, rest;
  std::size_t looked_at = 0, to_log = 0;
  bool closed = false;
  for (auto& work : works) {
    closed |= looked_at > 0 && work->alone();
    const bool room = !closed && looked_at++ < kMostWorks && to_log < kMostLogged;
    const bool free = room && (work->unit().empty() || used.insert(work->unit()).second);
    closed |= free && work->alone();
    if (free && work->rows() != nullptr)
      for (const PreparedRow& row : work->rows()->rows) to_log += io::size_of(row.to_log);
    (free ? taken : rest).push_back(std::move(work));
  }
  works = std::move(rest);
  return taken;
}

// Puts the shards of all of them into the shard log. Those that cannot be there are answered and
// leave `works`; a failure of the disk ends the drive (R4).
void Committer::log_shards(Works& works) {
  std::vector<PreparedRow*> rows;
  std::vector<io::Slices> shards;
  for (const auto& work : works) {
    if (work->rows() == nullptr) continue;
    for (PreparedRow& row : work->rows()->rows) {
      if (row.to_log.empty()) continue;
      rows.push_back(&row);
      shards.push_back(std::exchange(row.to_log, {}));
    }
  }
  log_time_ = {};
  if (rows.empty()) return;
  const auto begun = std::chrono::steady_clock::now();
  const auto places = core_.log->append(shards);
  log_time_ = std::chrono::steady_clock::now() - begun;
  if (places) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::optional<LoggedShard>& logged = rows[i]->logged;
      CAIRN_ASSERT(logged.has_value());
      logged->place = (*places)[i];
      core_.space.wrote((*places)[i].bytes);
    }
    return;
  }
  const Error error = write_error(core_, places.error());
  std::erase_if(works, [&](const std::unique_ptr<Work>& work) {
    const PreparedRows* const lost = work->rows();
    const bool ends = lost != nullptr && std::ranges::any_of(lost->rows, [](const auto& row) {
                        return row.logged && row.logged->place.segment == 0;
                      });
    if (ends) work->finish(&error);
    return ends;
  });
}

void Committer::main_round(Works& works) {
  Works taken = take_round(works);
  log_shards(taken);
  if (core_.failed()) {
    end(taken, core_.failure());
    return;
  }
  auto batch = core_.index->batch();
  auto reader = core_.index->latest(Reads::blocking);
  DataChanges data(*batch, *reader, core_.marks);
  UnitChanges units{*batch, data};
  Round round{core_, *batch, *reader, data, units};
  Works applied;
  for (; !taken.empty() && batch->bytes() < kMostBytes; taken.pop_front()) {
    if (apply(*taken.front(), round)) applied.push_back(std::move(taken.front()));
  }
  while (!taken.empty()) {  // no room any more: they are the first of the next round
    works.push_front(std::move(taken.back()));
    taken.pop_back();
  }
  if (!commit(round, applied.size())) {
    end(applied, core_.failure());
    return;
  }
  for (const auto& work : applied) batch_size_ += round.needs_sync && !work->may_wait() ? 1 : 0;
  finish(applied);  // R3
}

Result<void> Committer::write(Batch& batch, bool sync) {
  const auto begun = std::chrono::steady_clock::now();
  // 7.4: the number is in the batch that it counts.
  const std::uint64_t number = core_.synced_batch.load() + 1;
  if (sync) batch.put(Family::state, std::string(kBatchKey), {encode_batch_number(number)});
  auto written = core_.index->write(batch, sync);
  if (!written) {
    core_.fail("its index cannot be written: " + written.error().message);  // R4
    return written;
  }
  core_.metrics.bytes.add(batch.bytes());
  core_.space.wrote(batch.bytes());
  if (sync) {
    sync_time_ = std::chrono::steady_clock::now() - begun;
    core_.metrics.syncs.add();
    core_.metrics.sync_seconds.observe(std::chrono::duration<double>(sync_time_).count());
    unsynced_ = false;
    core_.synced_batch.store(number);
    after_sync(std::exchange(held_back_, {}), std::exchange(held_back_places_, {}));
  } else if (!unsynced_) {
    unsynced_ = true;
    sync_by_ = begun + kIdleSync;
    schedule_idle_sync();
  }
  return {};
}

bool Committer::commit(Round& round, std::size_t messages) {
  for (const auto& partition : round.partitions)
    round.batch.put(Family::state, partition_key(partition),
                    {encode_partition(core_.partitions.accepted(partition))});
  core_.journal.append(round.batch, std::move(round.units.events), core_.mirror);
  auto candidates = std::move(round.data.unnamed());
  candidates.insert(candidates.end(), round.candidates.begin(), round.candidates.end());
  const bool sync = round.needs_sync || !round.partitions.empty();
  if (round.batch.empty() && !sync && !unsynced_) {
    // All that was written is synced; what is held back came with messages that were refused.
    after_sync(std::move(candidates), std::exchange(held_back_places_, {}));
    return true;
  }
  held_back_.insert(held_back_.end(), candidates.begin(), candidates.end());
  free_after_sync(round.data.freed());
  if (round.batch.empty() && !sync) return true;
  // The mirror follows the index: units in the batch are marked as in flight by their messages
  // until then.
  if (!write(round.batch, sync)) return false;
  round.data.written();
  publish(core_.mirror, round.units.pendings);
  for (const auto& partition : round.partitions) core_.partitions.publish(partition);
  core_.metrics.messages.add(messages);
  if (sync) core_.metrics.batch.observe(static_cast<double>(messages));
  core_.metrics.pending_units.set(static_cast<double>(core_.mirror.units()));
  return true;
}

void Committer::free_after_sync(const std::vector<LogPlace>& places) {
  held_back_places_.insert(held_back_places_.end(), places.begin(), places.end());
}

void Committer::after_sync(std::vector<BlobName> candidates, std::vector<LogPlace> freed) {
  if (!candidates.empty()) unlink_unnamed(candidates);
  if (!freed.empty()) spawn_release(core_.shared_from_this(), std::move(freed));
}

// R5.
void Committer::unlink_unnamed(const std::vector<BlobName>& names) {
  auto reader = core_.index->latest(Reads::blocking);
  auto cursor = reader->cursor(Family::refs, Walk::unit);
  std::vector<BlobName> unnamed;
  for (const auto& name : std::set<BlobName>(names.begin(), names.end())) {
    const auto prefix = blob_key(name);
    cursor->seek(prefix);
    const bool named = cursor->valid() && cursor->key().starts_with(prefix);
    if (named || !cursor->status() || !core_.blobs.begin_remove(name)) continue;
    unnamed.push_back(name);
  }
  if (!unnamed.empty()) spawn_removal(core_.shared_from_this(), std::move(unnamed));
}

void Committer::schedule_idle_sync() {
  if (own_thread_ || std::exchange(idle_sync_posted_, true)) return;
  core_.executor.post_at(core_.executor.now() + kIdleSync, [core = core_.weak_from_this()] {
    if (const auto alive = core.lock()) {
      alive->committer->idle_sync_posted_ = false;
      if (alive->committer->unsynced_) alive->committer->idle_sync();
    }
  });
}

void Committer::idle_sync() {
  if (core_.failed()) return;
  auto synced = core_.index->sync();
  unsynced_ = false;
  if (!synced) {
    core_.fail("its index cannot be synced: " + synced.error().message);  // R4
    return;
  }
  core_.metrics.syncs.add();
  after_sync(std::exchange(held_back_, {}), std::exchange(held_back_places_, {}));
}

}  // namespace cairn::drive
