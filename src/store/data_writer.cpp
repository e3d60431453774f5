#include "store/data_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "erasure/erasure.h"
#include "io/sync.h"
#include "store/shard_writers.h"
#include "store/stripe.h"

namespace cairn::store {
namespace {

class StagedWriter : public DataWriter {
 public:
  StagedWriter(WriteContext context, std::size_t inline_limit, model::ValueId value,
               std::optional<std::uint64_t> size)
      : context_(std::move(context)),
        inline_limit_(inline_limit),
        value_(value),
        size_(size),
        layout_{context_.view->profile, context_.options.chunk_bytes},
        code_(erasure::Code::of(context_.view->profile)) {
    if (size_ && *size_ > inline_limit_) start();
  }

  ~StagedWriter() override {
    if (writers_) writers_->discard();  // without effect once they are kept
  }

  io::Task<Result<io::MutableBytes>> buffer() override {
    if (error_) co_return Error{*error_};
    if (size_ && received() == *size_)
      co_return io::MutableBytes(spare_);  // for a caller that looks for the end
    if (!batch_) {
      auto room = co_await make_room();
      if (!room) co_return fail(std::move(room.error()));
    }
    CAIRN_ASSERT(filled_ < batch_->data().size());
    co_return batch_->data().subspan(filled_);
  }

  void arrived(std::size_t bytes) override {
    if (!batch_ || filled_ == batch_->data().size()) return;  // advance() says so
    arrived_ += bytes;
    CAIRN_ASSERT(filled_ + arrived_ <= batch_->data().size());
    batch_->filled(filled_ + arrived_);
  }

  io::Task<Result<std::shared_ptr<const void>>> advance(std::size_t bytes) override {
    if (error_) co_return Error{*error_};
    if (bytes == 0) co_return std::shared_ptr<const void>{};
    if (!batch_ || filled_ == batch_->data().size())
      co_return fail(Error{Code::invalid_argument, "the data is longer than was announced"});
    filled_ += bytes;
    arrived_ = 0;
    batch_->filled(filled_);
    std::shared_ptr<const void> held = batch_->block();
    if (!writers_ && received() > inline_limit_) start();
    if (writers_ && filled_ == batch_->data().size()) submit();
    co_return held;
  }

  // Blocks that were held since this said no are a part of the memory at most, so whoever waits for
  // a block while holding one gets it from those who hold none.
  bool is_short_of_memory() const override { return is_crowded(context_.memory); }

  io::Task<Result<void>> finish(PutVersion& into) override {
    if (error_) co_return Error{*error_};
    const std::uint64_t size = received();
    if (size_ && size != *size_)
      co_return fail(Error{Code::invalid_argument, "the data is shorter than was announced"});
    into.record.size = size;
    into.record.data_kind = model::Record::DataKind::none;
    if (size == 0) {
      error_ = finished();
      co_return Result<void>{};
    }
    into.record.data.data_id = value_;
    into.record.data.size = size;
    if (!writers_) {
      stage_inline(into);
    } else {
      if (filled_ > 0) submit();
      auto ended = co_await writers_->finish();
      if (!ended) co_return fail(std::move(ended.error()));
      writers_->keep();
      into.record.data_kind = model::Record::DataKind::blob;
      into.record.data.layout = layout_;
    }
    error_ = finished();
    co_return Result<void>{};
  }

 private:
  static Error finished() { return {Code::internal, "the writer was used after finish()"}; }
  std::uint64_t received() const { return submitted_ + filled_; }

  Error fail(Error error) {
    error_ = error;
    if (writers_) writers_->discard();
    batch_.reset();
    return error;
  }

  void start() {
    writers_ = std::make_shared<ShardWriters>(context_.view, value_, context_.options);
    writers_->start();
  }

