// Draining the durable repair queue. Entries stay in the queue until LocalStore::repair finds their
// unit whole.
#include "background/heal/heal.h"
#include "base/log.h"

namespace cairn::background {
namespace {

constexpr std::size_t kBackoffsMax = 100'000;
constexpr std::size_t kQueueLookMax = 64 * 1024;

}  // namespace

Heal::Heal(store::LocalStore& store, DrivesInService drives, io::Clock& clock,
           metrics::Registry& metrics, HealOptions options)
    : store_(store),
      drives_(std::move(drives)),
      clock_(clock),
      options_(options),
      repaired_(metrics.counter("cairn_heal_repaired_units_total",
                                "Units made whole from the repair queue.")),
      postponed_(metrics.counter("cairn_heal_postponed_units_total",
                                 "Repairs that have to wait for a drive.")),
      errors_(metrics.counter("cairn_heal_errors_total", "Repairs that failed.")),
      rebuilding_(metrics.gauge("cairn_heal_rebuilding_drives", "Drives being rebuilt.")) {}

void Heal::start(io::Executor& executor) {
  queue_.start(executor, queue_loop());
  rebuild_.start(executor, rebuild_loop());
}

io::Task<void> Heal::stop() {
  co_await queue_.stop();
  co_await rebuild_.stop();
}

void Heal::wake() {
  try_again_.store(true, std::memory_order_release);
  queue_.wake();
  rebuild_.wake();
}

HealStatus Heal::status() const {
  std::lock_guard lock(mutex_);
  HealStatus out = status_;
  for (const auto& [drive, progress] : progress_) out.rebuilds.push_back(progress);
  return out;
}

io::Task<void> Heal::queue_loop() {
  std::size_t look = options_.queue_page;
  do {
    if (try_again_.exchange(false, std::memory_order_acq_rel)) backoff_.clear();
    const std::size_t tried = co_await drain_page(look);
    // Where everything at the front has to wait, those behind it are looked for.
    const bool more_behind = tried == 0 && backoff_.size() >= look;
    look = more_behind ? std::min(look * 2, kQueueLookMax) : options_.queue_page;
    if (tried > 0 || (more_behind && look < kQueueLookMax)) continue;
    if (!co_await queue_.pause(options_.poll)) break;
  } while (!queue_.stopping());
}

// Repairs what is due of the first `limit` entries; returns how many were tried.
io::Task<std::size_t> Heal::drain_page(std::size_t limit) {
  auto units = co_await store_.repair_queue(limit);
  if (!units) {
    log::debug("the repair queue cannot be read", {{"reason", units.error().message}});
    co_return 0;
  }
  {
    std::lock_guard lock(mutex_);
    status_.queue_seen = units->size();
  }
  if (units->empty()) backoff_.clear();
  const io::Instant now = io::Executor::current().now();
  Crew crew(options_.queue_concurrency);
  std::size_t tried = 0;
  for (model::UnitKey& unit : *units) {
    if (queue_.stopping()) break;
    const auto waits = backoff_.find(unit);
    if (waits != backoff_.end() && waits->second.until > now) continue;
    ++tried;
    co_await crew.submit(repair_one(this, std::move(unit)));
  }
  co_await crew.drain();
  co_return tried;
}

io::Task<void> Heal::repair_one(Heal* self, model::UnitKey unit) {
  const auto whole = co_await self->store_.repair(unit);
  const bool done = whole && *whole;
  self->postpone(unit, done);
  if (done) {
    self->repaired_.add();
    std::lock_guard lock(self->mutex_);
    ++self->status_.repaired;
    co_return;
  }
  (whole ? self->postponed_ : self->errors_).add();
  if (!whole) log::debug("a unit cannot be repaired now", {{"reason", whole.error().message}});
  std::lock_guard lock(self->mutex_);
  ++(whole ? self->status_.postponed : self->status_.errors);
}

// When the unit is looked at again: later and later while it fails. One that is whole is left alone
// for a moment too, so that an entry that comes back at once cannot keep the loop busy.
void Heal::postpone(const model::UnitKey& unit, bool done) {
  if (backoff_.size() >= kBackoffsMax && !backoff_.contains(unit))
    backoff_.clear();  // bounded; tried sooner again
  Backoff& b = backoff_[unit];
  const bool first = done || b.delay == io::Duration::zero();
  b.delay = first ? options_.backoff_min : std::min(b.delay * 2, options_.backoff_max);
  b.until = io::Executor::current().now() + b.delay;
}

}  // namespace cairn::background
