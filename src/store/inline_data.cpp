// Shards of inline data, whole: those that came with the record of small data, and where some are
// missing, from the drives.
#include <algorithm>
#include <optional>
#include <utility>

#include "erasure/erasure.h"
#include "io/sync.h"
#include "store/data_reader.h"
#include "store/fanout.h"
#include "store/stripe.h"

namespace cairn::store {
namespace {

struct Fetched {
  unsigned slot = 0;
  Result<io::Slice> bytes;
};

// Asks the devices of a slot one after the other: the member, then former members. Damage beats
// absence.
io::Task<void> fetch_one(std::vector<std::shared_ptr<Device>> devices, unsigned slot,
                         model::ValueId id, io::Mailbox<Fetched> box) {
  Error why{Code::drive_failed, "the drive is out of service"};
  for (const auto& device : devices) {
    DeviceCall call(device);
    if (!call) continue;
    auto bytes = co_await call->read_inline(id);
    if (bytes) {
      box.push({slot, std::move(bytes)});
      co_return;
    }
    if (bytes.code() != Code::not_found || why.code == Code::drive_failed)
      why = std::move(bytes.error());
  }
  box.push({slot, std::move(why)});
}

std::vector<std::shared_ptr<Device>> devices_of(const PartitionView& view, unsigned slot) {
  std::vector<std::shared_ptr<Device>> out{view.members[slot].device};
  for (const PartitionView::Source& s : view.sources)
    if (s.slot == slot) out.push_back(s.device);
  return out;
}

// The shards known so far, and which drives are still worth asking.
struct Gathering {
  ReadContext context;
  model::DataPart part;
  Stripes stripes;
  InlineShards out;
  std::vector<bool> asked;

  Gathering(ReadContext c, const model::DataPart& p)
      : context(std::move(c)),
        part(p),
        stripes(p.layout, p.size),
        asked(context.view->members.size(), false) {
    out.shards.resize(context.view->members.size());
  }

  void take(unsigned slot, Result<io::Slice> bytes) {
    if (bytes && bytes->bytes.size() != stripes.shard_size())
      bytes = Error{Code::corrupt, "an inline shard has the wrong size"};
    if (bytes) {
      if (!out.shards[slot].owner) ++out.have;
      out.shards[slot] = std::move(*bytes);
      return;
    }
    const Code code = bytes.error().code;
    const bool absent = code == Code::not_found;
    const auto devices = devices_of(*context.view, slot);
    const bool all_asked = std::ranges::all_of(devices, [](const auto& d) { return d->usable(); });
    if (all_asked && (absent || code == Code::corrupt)) {
      ++out.lost;
      out.gone = out.gone || absent;
    }
    const Member& member = context.view->members[slot];
    const bool damage =
        (absent && !member.rebuilding) || code == Code::corrupt || code == Code::io_error;
    if (damage && context.on_damage && member.device->usable())
      context.on_damage(slot, part, true, bytes.error());
  }

  // Drives to ask next, so that `wanted` shards come together with the `coming` ones.
  std::vector<unsigned> next(std::size_t wanted, std::size_t coming) {
    std::vector<unsigned> ask;
    for (unsigned slot = 0; slot < asked.size() && out.have + coming + ask.size() < wanted;
         ++slot) {
      if (out.shards[slot].owner || asked[slot]) continue;
      asked[slot] = true;
      const auto devices = devices_of(*context.view, slot);
      if (std::ranges::any_of(devices, [](const auto& d) { return d->usable(); }))
        ask.push_back(slot);
    }
    return ask;
  }
};

}  // namespace

Error InlineShards::too_few(const model::DataPart& part) const {
  if (gone)
    return Error{Code::conflict,
                 "shards of data " + part.data_id.hex() +
                     " are gone: the version was replaced meanwhile, or is damaged"};
  return Error{Code::unavailable, "fewer than " + std::to_string(part.layout.profile.data) +
                                      " shards of data " + part.data_id.hex() + " can be read"};
}

io::Task<Result<InlineShards>> gather_inline(ReadContext context, model::DataPart part,
                                             std::vector<std::pair<unsigned, io::Slice>> at_hand,
                                             bool all) {
  if (!Stripes::valid(part.layout) || part.layout.profile.drives() != context.view->members.size())
    co_return Error{Code::corrupt,
                    "inline data " + part.data_id.hex() + " has a layout that cannot be"};
  Gathering g(std::move(context), part);
  for (auto& [slot, bytes] : at_hand)
    if (slot < g.asked.size()) g.take(slot, std::move(bytes));

  const std::size_t wanted = all ? g.asked.size() : g.stripes.data_shards();
  io::Mailbox<Fetched> box;
  io::Executor& executor = io::Executor::current();
  std::size_t fresh = 0, late = 0;  // asked and not answered
  const io::Instant give_up = executor.now() + g.context.options.call_deadline;
  while (g.out.have < wanted) {
    const std::vector<unsigned> ask = g.next(wanted, fresh);
    for (const unsigned slot : ask)
      run_now(fetch_one(devices_of(*g.context.view, slot), slot, part.data_id, box));
    fresh += ask.size();
    if (fresh + late == 0) break;
    const io::Instant hedge = executor.now() + g.context.options.hedge_delay;
    std::optional<Fetched> got = co_await box.pop(fresh > 0 ? std::min(hedge, give_up) : give_up);
    if (got) {
      --(fresh > 0 ? fresh : late);
      g.take(got->slot, std::move(got->bytes));
      continue;
    }
    if (executor.now() >= give_up) break;
    // Drives that do not answer soon are passed by: another is asked for each, as long as there is
    // one.
    late += std::exchange(fresh, 0);
  }
  co_return std::move(g.out);
}

io::Task<Result<void>> reconstruct_inline(io::MemoryBudget& memory, const model::DataPart& part,
                                          InlineShards& shards, std::vector<unsigned> slots) {
  const Stripes stripes(part.layout, part.size);
  CAIRN_ASSERT(shards.have >= stripes.data_shards());
  std::erase_if(slots, [&](unsigned slot) { return shards.shards[slot].owner != nullptr; });
  if (slots.empty()) co_return Result<void>{};
  const auto bytes = static_cast<std::size_t>(stripes.shard_size());
  CAIRN_CO_ASSIGN(std::shared_ptr<io::Block> block, co_await memory.allocate(bytes * slots.size()));
  std::vector<erasure::Code::Have> have;
  for (unsigned slot = 0; have.size() < stripes.data_shards(); ++slot)
    if (shards.shards[slot].owner) have.push_back({slot, shards.shards[slot].bytes.data()});
  std::vector<erasure::Code::Want> want;
  for (std::size_t i = 0; i < slots.size(); ++i)
    want.push_back({slots[i], block->bytes().data() + i * bytes});
  CAIRN_CO_TRY(erasure::Code::of(part.layout.profile)->reconstruct(have, want, bytes));
  for (std::size_t i = 0; i < slots.size(); ++i)
    shards.shards[slots[i]] = {block, io::Bytes(block->bytes()).subspan(i * bytes, bytes)};
  shards.have += static_cast<unsigned>(slots.size());
  co_return Result<void>{};
}

}  // namespace cairn::store
