// Asking several disks at once, with patience for the slow ones and none for the hung.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "io/executor.h"
#include "io/sync.h"
#include "io/task.h"

namespace cairn::control {

struct Patience {
  std::size_t enough = 0;  // good results, after which `straggler` begins
  io::Duration straggler = std::chrono::seconds(1);
  io::Duration deadline = std::chrono::seconds(10);  // of all
};

namespace detail {
template <class T>
io::Task<void> deliver(io::Mailbox<std::pair<std::size_t, T>> box, std::size_t index,
                       io::Task<T> task) {
  T value = co_await std::move(task);
  box.push({index, std::move(value)});
}
}  // namespace detail

// Results in order; nothing for a task that did not come back in time. That one goes on by itself,
// so what it uses must be held by it. T is a Result.
template <class T>
io::Task<std::vector<std::optional<T>>> gather(std::vector<io::Task<T>> tasks, Patience patience) {
  io::Executor& home = io::Executor::current();
  io::Mailbox<std::pair<std::size_t, T>> box;
  std::vector<std::optional<T>> results(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i)
    io::spawn(home, detail::deliver<T>(box, i, std::move(tasks[i])));
  io::Instant deadline = home.now() + patience.deadline;
  std::size_t good = 0;
  for (std::size_t left = tasks.size(); left > 0; --left) {
    auto next = co_await box.pop(deadline);
    if (!next) break;
    if (next->second && ++good == patience.enough)
      deadline = std::min(deadline, home.now() + patience.straggler);
    results[next->first] = std::move(next->second);
  }
  co_return results;
}

}  // namespace cairn::control
