#include "store/data_reader.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "io/sync.h"
#include "store/shard_set.h"
#include "store/stripe.h"

namespace cairn::store {
namespace {

using Batch = Result<io::Slices>;

// The first byte need not wait for a whole batch; but what is little more is read at once.
constexpr std::size_t kFirstBatchBytes = std::size_t{256} << 10;
constexpr std::size_t kOnlyBatchBytes = 2 * kFirstBatchBytes;

void append_piece(io::Slices& out, io::Slice piece) {
  // Neighbours in memory become one slice, so that fewer pieces go to the socket.
  if (!out.empty() && out.back().owner == piece.owner &&
      out.back().bytes.data() + out.back().bytes.size() == piece.bytes.data()) {
    out.back().bytes =
        io::Bytes(out.back().bytes.data(), out.back().bytes.size() + piece.bytes.size());
    return;
  }
  out.push_back(std::move(piece));
}

// The slices of [begin, end) out of runs of data shards. `runs[i]` holds shard i from `from[i]` on.
io::Slices cut(const Stripes& stripes, std::uint64_t begin, std::uint64_t end,
               const std::vector<io::Slice>& runs, const std::vector<std::uint64_t>& from) {
  io::Slices out;
  stripes.for_each_piece(
      begin, end, [&](unsigned shard, std::uint64_t offset, std::uint64_t length) {
        append_piece(out, {runs[shard].owner,
                           runs[shard].bytes.subspan(static_cast<std::size_t>(offset - from[shard]),
                                                     static_cast<std::size_t>(length))});
      });
  return out;
}

// Bytes [begin, end) of a blob.
io::Task<Batch> read_batch(std::shared_ptr<ShardSet> set, std::uint64_t begin, std::uint64_t end) {
  const Stripes& stripes = set->stripes();
  std::vector<ShardSet::Need> needs;
  for (unsigned shard = 0; shard < stripes.data_shards(); ++shard) {
    const Stripes::Range range = stripes.shard_range(shard, begin, end);
    if (!range.empty()) needs.push_back({shard, range});
  }
  auto fetched = co_await set->fetch(needs);
  if (!fetched) co_return Error{std::move(fetched.error())};
  std::vector<io::Slice> runs(stripes.data_shards());
  std::vector<std::uint64_t> from(stripes.data_shards(), 0);
  for (std::size_t i = 0; i < needs.size(); ++i) {
    runs[needs[i].slot] = std::move((*fetched)[i]);
    from[needs[i].slot] = needs[i].range.begin;
  }
  co_return cut(stripes, begin, end, runs, from);
}

// A body that is in memory already.
class MemorySource : public io::SliceSource {
 public:
  explicit MemorySource(io::Slices slices) : slices_(std::move(slices)) {}
  io::Task<Batch> next() override { co_return std::exchange(slices_, {}); }

 private:
  io::Slices slices_;
};

// A range of one data id: batches of whole stripes, some of them being read while one is sent. Its
// shards are let go when the last batch is read.
class ShardSource : public io::SliceSource {
 public:
  ShardSource(std::shared_ptr<ShardSet> set, const DataOptions& options, std::uint64_t begin,
              std::uint64_t end)
      : set_(std::move(set)), options_(options), at_(begin), end_(end) {}

  // Reads the first batch: it spans a stripe where the range does, so k shards are open afterwards.
  io::Task<Result<void>> open() {
    const auto [begin, end] = next_span();
    auto batch = co_await read_batch(set_, begin, end);
    if (!batch) co_return Error{std::move(batch.error())};
    first_ = std::move(*batch);
    if (at_ >= end_) set_.reset();
    co_return Result<void>{};
  }

  io::Task<Batch> next() override {
    if (ahead_.empty() && at_ >= end_) {
      set_.reset();  // nothing more is read: shards that went meanwhile need not be kept
      co_return std::exchange(first_, {});
    }
    const unsigned most = options_.read_batches_ahead;
    const unsigned ahead = is_crowded(set_->memory()) ? std::min(most, 1u) : most;
    while (ahead_.size() < ahead && at_ < end_) issue();
    if (!first_.empty()) co_return std::exchange(first_, {});
    if (ahead_.empty()) issue();
    co_return co_await take();
  }

 private:
  struct Pending {
    std::uint64_t begin = 0, end = 0;
    io::OneShot<Batch> result{};
  };

  static io::Task<void> run(std::shared_ptr<ShardSet> set, std::uint64_t begin, std::uint64_t end,
                            io::OneShot<Batch> result) {
    result.set(co_await read_batch(std::move(set), begin, end));
  }

