#include "object/hash_stage.h"

#include <algorithm>

#include "base/assert.h"

namespace cairn::object {

struct HashStage::Group {
  struct Waiter {
    Stream* stream;
    std::size_t buffers;  // may stay
    std::coroutine_handle<> coroutine;
    bool settled() const { return stream->pending_.size() <= buffers; }
  };
  const std::size_t lanes = crypto::md5_lanes();
  std::atomic<std::size_t> present{0};  // writes going on
  std::mutex mutex;
  // Guarded by it.
  std::condition_variable run_ended;
  std::vector<Stream*> streams;  // bodies coming in
  std::deque<Waiter> waiters;
  bool much_runs = false;

  // There is nobody to be hashed along with, or this machine cannot.
  bool lonely() const { return present.load(std::memory_order_relaxed) <= 1 || lanes <= 1; }
  // It is in a run, or behind one: the end of that looks again.
  bool must_wait(const Stream& stream) const {
    return stream.in_run_ || (much_runs && stream.pending_.front().bytes.size() >= kMuch);
  }
  void wait_for_run(std::unique_lock<std::mutex>& lock, const Stream& stream) {
    run_ended.wait(lock, [&] { return !stream.in_run_; });
  }
};

std::shared_ptr<HashStage::Group> HashStage::make_group() {
  return std::make_shared<Group>();
}

// -- one body

HashStage::Presence::Presence(const std::shared_ptr<HashStage>& stage) : group_(stage->group_) {
  ++group_->present;
}

HashStage::Presence::~Presence() {
  if (group_) --group_->present;
}

HashStage::Stream::Stream(std::shared_ptr<HashStage> stage) : stage_(std::move(stage)) {
  const std::lock_guard lock(stage_->group_->mutex);
  stage_->group_->streams.push_back(this);
}

HashStage::Stream::~Stream() {
  Group& group = *stage_->group_;
  std::unique_lock lock(group.mutex);
  CAIRN_ASSERT(!waiting_);
  group.wait_for_run(lock, *this);
  std::erase(group.streams, this);
}

void HashStage::Stream::add(io::Bytes bytes) {
  if (bytes.empty()) return;
  std::unique_lock lock(stage_->group_->mutex);
  CAIRN_ASSERT(!waiting_);
  if (pending_.empty() || pending_.back().closed) {
    pending_.push_back({bytes});
  } else {
    io::Bytes& last = pending_.back().bytes;
    CAIRN_ASSERT(last.data() + last.size() == bytes.data());
    last = {last.data(), last.size() + bytes.size()};
  }
  if (stage_->group_->lonely()) hash_alone(lock);  // now, while they are in the cache
}

void HashStage::Stream::keep(std::shared_ptr<const void> buffer) {
  const std::lock_guard lock(stage_->group_->mutex);
  if (pending_.empty() || pending_.back().closed) return;
  pending_.back().buffer = std::move(buffer);
  pending_.back().closed = true;
}

std::size_t HashStage::Stream::worth_keeping() const {
  const std::size_t present = stage_->group_->present.load(std::memory_order_relaxed);
  return std::clamp<std::size_t>(present / kPerBuffer, 1, kMostInHand);
}

crypto::Md5Digest HashStage::Stream::digest() {
  {
    std::unique_lock lock(stage_->group_->mutex);
    hash_alone(lock);
  }
  return crypto::md5_finish(state_);
}

bool HashStage::Stream::settled_at_once(std::size_t buffers) {
  std::unique_lock lock(stage_->group_->mutex);
  if (pending_.size() <= buffers) return true;
  if (!stage_->group_->lonely()) return false;
  hash_alone(lock);
  return true;
}

void HashStage::Stream::hash_alone(std::unique_lock<std::mutex>& lock) {
  Group& group = *stage_->group_;
  for (;;) {
    group.wait_for_run(lock, *this);
    if (pending_.empty()) return;
    const crypto::Md5Piece piece = take(pending_.front().bytes.size());
    lock.unlock();
    crypto::md5_update({&piece, 1});
    lock.lock();
    ++stage_->counts_.alone;
    if (auto buffer = taken()) {
      lock.unlock();
      buffer.reset();
      lock.lock();
    }
  }
}

crypto::Md5Piece HashStage::Stream::take(std::size_t most) {
  in_run_ = true;
  io::Bytes& oldest = pending_.front().bytes;
  const io::Bytes now = oldest.first(std::min(most, oldest.size()));
  oldest = oldest.subspan(now.size());
  return {&state_, now};
}

std::shared_ptr<const void> HashStage::Stream::taken() {
  in_run_ = false;
  std::shared_ptr<const void> buffer;
  if (pending_.front().bytes.empty()) {
    buffer = std::move(pending_.front().buffer);
    pending_.pop_front();
  }
  return buffer;
}

// -- in company

void HashStage::enter(Stream& stream, std::size_t buffers, std::coroutine_handle<> h) {
  CAIRN_ASSERT(io::Executor::current_or_null() == &executor_);
  bool post = false;
  {
    const std::lock_guard lock(group_->mutex);
    CAIRN_ASSERT(!stream.waiting_);
    stream.waiting_ = true;
    group_->waiters.push_back({&stream, buffers, h});
    post = !std::exchange(posted_, true);
  }
  if (post) post_turn();
}

// Behind all that is ready to run now, which may bring more streams.
void HashStage::post_turn() {
  executor_.post([self = shared_from_this()] { self->turn(); });
}

void HashStage::turn() {
  Run run;
  {
    const std::lock_guard lock(group_->mutex);
    posted_ = false;
    run = begin_run();
  }
  if (!run.pieces.empty()) crypto::md5_update(run.pieces);
  end_run(run);
}

HashStage::Run HashStage::begin_run() {
  Run run;
  std::size_t longest = 0;
  for (const auto& waiter : group_->waiters) {
    Stream& stream = *waiter.stream;
    if (stream.stage_.get() != this || waiter.settled() || group_->must_wait(stream)) continue;
    if (run.streams.size() == group_->lanes) break;
    run.streams.push_back(&stream);
    longest = std::max(longest, stream.pending_.front().bytes.size());
  }
  run.much = longest >= kMuch;
  if (run.streams.empty()) return {};
  longest = std::min(longest, kMostAtOnce);
  for (Stream* const stream : run.streams) run.pieces.push_back(stream->take(longest));
  // The others come along as far as the longest of those that wait: up to there they are for free.
  for (Stream* const other : group_->streams) {
    if (run.streams.size() == group_->lanes) break;
    if (other->in_run_ || other->pending_.empty()) continue;
    run.streams.push_back(other);
    run.pieces.push_back(other->take(longest));
    ++counts_.along;
  }
  group_->much_runs |= run.much;
  ++counts_.runs;
  return run;
}

// Also without a run: somebody else's may have settled who waits here.
void HashStage::end_run(const Run& run) {
  std::vector<std::pair<io::Executor*, std::coroutine_handle<>>> settled;
  std::vector<std::shared_ptr<HashStage>> next;  // stages that have waiters left
  std::vector<std::shared_ptr<const void>> buffers;
  {
    const std::lock_guard lock(group_->mutex);
    for (Stream* const stream : run.streams) buffers.push_back(stream->taken());
    if (!run.streams.empty()) group_->run_ended.notify_all();
    if (run.much) group_->much_runs = false;
    std::erase_if(group_->waiters, [&](const Group::Waiter& waiter) {
      Stream& stream = *waiter.stream;
      if (waiter.settled()) {
        stream.waiting_ = false;
        settled.emplace_back(&stream.stage_->executor_, waiter.coroutine);
        return true;
      }
      if (!group_->must_wait(stream) && !std::exchange(stream.stage_->posted_, true))
        next.push_back(stream.stage_);
      return false;
    });
    counts_.settled += settled.size();
  }
  for (const auto& [executor, coroutine] : settled)
    executor->post([coroutine] { coroutine.resume(); });
  for (const auto& stage : next) stage->post_turn();
}

// -- all executors

HashStages::~HashStages() {
  for (Entry* entry = first_.load(); entry != nullptr;) delete std::exchange(entry, entry->next);
}

std::shared_ptr<HashStage> HashStages::here() {
  io::Executor& executor = io::Executor::current();
  // Only this executor's thread adds its entry, so nobody adds it meanwhile.
  for (Entry* e = first_.load(std::memory_order_acquire); e != nullptr; e = e->next) {
    if (e->executor == &executor) return e->stage;
  }
  const std::lock_guard lock(growing_);
  if (entries_++ % kInGroup == 0) group_ = HashStage::make_group();
  auto* const entry = new Entry{&executor, std::make_shared<HashStage>(executor, group_),
                                first_.load(std::memory_order_relaxed)};
  first_.store(entry, std::memory_order_release);
  return entry->stage;
}

}  // namespace cairn::object
