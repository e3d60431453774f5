#include "background/uploads/uploads.h"

#include "base/log.h"

namespace cairn::background {

Uploads::Uploads(object::Objects& objects, metrics::Registry& metrics, UploadsOptions options)
    : objects_(objects),
      options_(options),
      removed_(metrics.counter("cairn_uploads_swept_total",
                               "Leftovers of uploads that were removed.")) {}

void Uploads::start(io::Executor& executor) {
  loop_.start(executor, loop());
}

io::Task<void> Uploads::stop() {
  co_await loop_.stop();
}

io::Task<void> Uploads::loop() {
  std::string cursor;
  io::Duration pause = options_.first_pause;
  while (co_await loop_.pause(pause)) {
    auto step = co_await objects_.sweep(cursor);
    if (!step) {
      log::debug("the sweep of uploads waits", {{"reason", step.error().message}});
      pause = options_.retry_pause;
      continue;
    }
    if (step->removed > 0) {
      removed_.add(step->removed);
      log::info("leftovers of uploads were removed", {{"count", step->removed}});
    }
    cursor = std::move(step->next);
    pause = cursor.empty() ? options_.interval : options_.step_pause;
  }
}

}  // namespace cairn::background