  // The next batch's bytes of the blob.
  std::pair<std::uint64_t, std::uint64_t> next_span() {
    const std::uint64_t stripe = set_->stripes().stripe_bytes();
    const std::size_t most = end_ - at_ > kOnlyBatchBytes ? kFirstBatchBytes : kOnlyBatchBytes;
    const std::size_t bytes =
        started_ ? options_.read_batch_bytes : std::min(options_.read_batch_bytes, most);
    started_ = true;
    const std::uint64_t count = std::max<std::uint64_t>(1, bytes / stripe);
    // To a stripe's end, and at least one whole stripe where the range begins inside one.
    const std::uint64_t first = (at_ + stripe - 1) / stripe;
    const std::uint64_t to = std::min(end_, (first + count) * stripe);
    return {std::exchange(at_, to), to};
  }

  void issue() {
    const auto [begin, end] = next_span();
    Pending p{begin, end};
    io::spawn(io::Executor::current(), run(set_, p.begin, p.end, p.result));
    ahead_.push_back(std::move(p));
  }

  io::Task<Batch> take() {
    CAIRN_ASSERT(!ahead_.empty());
    Pending p = std::move(ahead_.front());
    ahead_.pop_front();
    Batch batch = co_await p.result.get();
    // Reading ahead may have waited in vain for memory that this very body has given back since.
    if (!batch && batch.code() == Code::slow_down)
      batch = co_await read_batch(set_, p.begin, p.end);
    if (!batch) {  // nothing may follow a hole
      at_ = end_;
      ahead_.clear();
    }
    if (ahead_.empty() && at_ >= end_) set_.reset();
    co_return batch;
  }

  std::shared_ptr<ShardSet> set_;
  DataOptions options_;
  std::uint64_t at_;  // first byte not asked for yet
  std::uint64_t end_;
  bool started_ = false;
  std::deque<Pending> ahead_;
  io::Slices first_;
};

using Opened = Result<std::unique_ptr<io::SliceSource>>;

io::Task<Opened> open_range(std::shared_ptr<const ReadContext> context, model::DataPart part,
                            bool is_inline, std::uint64_t begin, std::uint64_t end) {
  if (begin > end || end > part.size)
    co_return Error{Code::corrupt, "a record names more bytes than its data has"};
  auto set = ShardSet::make(context->memory, context->options, context->view, part, is_inline,
                            context->on_damage);
  if (!set) co_return Error{std::move(set.error())};
  auto source = std::make_unique<ShardSource>(std::move(*set), context->options, begin, end);
  auto opened = co_await source->open();
  if (!opened) co_return Error{std::move(opened.error())};
  co_return Opened{std::move(source)};
}

// A range of a multipart object. The table may have 10,000 parts: at most two of them are open.
class PartsSource : public io::SliceSource {
 public:
  PartsSource(std::shared_ptr<const ReadContext> context, std::vector<model::DataPart> parts)
      : context_(std::move(context)), parts_(std::move(parts)) {
    starts_.reserve(parts_.size() + 1);
    std::uint64_t at = 0;
    for (const model::DataPart& p : parts_) {
      starts_.push_back(at);
      at += p.size;
    }
    starts_.push_back(at);
  }

  std::uint64_t size() const { return starts_.back(); }

  io::Task<Result<void>> open(std::uint64_t begin, std::uint64_t end) {
    begin_ = begin;
    end_ = end;
    // The last part that begins at or before `begin`.
    const auto it = std::upper_bound(starts_.begin(), starts_.end() - 1, begin);
    next_part_ = static_cast<std::size_t>(it - starts_.begin()) - 1;
    if (!open_ahead()) co_return Result<void>{};
    co_return co_await advance();
  }

  io::Task<Batch> next() override {
    while (current_) {
      Batch batch = co_await current_->next();
      if (!batch) {
        current_.reset();
        ahead_.reset();
        next_part_ = parts_.size();
        co_return batch;
      }
      if (!batch->empty()) co_return batch;
      current_.reset();
      if (!ahead_) break;
      auto opened = co_await advance();
      if (!opened) co_return Error{std::move(opened.error())};
    }
    co_return io::Slices{};
  }

 private:
  static io::Task<void> run(std::shared_ptr<const ReadContext> context, model::DataPart part,
                            std::uint64_t begin, std::uint64_t end, io::OneShot<Opened> result) {
    result.set(co_await open_range(std::move(context), std::move(part), false, begin, end));
  }

