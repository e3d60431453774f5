#include "store/shard_writers.h"

#include <algorithm>

namespace cairn::store {

ShardWriters::ShardWriters(std::shared_ptr<const PartitionView> view, model::ValueId value,
                           const DataOptions& options)
    : view_(std::move(view)), value_(value), options_(options), slots_(view_->members.size()) {}

void ShardWriters::start() {
  io::Executor& executor = io::Executor::current();
  queued_ = 1;  // creating the blob counts as the first item
  for (unsigned i = 0; i < slots_.size(); ++i) {
    slots_[i].since = executor.now();
    slots_[i].suspect = view_->members[i].device->health() == Health::suspect;
    io::spawn(executor, run(shared_from_this(), i));
  }
}

void ShardWriters::queue(Item item) {
  const io::Instant now = io::Executor::current().now();
  for (Slot& s : slots_) {
    if (!s.in) continue;
    if (s.done == queued_) s.since = now;
    s.inbox.push(item);
  }
  ++queued_;
}

void ShardWriters::append(std::shared_ptr<const ShardBatch> batch) {
  queue({Item::Kind::batch, std::move(batch)});
}

void ShardWriters::verdict(Item::Kind kind) {
  if (std::exchange(decided_, true)) return;
  for (Slot& s : slots_) {
    if (kind == Item::Kind::discard) s.in = false;
    s.inbox.push({kind, nullptr});
  }
}

void ShardWriters::done(unsigned index) {
  Slot& s = slots_[index];
  ++s.done;
  s.since = io::Executor::current().now();
  view_->members[index].device->answered();
  events_.push(true);
}

void ShardWriters::drop(unsigned index, Code why) {
  Slot& s = slots_[index];
  s.in = false;
  if (!s.error) s.error = why;
  events_.push(true);
}

io::Task<Result<std::unique_ptr<drive::BlobWriter>>> ShardWriters::create(unsigned index) {
  DeviceCall call(view_->members[index].device);
  if (!call) co_return Error{Code::drive_failed, "the drive is out of service"};
  co_return co_await call->create_blob({value_, static_cast<std::uint8_t>(index)});
}

// One member's blob from its creation to the verdict. A member that was dropped writes nothing
// more; one that was late in finishing may still get there, and then truly has its shard.
io::Task<void> ShardWriters::run(std::shared_ptr<ShardWriters> self, unsigned index) {
  Slot& slot = self->slots_[index];
  const std::shared_ptr<Device> device = self->view_->members[index].device;
  std::unique_ptr<drive::BlobWriter> writer;
  auto created = co_await self->create(index);
  if (created) {
    writer = std::move(*created);
    self->done(index);
  } else {
    self->drop(index, created.code());
  }
  bool finished = false;
  for (;;) {
    std::optional<Item> item = co_await slot.inbox.pop();
    CAIRN_ASSERT(item.has_value());
    if (item->kind == Item::Kind::keep) co_return;
    if (item->kind == Item::Kind::discard) break;
    if (!slot.in) writer.reset();
    if (!writer) continue;
    DeviceCall call(device);
    Result<void> outcome = Error{Code::drive_failed, "the drive is out of service"};
    if (call && item->kind == Item::Kind::batch) {
      drive::ShardBytes bytes = item->batch->shards[index];
      outcome = co_await writer->append(std::move(bytes));
    } else if (call) {
      outcome = co_await writer->finish();
      finished = outcome.has_value();
    }
    if (outcome) {
      self->done(index);
    } else {
      self->drop(index, outcome.code());
      writer.reset();
    }
  }
  writer.reset();  // not finished: the file goes
  if (!finished) co_return;
  DeviceCall call(device);
  // What cannot be removed now is named by nothing: the drive's sweep takes it.
  if (call) (void)co_await call->discard_blob({self->value_, static_cast<std::uint8_t>(index)});
}

unsigned ShardWriters::members_in() const {
  return static_cast<unsigned>(std::ranges::count(slots_, true, &Slot::in));
}

Error ShardWriters::too_few() const {
  const auto full = std::ranges::count_if(
      slots_, [](const Slot& s) { return !s.in && s.error == Code::no_space; });
  // Had the full drives had room, there would have been enough.
  if (full > 0 && members_in() + static_cast<unsigned>(full) >= view_->w)
    return Error{Code::no_space,
                 "drives are full: fewer than " + std::to_string(view_->w) + " can take the data"};
  return Error{Code::unavailable,
               "fewer than " + std::to_string(view_->w) + " drives of the partition take the data"};
}

io::Task<Result<void>> ShardWriters::wait_for(std::uint64_t target, bool ending) {
  io::Executor& executor = io::Executor::current();
  const io::Instant started = executor.now();
  std::optional<io::Instant> leave;  // when those behind the quorum are left behind
  for (;;) {
    if (members_in() < view_->w) co_return too_few();
    const io::Instant now = executor.now();
    unsigned ready = 0, behind = 0;
    for (const Slot& s : slots_)
      if (s.in) ++(s.done >= target ? ready : behind);
    if (behind == 0) co_return Result<void>{};
    if (ready >= view_->w && !leave) {
      // In the middle of a stream a hiccup is cheaper than a shard to rebuild. What took the quorum
      // long may take others as long.
      const io::Duration patience = options_.straggler_deadline * (ending ? 1 : 4);
      leave = now + std::max(patience, now - started);
    }
    bool dropped = false;
    std::optional<io::Instant> next;
    for (unsigned i = 0; i < slots_.size(); ++i) {
      Slot& s = slots_[i];
      if (!s.in || s.done >= target) continue;
      io::Instant until = s.since + options_.call_deadline;
      const bool timed_out = now >= until;
      if (leave) until = s.suspect ? now : std::min(until, *leave);
      if (now >= until) {
        if (timed_out) view_->members[i].device->missed();
        drop(i, Code::timeout);
        dropped = true;
      } else if (!next || until < *next) {
        next = until;
      }
    }
    if (!dropped) (void)co_await events_.pop(next);
  }
}

io::Task<Result<void>> ShardWriters::wait(std::uint64_t ahead) {
  const std::uint64_t target = queued_ > ahead ? queued_ - ahead : 0;
  return wait_for(target, false);
}

io::Task<Result<void>> ShardWriters::finish() {
  queue({Item::Kind::finish, nullptr});
  co_return co_await wait_for(queued_, true);
}

}  // namespace cairn::store
