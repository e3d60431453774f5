#include "background/drives/drives.h"

#include <algorithm>

#include "base/log.h"

namespace cairn::background {

DriveWatch::DriveWatch(store::LocalStore& store, DriveSlots& slots, metrics::Registry& metrics,
                       std::function<void()> on_attached, DriveWatchOptions options)
    : store_(store),
      slots_(slots),
      in_service_(metrics.gauge("cairn_drives_in_service", "Drives that take part.")),
      attached_(
          metrics.counter("cairn_drives_attached_total", "Drives that came back into service.")),
      on_attached_(std::move(on_attached)),
      options_(options),
      watched_(slots.count()),
      status_(slots.count()) {
  for (std::size_t i = 0; i < status_.size(); ++i) {
    const DriveSlots::Slot slot = slots_.slot(i);
    status_[i].in_service = slot.drive && !slot.drive->failed();
    status_[i].reason = slot.reason;
  }
}

void DriveWatch::start(io::Executor& executor) {
  executor_ = &executor;
  loop_.start(executor, loop());
}

io::Task<void> DriveWatch::stop() {
  co_await loop_.stop();
  const io::AsyncMutex::Guard last = co_await turn_.lock();
}

std::vector<DriveWatch::Status> DriveWatch::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

io::Task<void> DriveWatch::loop() {
  do {
    double in_service = 0;
    for (std::size_t i = 0; i < watched_.size() && !loop_.stopping(); ++i) {
      co_await look(i);
      const DriveSlots::Slot slot = slots_.slot(i);
      if (slot.drive && !slot.drive->failed()) ++in_service;
    }
    in_service_.set(in_service);
  } while (co_await loop_.pause(options_.interval));
}

void DriveWatch::tell(std::size_t index, bool in_service, std::string reason) {
  if (!in_service && watched_[index].told != reason) {
    log::warn("a drive is not in service", {{"path", slots_.slot(index).path}, {"reason", reason}});
    watched_[index].told = reason;
  }
  std::lock_guard lock(mutex_);
  status_[index].in_service = in_service;
  status_[index].reason = std::move(reason);
}

io::Task<void> DriveWatch::look(std::size_t index) {
  const io::AsyncMutex::Guard turn = co_await turn_.lock();
  DriveSlots::Slot slot = slots_.slot(index);
  if (slot.drive && !slot.drive->failed()) {
    co_await look_at_running(index);
    co_return;
  }
  Watched& w = watched_[index];
  // Why it could not be brought back is told until it is tried again.
  if (w.delay == io::Duration::zero()) {
    const std::string missing = slot.reason.empty() ? "there is no drive" : slot.reason;
    tell(index, false, slot.drive ? "the drive failed" : missing);
  }
  slot.drive.reset();  // a drive that failed lets go of its directory with its last reference
  if (w.seen_bad < options_.patience) ++w.seen_bad;
  const io::Instant now = io::Executor::current().now();
  if (w.seen_bad >= options_.patience && now >= w.retry_at) co_await bring_back(index);
}

io::Task<void> DriveWatch::look_at_running(std::size_t index) {
  auto fine = co_await slots_.check(index);
  Watched& w = watched_[index];
  if (fine) {
    w.seen_bad = 0;
    tell(index, true, "");
    co_return;
  }
  if (++w.seen_bad < options_.patience) co_return;
  tell(index, false, fine.error().message);
  slots_.retire(index, fine.error().message);
  w.seen_bad = 0;  // what takes its place is looked at with the same patience
}

void DriveWatch::wait_longer(std::size_t index, const Error& why) {
  Watched& w = watched_[index];
  w.delay = std::min(std::max(w.delay * 2, options_.interval), options_.backoff_max);
  w.retry_at = io::Executor::current().now() + w.delay;
  tell(index, false, why.message);
}

io::Task<void> DriveWatch::bring_back(std::size_t index) {
  const auto done = co_await put_in_service(index, false);
  if (!done && done.code() != Code::not_found) wait_longer(index, done.error());
}

io::Task<Result<model::DriveId>> DriveWatch::replace(std::size_t index) {
  io::Executor& home = io::Executor::current();
  co_await io::resume_on(*executor_);
  auto done = co_await replace_here(index);
  co_await io::resume_on(home);
  co_return done;
}

io::Task<Result<model::DriveId>> DriveWatch::replace_here(std::size_t index) {
  const io::AsyncMutex::Guard turn = co_await turn_.lock();
  if (loop_.stopping()) co_return Error{Code::unavailable, "the server is shutting down"};
  {
    const DriveSlots::Slot slot = slots_.slot(index);
    if (slot.drive && !slot.drive->failed())
      co_return Error{Code::conflict, slot.path + " is in service: it is not lost"};
  }
  auto done = co_await put_in_service(index, true);
  co_return done;
}

// not_found: there is nothing usable in its place.
io::Task<Result<model::DriveId>> DriveWatch::put_in_service(std::size_t index, bool given_up) {
  CAIRN_CO_ASSIGN(const std::shared_ptr<drive::Drive> drive,
                  co_await slots_.reopen(index, given_up));
  auto attached = co_await store_.attach(index, drive);
  if (!attached) {
    // `not_found` is about the directory.
    const bool absent = attached.code() == Code::not_found;
    co_return Error{absent ? Code::unavailable : attached.code(), attached.error().message};
  }
  auto adopted = co_await slots_.adopt(index, drive);
  if (!adopted)  // it is in service all the same; the next start sorts it out
    log::warn("a drive could not be written down", {{"reason", adopted.error().message}});
  log::info("a drive is in service",
            {{"path", slots_.slot(index).path}, {"drive", drive->id().hex()}});
  watched_[index] = {};
  attached_.add();
  {
    std::lock_guard lock(mutex_);
    ++status_[index].attached;
  }
  tell(index, true, "");
  if (on_attached_) on_attached_();
  co_return drive->id();
}

}  // namespace cairn::background
