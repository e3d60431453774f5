#include "drive/drive.h"

#include "base/assert.h"

namespace cairn::drive {

io::Task<Result<Refusal>> Drive::settle(Fence fence, model::UnitKey unit, Stamp stamp) {
  std::vector<SettleRequest> one;
  one.push_back({fence, std::move(unit), stamp});
  CAIRN_CO_ASSIGN(SettleReplies replies, co_await settle_all(std::move(one)));
  CAIRN_ASSERT(replies.size() == 1);
  co_return std::move(replies.front());
}

}  // namespace cairn::drive
