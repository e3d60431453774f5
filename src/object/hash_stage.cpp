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
  if (bytes.empty()) return;
  Pending* const last = pending_.empty() || pending_.back().closed ? nullptr : &pending_.back();
  if (last != nullptr && last->bytes.data() + last->bytes.size() == bytes.data()) {
    last->bytes = {last->bytes.data(), last->bytes.size() + bytes.size()};
  } else {
    if (last != nullptr) hash_alone();
    pending_.push_back({bytes});
  }
  if (stage_->lonely()) hash_alone();  // now, while they are in the cache
}

void HashStage::Stream::keep(std::shared_ptr<const void> buffer) {
  if (pending_.empty() || pending_.back().closed) return;
  pending_.back().buffer = std::move(buffer);
  pending_.back().closed = true;
}

crypto::Md5Digest HashStage::Stream::digest() {
  hash_alone();
  return crypto::md5_finish(state_);
}

bool HashStage::Stream::settled_at_once(std::size_t buffers) {
  if (pending_.size() <= buffers) return true;
  if (!stage_->lonely()) return false;
  hash_alone();
  return true;
}

void HashStage::Stream::hash_alone() {
  while (!pending_.empty()) {
    const crypto::Md5Piece piece = take(pending_.front().bytes.size());
    crypto::md5_update({&piece, 1});
    taken();
    ++stage_->counts_.alone;
  }
}

crypto::Md5Piece HashStage::Stream::take(std::size_t most) {
  io::Bytes& oldest = pending_.front().bytes;
  const io::Bytes now = oldest.first(std::min(most, oldest.size()));
  oldest = oldest.subspan(now.size());
  return {&state_, now};
}

void HashStage::Stream::taken() {
  if (pending_.front().bytes.empty()) pending_.pop_front();
}

void HashStage::enter(Stream& stream, std::size_t buffers, std::coroutine_handle<> h) {
  CAIRN_ASSERT(io::Executor::current_or_null() == &executor_ && !stream.waiting_);
  stream.waiting_ = true;
  waiters_.push_back({&stream, buffers, h});
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
  std::vector<Stream*> along;
  std::size_t longest = 0;
  for (const Waiter& waiter : due) {
    const std::size_t oldest = waiter.stream->pending_.front().bytes.size();
    longest = std::max(longest, oldest);
    pieces.push_back(waiter.stream->take(oldest));
  }
  // The others come along as far as the longest of those that wait: up to there they are for free.
  for (auto at = streams_.begin(); at != streams_.end() && pieces.size() < lanes_; ++at) {
    Stream& other = **at;
    if (other.waiting_ || other.pending_.empty()) continue;
    along.push_back(&other);
    pieces.push_back(other.take(longest));
  }
  crypto::md5_update(pieces);

  ++counts_.runs;
  counts_.along += along.size();
  for (Stream* const other : along) other->taken();
  for (const Waiter& waiter : due) {
    waiter.stream->taken();
    if (waiter.stream->pending_.size() > waiter.buffers) {
      waiters_.push_back(waiter);
      continue;
    }
    ++counts_.settled;
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
