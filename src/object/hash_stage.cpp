#include "object/hash_stage.h"

#include <algorithm>

#include "base/assert.h"

namespace cairn::object {

HashStage::Stream::Stream(std::shared_ptr<HashStage> stage) : stage_(std::move(stage)) {
  stage_->streams_.push_back(this);
}

HashStage::Stream::~Stream() {
  CAIRN_ASSERT(!waiting_);
  std::erase(stage_->streams_, this);
}

void HashStage::Stream::add(io::Bytes bytes) {
  CAIRN_ASSERT(!waiting_);
  if (pending_.empty()) {
    pending_ = bytes;
  } else if (pending_.data() + pending_.size() == bytes.data()) {
    pending_ = {pending_.data(), pending_.size() + bytes.size()};
  } else {
    hash_alone();
    pending_ = bytes;
  }
  if (stage_->lonely()) hash_alone();  // now, while they are in the cache
}

crypto::Md5Digest HashStage::Stream::digest() {
  hash_alone();
  return crypto::md5_finish(state_);
}

bool HashStage::Stream::settled_at_once() {
  if (pending_.empty()) return true;
  if (!stage_->lonely()) return false;
  hash_alone();
  return true;
}

void HashStage::Stream::hash_alone() {
  if (pending_.empty()) return;
  const crypto::Md5Piece piece{&state_, std::exchange(pending_, {})};
  crypto::md5_update({&piece, 1});
  ++stage_->counts_.alone;
}

void HashStage::enter(Stream& stream, std::coroutine_handle<> h) {
  CAIRN_ASSERT(io::Executor::current_or_null() == &executor_ && !stream.waiting_);
  stream.waiting_ = true;
  waiters_.push_back({&stream, h});
  post_run();
}

// Behind all that is ready to run now, which may bring more streams.
void HashStage::post_run() {
  if (std::exchange(posted_, true)) return;
  executor_.post([self = shared_from_this()] { self->run(); });
}

void HashStage::run() {
  posted_ = false;
  const auto taken = static_cast<std::ptrdiff_t>(std::min(lanes_, waiters_.size()));
  std::vector<Waiter> due(waiters_.begin(), waiters_.begin() + taken);
  waiters_.erase(waiters_.begin(), waiters_.begin() + taken);

  std::vector<crypto::Md5Piece> pieces;
  std::size_t longest = 0;
  for (const Waiter& waiter : due) {
    longest = std::max(longest, waiter.stream->pending_.size());
    pieces.push_back({&waiter.stream->state_, std::exchange(waiter.stream->pending_, {})});
  }
  // The others come along as far as the longest of those that wait: up to there they are for free.
  for (auto at = streams_.begin(); at != streams_.end() && pieces.size() < lanes_; ++at) {
    Stream& other = **at;
    if (other.waiting_ || other.pending_.empty()) continue;
    const io::Bytes now = other.pending_.first(std::min(longest, other.pending_.size()));
    other.pending_ = other.pending_.subspan(now.size());
    pieces.push_back({&other.state_, now});
  }
  crypto::md5_update(pieces);

  ++counts_.runs;
  counts_.settled += due.size();
  counts_.along += pieces.size() - due.size();
  for (const Waiter& waiter : due) {
    waiter.stream->waiting_ = false;
    executor_.post([h = waiter.coroutine] { h.resume(); });
  }
  if (!waiters_.empty()) post_run();
}

HashStages::~HashStages() {
  for (Entry* entry = first_.load(); entry != nullptr;) delete std::exchange(entry, entry->next);
}

std::shared_ptr<HashStage> HashStages::here() {
  io::Executor& executor = io::Executor::current();
  for (Entry* e = first_.load(std::memory_order_acquire); e != nullptr; e = e->next) {
    if (e->executor == &executor) return e->stage;
  }
  // Only this executor's thread adds its entry, so nobody else can have added it meanwhile.
  auto* entry = new Entry{&executor, std::make_shared<HashStage>(executor),
                          first_.load(std::memory_order_acquire)};
  while (!first_.compare_exchange_weak(entry->next, entry, std::memory_order_acq_rel)) {
  }
  return entry->stage;
}

}  // namespace cairn::object
