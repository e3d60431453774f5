#include "drive/drive.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace cairn::drive {
namespace {

class MemoryShardReader final : public ShardReader {
 public:
  explicit MemoryShardReader(io::Slice shard) : shard_(std::move(shard)) {}
  std::uint64_t size() const override { return shard_.bytes.size(); }
  io::Task<Result<io::Bytes>> read(std::uint64_t offset, std::size_t length,
                                   io::MutableBytes into) override {
    CAIRN_CO_TRY(check_shard_read(size(), offset, length, into));
    if (length == 0) co_return io::Bytes{};
    std::memcpy(into.data(), shard_.bytes.data() + offset, length);
    co_return io::Bytes(into.first(length));
  }

 private:
  io::Slice shard_;
};

}  // namespace

Result<void> check_shard_read(std::uint64_t size, std::uint64_t offset, std::size_t length,
                              io::MutableBytes into) {
  if (offset > size || length > size - offset)
    return Error{Code::invalid_argument, "a read behind the end of a shard"};
  const std::uint64_t begin = offset / kShardBlockBytes * kShardBlockBytes;
  const std::uint64_t end = std::min<std::uint64_t>(size, begin + shard_read_room(offset, length));
  if (length > 0 && into.size() < end - begin)
    return Error{Code::invalid_argument, "too little room for a shard's blocks"};
  return {};
}

std::unique_ptr<ShardReader> open_in_memory(io::Slice shard) {
  return std::make_unique<MemoryShardReader>(std::move(shard));
}

io::Task<Result<std::unique_ptr<ShardReader>>> Drive::open_inline(model::ValueId data_id) {
  CAIRN_CO_ASSIGN(io::Slice shard, co_await read_inline(data_id));
  co_return open_in_memory(std::move(shard));
}

io::Task<Result<Refusal>> Drive::settle(Fence fence, model::UnitKey unit, Stamp stamp) {
  std::vector<SettleRequest> one;
  one.push_back({fence, std::move(unit), stamp});
  CAIRN_CO_ASSIGN(SettleReplies replies, co_await settle_all(std::move(one)));
  CAIRN_ASSERT(replies.size() == 1);
  co_return std::move(replies.front());
}

}  // namespace cairn::drive
