// Waiting for a drive call no longer than a deadline: the call is left running on its own, so it
// must own all it uses.
#pragma once

#include <utility>

#include "base/error.h"
#include "io/sync.h"

namespace cairn::store {

// The result of `work`, or timeout. REQUIRES: everything the coroutine touches is held by its
// arguments.
template <class T>
io::Task<Result<T>> within(io::Duration limit, io::Task<Result<T>> work) {
  struct Run {
    static io::Task<void> go(io::Task<Result<T>> task, io::Mailbox<Result<T>> box) {
      auto outcome = co_await std::move(task);
      box.push(std::move(outcome));
    }
  };
  io::Executor& executor = io::Executor::current();
  io::Mailbox<Result<T>> box;
  io::spawn(executor, Run::go(std::move(work), box));
  auto outcome = co_await box.pop(executor.now() + limit);
  if (!outcome) co_return Error{Code::timeout, "a drive did not answer in time"};
  co_return std::move(*outcome);
}

}  // namespace cairn::store
