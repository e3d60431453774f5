// Reading inline data: shards that came with the record, and where some are missing, from the drives.
#include <algorithm>

#include "erasure/erasure.h"
#include "io/sync.h"
#include "store/data_reader.h"
#include "store/inline_data.h"
#include "store/stripe.h"

namespace cairn::store {
namespace {

struct Fetched {
  unsigned slot = 0;
  Result<io::Slice> bytes;
};

io::Task<void> fetch_one(std::shared_ptr<drive::Drive> drive, unsigned slot, model::ValueId id,
                         io::Mailbox<Fetched> box) {
  auto bytes = co_await drive->read_inline(id);
  box.push({slot, std::move(bytes)});
}

// The shards known so far, and which drives are still worth asking.
struct Gathering {
  ReadContext context;
  model::DataPart part;
  Stripes stripes;
  std::vector<io::Slice> shards;
  std::vector<bool> asked;
  std::size_t have = 0;
  bool gone = false;

  Gathering(ReadContext c, const model::DataPart& p)
      : context(std::move(c)),
        part(p),
        stripes(p.layout, p.size),
        shards(context.drives.size()),
        asked(context.drives.size(), false) {}

  void take(unsigned slot, Result<io::Slice> bytes) {
    if (bytes && bytes->bytes.size() != stripes.shard_size())
      bytes = Error{Code::corrupt, "an inline shard has the wrong size"};
    if (bytes) {
      if (!shards[slot].owner) ++have;
      shards[slot] = std::move(*bytes);
      return;
    }
    const Code code = bytes.error().code;
    if (code == Code::not_found) gone = true;
    const bool damage = code == Code::not_found || code == Code::corrupt || code == Code::io_error;
    const auto& drive = context.drives[slot];
    if (damage && context.on_damage && drive && !drive->failed())
      context.on_damage(slot, part.data_id, bytes.error());
  }

  // Drives to ask next, so that `wanted` shards may come together.
  std::vector<unsigned> next(std::size_t wanted) {
    std::vector<unsigned> out;
    for (unsigned slot = 0; slot < shards.size() && have + out.size() < wanted; ++slot) {
      if (shards[slot].owner || asked[slot]) continue;
      asked[slot] = true;
      const auto& drive = context.drives[slot];
      if (drive && !drive->failed()) out.push_back(slot);
    }
    return out;
  }
};

Error too_few(const Gathering& g) {
  if (g.gone)
    return Error{Code::conflict, "shards of data " + g.part.data_id.hex() +
                                     " are gone: the version was replaced meanwhile, or is damaged"};
  return Error{Code::unavailable, "fewer than " + std::to_string(g.stripes.data_shards()) + " shards of data " +
                                      g.part.data_id.hex() + " can be read"};
}

}  // namespace

io::Task<Result<std::vector<io::Slice>>> gather_inline(ReadContext context, model::DataPart part,
                                                       std::vector<std::pair<unsigned, io::Slice>> at_hand,
                                                       bool all) {
  if (!Stripes::valid(part.layout) || part.layout.profile.drives() != context.drives.size())
    co_return Error{Code::corrupt, "inline data " + part.data_id.hex() + " has a layout that cannot be"};
  Gathering g(std::move(context), part);
  for (auto& [slot, bytes] : at_hand)
    if (slot < g.shards.size()) g.take(slot, std::move(bytes));

  const std::size_t k = g.stripes.data_shards();
  const std::size_t wanted = all ? g.shards.size() : k;
  io::Mailbox<Fetched> box;
  io::Executor& executor = io::Executor::current();
  std::size_t in_flight = 0;
  io::Instant give_up = executor.now() + g.context.options.call_deadline;
  while (g.have < wanted) {
    const std::vector<unsigned> ask = g.next(wanted - std::min(wanted, in_flight));
    for (const unsigned slot : ask) {
      io::spawn(executor, fetch_one(g.context.drives[slot], slot, part.data_id, box));
      ++in_flight;
    }
    if (in_flight == 0) break;
    // A drive that does not answer soon is passed by, as long as there is another to ask.
    const io::Instant hedge = executor.now() + g.context.options.hedge_delay;
    std::optional<Fetched> got = co_await box.pop(std::min(hedge, give_up));
    if (got) {
      --in_flight;
      g.take(got->slot, std::move(got->bytes));
      continue;
    }
    if (executor.now() >= give_up) break;
    in_flight = 0;  // those on their way may still come in, and another is asked for each
    if (std::ranges::all_of(g.asked, [](bool b) { return b; })) in_flight = 1;
  }
  if (g.have < k) co_return too_few(g);
  co_return std::move(g.shards);
}

}  // namespace cairn::store
