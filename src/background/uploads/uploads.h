// What interrupted uploads leave behind is looked for once in a while and removed: a paced walk
// with object's sweep().
#pragma once

#include "background/loop.h"
#include "base/metrics.h"
#include "object/object.h"

namespace cairn::background {

struct UploadsOptions {
  io::Duration first_pause = std::chrono::minutes(5);
  io::Duration interval = std::chrono::hours(6);             // from the end of one walk to the next
  io::Duration step_pause = std::chrono::milliseconds(200);  // between steps of a walk
  io::Duration retry_pause = std::chrono::minutes(1);        // after a step that failed
};

class Uploads {
 public:
  // `objects` and `metrics` outlive it.
  Uploads(object::Objects& objects, metrics::Registry& metrics, UploadsOptions options = {});

  void start(io::Executor& executor);
  io::Task<void> stop();
  void run_now() { loop_.wake(); }  // thread-safe

 private:
  io::Task<void> loop();

  object::Objects& objects_;
  UploadsOptions options_;
  metrics::Counter& removed_;
  Loop loop_;
};

}  // namespace cairn::background
