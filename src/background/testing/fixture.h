// The clock that jumps, and the time of day that follows it.
#pragma once

#include <gtest/gtest.h>

#include "background/testing/fake_store.h"
#include "io/world.h"
#include "store/testing/virtual_executor.h"

namespace cairn::background::testing {

class FollowingClock : public io::Clock {
 public:
  explicit FollowingClock(const io::Executor& executor) : executor_(executor) {}
  std::int64_t unix_ms() const override {
    return 1'800'000'000'000 +
           std::chrono::duration_cast<std::chrono::milliseconds>(executor_.now().time_since_epoch())
               .count();
  }

 private:
  const io::Executor& executor_;
};

struct Services : ::testing::Test {
  // Lets `time` pass.
  void pass(io::Duration time) {
    struct Run {
      static io::Task<bool> go(io::Duration t) {
        co_await io::sleep_for(t);
        co_return true;
      }
    };
    executor.run(Run::go(time));
  }
  template <class Service>
  void stop(Service& service) {
    struct Run {
      static io::Task<bool> go(Service* s) {
        co_await s->stop();
        co_return true;
      }
    };
    executor.run(Run::go(&service));
  }
  store::testing::VirtualExecutor executor;
  FollowingClock clock{executor};
  metrics::Registry metrics;
  FakeStore store;
};

}  // namespace cairn::background::testing
