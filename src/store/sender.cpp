#include "store/sender.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/log.h"

namespace cairn::store {

using drive::Mutation;
using drive::Refusal;

io::Task<Sender::Reply> Sender::send_one(View view, unsigned slot,
                                         std::shared_ptr<const Mutation> mutation,
                                         std::vector<drive::InlineShard> shards) {
  const Member& member = view->member(slot);
  const drive::Fence fence = view->fence(slot);
  Partition& partition = core_.partition(view->id);
  const Partition::Message message{slot, fence.term, fence.connection};
  if (!member.device->begin_call())
    co_return Error{Code::drive_failed, "the drive takes no more calls"};
  partition.sent(mutation->unit, message);
  drive::MutateRequest request{fence, static_cast<std::uint8_t>(slot), mutation, std::move(shards)};
  const io::Instant begin = io::Executor::current().now();
  Reply reply = co_await member.device->drive()->mutate(std::move(request));
  // No answer is no refusal: the message may still arrive, unless a newer connection cuts it off
  // (5.1).
  if (!reply && reply.code() != Code::no_space) member.link->mark_lost(fence.connection);
  partition.answered(mutation->unit, message);
  const io::Instant now = io::Executor::current().now();
  if (reply) member.device->acked(reply->ack);
  if (reply && now - begin <= core_.options.call_deadline) member.device->answered();
  if (reply && now - begin <= core_.options.straggler_deadline) member.device->prompt();
  member.device->end_call();
  co_return reply;
}

io::Task<Result<std::shared_ptr<const Mutation>>> Sender::whole_of(
    View view, std::shared_ptr<const Outgoing> out) {
  CAIRN_ASSERT(out->base != nullptr);
  CAIRN_CO_ASSIGN(auto rows, co_await loader_.all_rows(view, out->mutation->unit, out->base));
  auto whole = std::make_shared<Mutation>(*out->mutation);
  whole->puts = apply(std::move(rows), out->mutation->puts, out->mutation->removes);
  whole->removes.clear();
  whole->whole = true;
  co_return std::shared_ptr<const Mutation>(std::move(whole));
}

io::Task<Sender::Reply> Sender::deliver(View view, unsigned slot,
                                        std::shared_ptr<const Outgoing> out) {
  std::vector<drive::InlineShard> shards;
  if (slot < out->inline_shards.size()) shards.push_back(out->inline_shards[slot]);
  std::shared_ptr<const Mutation> mutation = out->mutation;
  // It was away when the partition was fenced: its promise comes first.
  if (!view->member(slot).link->promised.load()) {
    const bool promised = co_await reconnect(view, slot);
    if (!promised) co_return Error{Code::unavailable, "the drive does not promise this term"};
  }
  for (bool retried = false;;) {
    if (out->over.load()) co_return Error{Code::cancelled, "the change was given up"};
    const std::uint64_t connection = view->fence(slot).connection;
    Reply reply = co_await send_one(view, slot, mutation, shards);
    if (!reply) co_return reply;
    if (reply->refusal == Refusal::no_base && !mutation->whole) {
      // 3.4: on "no base" the leader sends all rows.
      auto whole = co_await whole_of(view, out);
      if (!whole) co_return reply;
      mutation = std::move(*whole);
      continue;
    }
    // Cut off by our own newer connection: it was refused for certain, so it may go again. Where
    // none is known here, the answer to its promise was lost or late, and another is made.
    if (reply->refusal == Refusal::cut_off && !retried) {
      retried = true;
      bool newer = view->fence(slot).connection > connection;
      if (!newer) newer = co_await reconnect(view, slot);
      if (newer) continue;
    }
    co_return reply;
  }
}

bool Sender::count(const Outgoing& out, unsigned slot, const Reply& reply, Outcome& outcome) const {
  if (!reply) {
    outcome.no_space |= reply.code() == Code::no_space;
    return false;
  }
  outcome.deposed |= reply->refusal == Refusal::stale_term;
  if (reply->refusal != Refusal::none) return false;
  // A holder has its own shard of every blob that the mutation brings (10.7: W counts no incomplete
  // one). Lacking others, which it should have had before, it is a case for repair.
  for (const auto& missing : reply->missing) {
    if (std::ranges::binary_search(out.brings, missing.data_id)) return false;
  }
  outcome.held |= 1u << slot;
  if (!reply->missing.empty()) outcome.lacking |= 1u << slot;
  return true;
}

// Nothing, if all N members hold what empties the unit, none of them is rebuilding, and everything
// else that was sent them for it was answered, or is cut off (5.1).
Leaves Sender::leaves(const PartitionView& view, const Mutation& mutation,
                      const Outcome& outcome) const {
  if (!mutation.whole || !mutation.puts.empty()) return Leaves::versions;
  const Partition& partition = core_.partition(view.id);
  const bool forgettable = std::ranges::all_of(view.members, [&](const Member& member) {
    const bool holds = (outcome.held & ~outcome.lacking) >> member.slot & 1u;
    // In this order: what is lost is marked before it counts as answered.
    return holds && !member.rebuilding &&
           !partition.under_way(mutation.unit, member.slot, view.fence(member.slot)) &&
           member.link->clean();
  });
  return forgettable ? Leaves::nothing : Leaves::head;
}

io::Task<Sender::Reply> Sender::complete(View view, unsigned slot,
                                         std::shared_ptr<const Outgoing> out,
                                         std::vector<drive::MissingShard> missing) {
  std::vector<drive::InlineShard> shards;
  for (const auto& one : missing) {
    if (!std::ranges::binary_search(out->brings, one.data_id)) continue;
    const auto named = find_data(out->mutation->puts, one.data_id);
    if (!named)
      co_return Error{Code::corrupt, "a drive lacks data that the mutation does not name"};
    if (named->is_inline) {
      CAIRN_CO_ASSIGN(io::Slice bytes, co_await core_.shards->rebuild_inline(out->mutation->unit,
                                                                             named->part, slot));
      shards.push_back({one.data_id, {std::move(bytes)}});
    } else {
      CAIRN_CO_TRY(co_await core_.shards->rebuild_blob(out->mutation->unit, named->part, slot));
    }
  }
  std::shared_ptr<const Mutation> mutation = out->mutation;
  if (!mutation->whole) {
    CAIRN_CO_ASSIGN(mutation, co_await whole_of(view, out));
  }
  co_return co_await send_one(view, slot, std::move(mutation), std::move(shards));
}

io::Task<Outcome> Sender::send(View view, std::shared_ptr<const Outgoing> out) {
  CAIRN_ASSERT(out->mutation->whole || out->base != nullptr);
  CAIRN_ASSERT(!out->mutation->base || *out->mutation->base < out->mutation->stamp);
  Fanout<Reply> fanout(core_.deadlines);
  for (const Member& member : view->members) {
    if (member.device->usable()) fanout.start(member.slot, deliver(view, member.slot, out));
  }
  Outcome outcome;
  std::size_t looked = 0;
  std::vector<std::pair<unsigned, std::vector<drive::MissingShard>>> incomplete;
  io::Instant deadline = core_.deadline();
  bool straggling = false;
  while (looked < fanout.started()) {
    // Until W hold it, nothing less will do; then the healthy ones get a little longer.
    const std::size_t least = outcome.holders() < view->w ? view->w - outcome.holders() : 1;
    const bool arrived = co_await fanout.wait(looked + least, deadline);
    for (; looked < fanout.arrived(); ++looked) {
      const auto& [slot, reply] = fanout.answers()[looked];
      const bool outrun =
          reply && (reply->refusal == Refusal::stale_term ||
                    (reply->refusal == Refusal::stale_map && reply->map_epoch > view->epoch));
      if (outrun) core_.outrun(*view);
      if (count(*out, slot, reply, outcome) || !reply || reply->refusal != Refusal::none) continue;
      incomplete.emplace_back(slot, reply->missing);
    }
    if (!arrived) break;
    if (outcome.holders() < view->w) continue;
    std::uint32_t waited_for = 0;
    for (const Member& m : view->members) {
      if (m.device->waited_for()) waited_for |= 1u << m.slot;
    }
    if ((fanout.silent() & waited_for) == 0) break;
    if (!straggling) {
      straggling = true;
      deadline =
          std::min(deadline, io::Executor::current().now() + core_.options.straggler_deadline);
    }
  }
  Core::note_silence(*view, fanout.silent());
  if (straggling) {
    for (const Member& m : view->members)
      if (fanout.silent() >> m.slot & 1u) m.device->late();
  }
  // 9.2: fewer than W holders: shards are rebuilt first, for as many members as it takes.
  for (auto& [slot, missing] : incomplete) {
    if (outcome.holders() >= view->w) break;
    const Reply reply = co_await complete(view, slot, out, std::move(missing));
    count(*out, slot, reply, outcome);
  }
  outcome.settled = outcome.holders() >= view->w;
  outcome.leaves = leaves(*view, *out->mutation, outcome);
  out->over.store(true);
  co_return outcome;
}

io::Task<bool> Sender::repeat(View view, unsigned slot, std::shared_ptr<const Mutation> mutation,
                              std::vector<drive::InlineShard> shards) {
  const Reply reply = co_await send_one(view, slot, std::move(mutation), std::move(shards));
  co_return reply && reply->held();
}

io::Task<bool> Sender::reconnect(View view, unsigned slot) {
  const Member& member = view->member(slot);
  if (!member.device->begin_call()) co_return false;
  // One more than any number this process used: also of a reconnect that is under way.
  const std::uint64_t connection = member.link->next.fetch_add(1) + 1;
  drive::PromiseRequest request{member.id,  view->term,  core_.leader,
                                connection, view->epoch, {{view->id, member.since, view->entry}}};
  Fanout<Result<drive::PromiseReply>> fanout(core_.deadlines);
  fanout.start(
      slot, core_.call<drive::PromiseReply>(member.device, core_.options.call_deadline,
                                            member.device->drive()->promise(std::move(request))));
  if (!co_await fanout.wait(1, core_.deadline())) {
    member.device->missed();
    co_return false;
  }
  const auto& reply = fanout.answers()[0].value;
  if (reply && (reply->refusal == Refusal::stale_term || reply->refusal == Refusal::stale_map))
    core_.outrun(*view);
  if (!reply || reply->refusal != Refusal::none) co_return false;
  member.device->acked(reply->ack);
  auto seen = member.link->connection.load();
  while (seen < connection && !member.link->connection.compare_exchange_weak(seen, connection)) {
  }
  member.link->promised.store(true);
  co_return true;
}

}  // namespace cairn::store