  // The next batch: as many whole stripes as fit, or what is still to come if that is less.
  io::Task<Result<void>> make_room() {
    // Many streams at once make do with less each: together they keep the drives busy all the same.
    const bool crowded = is_crowded(context_.memory);
    if (writers_) {
      // Without stopping the flow while a batch or two are on their way.
      const unsigned ahead = context_.options.write_batches_ahead;
      auto space = co_await writers_->wait(crowded ? std::min(ahead, 1u) : ahead);
      if (!space) co_return space;
    }
    const std::uint64_t stripe = std::uint64_t{layout_.chunk_bytes} * layout_.profile.data;
    const std::size_t batch = context_.options.write_batch_bytes / (crowded ? 2 : 1);
    std::uint64_t bytes = std::max<std::uint64_t>(1, batch / stripe) * stripe;
    // Of unknown size: room to see whether it stays small enough to be inline.
    if (!size_ && !writers_) bytes = std::max(bytes, (inline_limit_ / stripe + 1) * stripe);
    const bool inlined = size_ && !writers_;  // one block, however much that is
    if (inlined) bytes = *size_;
    if (size_) bytes = std::min(bytes, *size_ - submitted_);
    CAIRN_CO_ASSIGN(auto block,
                    co_await context_.memory.allocate(StripeEncoder::room(layout_, bytes)));
    batch_ = std::make_unique<StripeEncoder>(code_, layout_, value_, submitted_ / stripe,
                                             std::move(block), static_cast<std::size_t>(bytes));
    co_return Result<void>{};
  }

  ShardBatch take_batch() {
    CAIRN_ASSERT(batch_ != nullptr);
    ShardBatch out = std::move(*batch_).finish(filled_);
    batch_.reset();
    submitted_ += std::exchange(filled_, 0);
    return out;
  }

  void submit() { writers_->append(std::make_shared<const ShardBatch>(take_batch())); }

  void stage_inline(PutVersion& into) {
    into.record.data_kind = model::Record::DataKind::inline_;
    into.record.data.layout = Stripes::inline_layout(layout_, filled_);
    ShardBatch batch = take_batch();
    const bool whole_blocks = layout_.chunk_bytes % drive::kShardBlockBytes == 0;
    into.inline_shards.clear();
    into.inline_shards.reserve(batch.shards.size());
    for (drive::ShardBytes& shard : batch.shards) {
      io::Slices pieces;
      pieces.reserve(shard.pieces.size());
      for (const io::Bytes piece : shard.pieces) pieces.push_back({batch.block, piece});
      if (!whole_blocks) pieces = {io::joined(pieces)};
      into.inline_shards.push_back({value_, std::move(pieces), std::move(shard.sums)});
    }
  }

  WriteContext context_;
  std::size_t inline_limit_;
  model::ValueId value_;
  std::optional<std::uint64_t> size_;
  model::StripeLayout layout_;
  std::shared_ptr<const erasure::Code> code_;
  std::unique_ptr<StripeEncoder> batch_{};  // the one that fills
  std::size_t filled_ = 0;                  // of it
  std::size_t arrived_ = 0;                 // behind that
  std::uint64_t submitted_ = 0;
  std::shared_ptr<ShardWriters> writers_{};  // none while the data may become inline
  std::optional<Error> error_{};             // the first failure, or that it is finished
  std::array<std::byte, 256> spare_{};
};

io::Task<void> discard_one(std::shared_ptr<Device> device, drive::BlobName name,
                           io::Mailbox<bool> done) {
  DeviceCall call(std::move(device));
  if (call) (void)co_await call->discard_blob(name);
  done.push(true);
}

}  // namespace

Result<std::unique_ptr<DataWriter>> make_data_writer(WriteContext context,
                                                     const model::UnitKey& unit,
                                                     model::ValueId value,
                                                     std::optional<std::uint64_t> size,
                                                     bool blob_only) {
  const auto usable = std::ranges::count_if(context.view->members,
                                            [](const Member& m) { return m.device->usable(); });
  if (usable < static_cast<std::ptrdiff_t>(context.view->w))
    return Error{Code::unavailable, "fewer than " + std::to_string(context.view->w) +
                                        " drives of the partition are in service"};
  const std::size_t inline_limit =
      blob_only || unit.kind() == model::UnitKind::part ? 0 : context.options.inline_max_bytes;
  return std::make_unique<StagedWriter>(std::move(context), inline_limit, value, size);
}

io::Task<void> discard_data(std::shared_ptr<const PartitionView> view, model::ValueId value,
                            DataOptions options) {
  io::Executor& executor = io::Executor::current();
  io::Mailbox<bool> done;
  for (const Member& m : view->members)
    io::spawn(executor, discard_one(m.device, {value, static_cast<std::uint8_t>(m.slot)}, done));
  const io::Instant deadline = executor.now() + options.call_deadline;
  for (std::size_t i = 0; i < view->members.size(); ++i)
    if (!co_await done.pop(deadline)) break;
}

}  // namespace cairn::store
