#include "drive/inline_shards.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "drive/blob_format.h"
#include "drive/read_unit.h"

namespace cairn::drive {
namespace {

io::Task<Result<StoredShard>> find(std::shared_ptr<Core> core, model::ValueId data_id) {
  auto shard = find_inline_shard(*core->index->latest(Reads::cached), data_id);
  if (!shard && shard.code() == Code::unavailable) {
    Core* const c = core.get();
    shard = co_await core->pool.run(
        [c, data_id] { return find_inline_shard(*c->index->latest(Reads::blocking), data_id); });
  }
  co_return shard;
}

// A shard of the log, open: its bytes stay readable when it is released (7.5).
class LoggedShardReader final : public ShardReader {
 public:
  LoggedShardReader(std::shared_ptr<Core> core, model::ValueId data_id, LoggedShard shard,
                    std::shared_ptr<const ShardLog::Opened> opened)
      : core_(std::move(core)),
        data_id_(data_id),
        shard_(std::move(shard)),
        opened_(std::move(opened)) {}
  std::uint64_t size() const override { return shard_.place.bytes; }
  io::Task<Result<io::Bytes>> read(std::uint64_t offset, std::size_t length,
                                   io::MutableBytes into) override {
    if (core_->failed()) co_return core_->failure();
    CAIRN_CO_TRY(check_shard_read(size(), offset, length, into));
    if (length == 0) co_return io::Bytes{};
    const std::uint64_t first = offset / kShardBlockBytes;
    const std::uint64_t begin = first * kShardBlockBytes;
    const std::uint64_t end =
        std::min<std::uint64_t>(size(), begin + shard_read_room(offset, length));
    const auto blocks = into.first(static_cast<std::size_t>(end - begin));
    CAIRN_CO_TRY(co_await opened_->read(begin, blocks));
    if (!matches(data_id_, shard_, first, blocks)) co_return damaged();
    co_return io::Bytes(blocks).subspan(static_cast<std::size_t>(offset - begin), length);
  }
  io::Task<Result<io::Slice>> whole() {
    const auto memory = std::make_shared_for_overwrite<std::byte[]>(shard_.place.bytes);
    const io::MutableBytes into(memory.get(), shard_.place.bytes);
    CAIRN_CO_TRY(co_await opened_->read(0, into));
    if (!matches(data_id_, shard_, 0, into)) co_return damaged();
    co_return io::Slice{memory, into};
  }
  bool has_block_sums() const { return !shard_.whole_sum; }

 private:
  Error damaged() const {
    return {Code::corrupt, "logged shard " + data_id_.hex() + " is damaged"};
  }
  std::shared_ptr<Core> core_;
  model::ValueId data_id_;
  LoggedShard shard_;
  std::shared_ptr<const ShardLog::Opened> opened_;
};

struct OpenShard {
  io::Slice bytes{};  // verified, unless it is logged
  std::unique_ptr<LoggedShardReader> logged{};
};

io::Task<Result<OpenShard>> open(std::shared_ptr<Core> core, model::ValueId data_id) {
  std::optional<LoggedShard> before;
  for (;;) {
    CAIRN_CO_ASSIGN(StoredShard shard, co_await find(core, data_id));
    if (!shard.logged) co_return OpenShard{std::move(shard.bytes), {}};
    auto opened = co_await core->log->open(shard.logged->place);
    if (opened)
      co_return OpenShard{{},
                          std::make_unique<LoggedShardReader>(
                              core, data_id, std::move(*shard.logged), std::move(*opened))};
    if (opened.code() != Code::not_found) co_return Error{std::move(opened.error())};
    // Released since it was looked up: then it is not named any more, or it is elsewhere.
    if (before == shard.logged)
      co_return Error{Code::corrupt, "the segment of logged shard " + data_id.hex() + " is gone"};
    before = std::move(shard.logged);
  }
}

}  // namespace

io::Task<Result<std::unique_ptr<ShardReader>>> open_inline_shard(std::shared_ptr<Core> core,
                                                                 model::ValueId data_id) {
  CAIRN_CO_ASSIGN(OpenShard shard, co_await open(std::move(core), data_id));
  if (!shard.logged) co_return open_in_memory(std::move(shard.bytes));
  if (shard.logged->has_block_sums()) co_return std::move(shard.logged);
  CAIRN_CO_ASSIGN(io::Slice bytes, co_await shard.logged->whole());
  co_return open_in_memory(std::move(bytes));
}

io::Task<Result<io::Slice>> read_inline_shard(std::shared_ptr<Core> core, model::ValueId data_id) {
  CAIRN_CO_ASSIGN(OpenShard shard, co_await open(std::move(core), data_id));
  if (!shard.logged) co_return std::move(shard.bytes);
  co_return co_await shard.logged->whole();
}

io::Task<Result<std::optional<io::Slice>>> read_logged_as_it_is(std::shared_ptr<Core> core,
                                                                model::ValueId data_id) {
  Core* const c = core.get();
  std::string value;
  auto found = co_await core->pool.run([c, data_id, into = &value] {
    return c->index->latest(Reads::blocking)->get(Family::logged, data_id.raw(), *into);
  });
  if (!found) co_return Error{std::move(found.error())};
  if (!*found) co_return std::optional<io::Slice>{};
  CAIRN_CO_ASSIGN(const LoggedShard shard, decode_logged(value));
  const std::size_t size = shard.place.bytes;
  const auto memory = std::make_shared_for_overwrite<std::byte[]>(size);
  const io::MutableBytes into(memory.get(), size);
  CAIRN_CO_ASSIGN(const auto opened, co_await core->log->open(shard.place));
  CAIRN_CO_TRY(co_await opened->read(0, into));
  co_return std::optional<io::Slice>(io::Slice{memory, into});
}

}  // namespace cairn::drive
