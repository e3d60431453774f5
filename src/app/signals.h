// SIGTERM and SIGINT, waited for instead of handled. SIGPIPE is ignored: a closed connection is an
// error value.
#pragma once

namespace cairn::app {

// Blocks the signals in this thread and all started after it. REQUIRES: made before any thread.
class Signals {
 public:
  Signals();
  // Returns the first signal that arrives.
  int wait();
};

}  // namespace cairn::app