  // Starts opening the next part that has bytes of the range; false if there is none.
  bool open_ahead() {
    while (next_part_ < parts_.size() && starts_[next_part_] < end_) {
      const std::size_t i = next_part_++;
      const std::uint64_t from = std::max(begin_, starts_[i]), to = std::min(end_, starts_[i + 1]);
      if (from >= to) continue;
      ahead_.emplace();
      opening_ = {parts_[i], from - starts_[i], to - starts_[i]};
      io::spawn(io::Executor::current(),
                run(context_, opening_.part, opening_.begin, opening_.end, *ahead_));
      return true;
    }
    return false;
  }

  // Makes the part that was opened ahead the current one and opens the next. REQUIRES: ahead_.
  io::Task<Result<void>> advance() {
    CAIRN_ASSERT(ahead_.has_value());
    const io::OneShot<Opened> ready = *ahead_;
    ahead_.reset();
    Opened opened = co_await ready.get();
    if (!opened && opened.code() == Code::slow_down)
      opened = co_await open_range(context_, opening_.part, false, opening_.begin, opening_.end);
    if (!opened) {
      next_part_ = parts_.size();
      co_return Error{std::move(opened.error())};
    }
    current_ = std::move(*opened);
    open_ahead();
    co_return Result<void>{};
  }

  struct Opening {
    model::DataPart part{};
    std::uint64_t begin = 0, end = 0;
  };
  std::shared_ptr<const ReadContext> context_;
  std::vector<model::DataPart> parts_;
  std::vector<std::uint64_t> starts_;  // object offset of each part, and the end
  std::uint64_t begin_ = 0, end_ = 0;
  std::size_t next_part_ = 0;
  Opening opening_{};
  std::optional<io::OneShot<Opened>> ahead_{};
  std::unique_ptr<io::SliceSource> current_{};
};

io::Task<Opened> open_parts(std::shared_ptr<const ReadContext> context, Found found,
                            std::uint64_t offset, std::uint64_t length) {
  auto source = std::make_unique<PartsSource>(std::move(context), std::move(found.parts));
  if (source->size() != found.record.size)
    co_return Error{Code::corrupt, "the table of parts does not add up to the object's size"};
  CAIRN_CO_TRY(co_await source->open(offset, offset + length));
  co_return Opened{std::move(source)};
}

io::Task<Opened> open_inline(std::shared_ptr<const ReadContext> context, Found found,
                             std::uint64_t offset, std::uint64_t length) {
  const model::DataPart& part = found.record.data;
  CAIRN_CO_ASSIGN(InlineShards inlined,
                  co_await gather_inline(*context, part, std::move(found.inline_shards), false));
  const Stripes stripes(part.layout, part.size);
  if (offset + length > part.size)
    co_return Error{Code::corrupt, "a record names more bytes than its data has"};
  if (inlined.have < stripes.data_shards()) co_return inlined.too_few(part);
  std::vector<unsigned> touched;
  for (unsigned shard = 0; shard < stripes.data_shards(); ++shard)
    if (!stripes.shard_range(shard, offset, offset + length).empty()) touched.push_back(shard);
  CAIRN_CO_TRY(co_await reconstruct_inline(context->memory, part, inlined, std::move(touched)));
  const std::vector<std::uint64_t> from(stripes.data_shards(), 0);
  co_return Opened{
      std::make_unique<MemorySource>(cut(stripes, offset, offset + length, inlined.shards, from))};
}

}  // namespace

bool comes_along(const model::Record& record, std::size_t opened_shard_bytes) {
  if (record.data_kind != model::Record::DataKind::inline_) return false;
  if (!Stripes::valid(record.data.layout)) return true;  // and then it is said to be corrupt
  return Stripes(record.data.layout, record.data.size).shard_size() < opened_shard_bytes;
}

io::Task<Result<std::unique_ptr<io::SliceSource>>> open_data(ReadContext context, Found found,
                                                             std::uint64_t offset,
                                                             std::uint64_t length) {
  CAIRN_ASSERT(offset <= found.record.size && length <= found.record.size - offset);
  if (length == 0) co_return Opened{std::make_unique<MemorySource>(io::Slices{})};
  auto shared = std::make_shared<const ReadContext>(std::move(context));
  switch (found.record.data_kind) {
    case model::Record::DataKind::none:
      co_return Error{Code::corrupt, "a record has a size and no data"};
    case model::Record::DataKind::inline_:
      if (comes_along(found.record, shared->options.opened_shard_bytes))
        co_return co_await open_inline(shared, std::move(found), offset, length);
      co_return co_await open_range(shared, found.record.data, true, offset, offset + length);
    case model::Record::DataKind::blob:
      co_return co_await open_range(shared, found.record.data, false, offset, offset + length);
    case model::Record::DataKind::parts:
      co_return co_await open_parts(shared, std::move(found), offset, length);
  }
  co_return Error{Code::corrupt, "a record has an unknown kind of data"};
}

}  // namespace cairn::store
