#include "background/scrub/scrub.h"

#include <algorithm>

#include "base/log.h"

namespace cairn::background {
namespace {

constexpr std::string_view kKey = "scrub";
constexpr std::string_view kEndOfUnits = "\xff";
constexpr std::uint64_t kUnitCost =
    16 * 1024;  // a unit counts at least as many bytes: it costs seeks

}  // namespace

Scrub::Scrub(store::LocalStore& store, control::Store& control, io::Clock& clock,
             metrics::Registry& metrics, ScrubOptions options)
    : store_(store),
      control_(control),
      clock_(clock),
      options_(options),
      units_(metrics.counter("cairn_scrub_units_total", "Units verified.")),
      bytes_(metrics.counter("cairn_scrub_bytes_total", "Bytes read and verified.")),
      damaged_(
          metrics.counter("cairn_scrub_damaged_shards_total", "Damaged or missing shards found.")),
      errors_(metrics.counter("cairn_scrub_errors_total", "Units that could not be verified.")),
      finished_(metrics.gauge("cairn_scrub_finished_seconds",
                              "When the last pass came to its end (Unix time).")) {}

void Scrub::start(io::Executor& executor) {
  loop_.start(executor, loop());
}

io::Task<void> Scrub::stop() {
  co_await loop_.stop();
}

void Scrub::run_now() {
  if (!status().in_pass) now_.store(true, std::memory_order_release);
  loop_.wake();
}

ScrubState Scrub::status() const {
  std::lock_guard lock(mutex_);
  return state_;
}

io::Task<void> Scrub::load() {
  auto got = co_await control_.get(std::string(kKey));
  if (!got) co_return;
  const auto& entry = *got;
  if (!entry) co_return;
  auto state = decode_scrub_state(entry->value);
  if (!state) {
    log::warn("scrub begins anew", {{"reason", state.error().message}});
    co_return;
  }
  update([&](ScrubState& s) { s = std::move(*state); });
  finished_.set(static_cast<double>(status().finished_ms) / 1000.0);
}

// What is lost when this fails is only progress.
io::Task<void> Scrub::save() {
  saved_ = io::Executor::current().now();
  std::vector<control::Change> change{{std::string(kKey), encode_scrub_state(status())}};
  auto saved = co_await control_.commit({}, std::move(change));
  if (!saved) log::debug("the state of scrub cannot be saved", {{"reason", saved.error().message}});
}

// Whether a pass is to begin or to go on now; else how long to wait before asking again.
bool Scrub::due(bool by_hand, io::Duration& wait) const {
  const ScrubState state = status();
  if (by_hand) return true;
  const auto interval =
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.interval).count();
  const std::int64_t left = state.started_ms + interval - clock_.unix_ms();
  wait = std::chrono::milliseconds(std::clamp<std::int64_t>(left, 1000, 3'600'000));
  if (options_.bytes_per_second == 0) return false;
  // A clock that was set back must not put scrub off for longer than an interval.
  return state.in_pass || state.started_ms == 0 || left <= 0 || left > interval;
}

io::Task<void> Scrub::loop() {
  co_await load();
  io::Duration wait = options_.first_pause;
  bool by_hand = false;
  while (!loop_.stopping()) {
    if (!now_.load(std::memory_order_acquire)) {
      const bool go_on = co_await loop_.pause(wait);
      if (!go_on) break;
    }
    by_hand = now_.exchange(false, std::memory_order_acq_rel) || by_hand;
    if (!due(by_hand, wait)) continue;
    const bool ended = co_await pass();
    co_await save();
    if (ended) by_hand = false;
    wait = ended ? io::Duration(std::chrono::seconds(1)) : io::Duration(std::chrono::minutes(1));
  }
}

// Goes on with the pass, or begins one. True: it came to the end.
io::Task<bool> Scrub::pass() {
  update([&](ScrubState& s) {
    if (s.in_pass) return;
    const std::int64_t finished = s.finished_ms;
    s = {};
    s.finished_ms = finished;
    s.in_pass = true;
    s.started_ms = clock_.unix_ms();
  });
  for (;;) {
    store::ScanRequest request;
    request.begin = status().cursor;
    request.end = std::string(kEndOfUnits);
    request.max_units = options_.page_units;
    request.include_delete_markers = true;
    auto page = co_await store_.scan(std::move(request));
    if (!page) {
      log::warn("scrub waits", {{"reason", page.error().message}});
      co_return false;
    }
    for (const store::ScanUnit& unit : page->units) {
      model::UnitKey key = unit.unit();
      const bool go_on = co_await verify(std::move(key));
      if (!go_on) co_return false;
      // The first key after this one.
      update([&](ScrubState& s) { s.cursor = std::string(unit.key()) + '\0'; });
      if (io::Executor::current().now() - saved_ >= options_.save_every) co_await save();
    }
    if (page->exhausted) break;
    update([&](ScrubState& s) { s.cursor = std::move(page->resume); });
  }
  update([&](ScrubState& s) {
    s.cursor.clear();
    s.in_pass = false;
    s.finished_ms = clock_.unix_ms();
  });
  const ScrubState done = status();
  finished_.set(static_cast<double>(done.finished_ms) / 1000.0);
  log::info("scrub came to the end", {{"units", done.units},
                                      {"bytes", done.bytes},
                                      {"damaged_shards", done.damaged_shards},
                                      {"not_whole", done.not_whole},
                                      {"errors", done.errors}});
  co_return true;
}

// Verifies one unit and waits as long as the pace asks for. False: the loop is to stop.
io::Task<bool> Scrub::verify(model::UnitKey unit) {
  const io::Instant began = io::Executor::current().now();
  auto verified = co_await store_.verify(unit);
  std::uint64_t cost = kUnitCost;
  units_.add();
  if (verified) {
    cost = std::max(cost, verified->bytes);
    bytes_.add(verified->bytes);
    damaged_.add(verified->damaged_shards);
    if (verified->damaged_shards > 0)
      log::warn("scrub found damage", {{"damaged_shards", verified->damaged_shards},
                                       {"repaired", verified->whole ? "yes" : "not yet"}});
  } else {
    errors_.add();
    log::debug("a unit cannot be verified now", {{"reason", verified.error().message}});
  }
  update([&](ScrubState& s) {
    ++s.units;
    if (!verified) {
      ++s.errors;
      return;
    }
    s.bytes += verified->bytes;
    s.damaged_shards += verified->damaged_shards;
    s.not_whole += verified->whole ? 0 : 1;
  });
  if (loop_.stopping()) co_return false;
  if (options_.bytes_per_second == 0) co_return true;  // asked for by hand: as fast as it goes
  const auto share = std::chrono::duration_cast<io::Duration>(std::chrono::duration<double>(
      static_cast<double>(cost) / static_cast<double>(options_.bytes_per_second)));
  const io::Duration rest = share - (io::Executor::current().now() - began);
  if (rest <= io::Duration::zero()) co_return true;
  co_return co_await loop_.pause(rest);
}

}  // namespace cairn::background
