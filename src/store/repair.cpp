#include "store/repair.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/log.h"

namespace cairn::store {

using drive::MutateReply;
using drive::Refusal;
using drive::Row;
using drive::UnitState;
using model::Stamp;
using model::UnitKey;
using SettledPtr = std::shared_ptr<const Settled>;

namespace {

// The drive has exactly this settled state, all its shards of it, and nothing else.
bool is_whole(const UnitState& state, const Settled& settled) {
  return state.settled_head == settled.head && state.missing.empty() && state.pendings.empty();
}

std::uint32_t whole_slots(const Survey& survey, const Settled& settled) {
  std::uint32_t out = 0;
  for (const auto& seen : survey.seen) {
    if (is_whole(seen.state, settled)) out |= 1u << seen.slot;
  }
  return out;
}

std::uint32_t wanted_slots(const PartitionView& view, std::optional<model::DriveId> only) {
  std::uint32_t out = 0;
  for (const Member& member : view.members) {
    if (!only || member.id == *only) out |= 1u << member.slot;
  }
  return out;
}

}  // namespace

io::Task<Result<bool>> Repairer::repair(UnitKey unit, std::optional<model::DriveId> only) {
  CAIRN_CO_TRY(co_await prepare(unit, only));
  CAIRN_CO_ASSIGN(Leader::Decided decided, co_await leader_.decided(unit));
  const View view = decided.view;
  const std::uint32_t wanted = wanted_slots(*view, only);
  if (wanted == 0)
    co_return Error{Code::invalid_argument, "the drive is no member of the key's partition"};
  SettledPtr settled = decided.settled;
  CAIRN_CO_ASSIGN(Survey survey, co_await resolver_.survey(view, unit, false, true));
  if ((whole_slots(survey, *settled) & wanted) != wanted) {
    core_.metrics.repairs.add();
    // Asked again from the start: what the leader remembers is right, but who lacks what is only
    // known from all.
    CAIRN_CO_ASSIGN(settled, co_await resolver_.decide_anew(view, unit));
    CAIRN_CO_ASSIGN(settled, co_await clear_leftovers(view, unit, settled));
    if (settled->head) {
      co_await settle_all(view, unit, settled->stamp());
      CAIRN_CO_ASSIGN(const auto rows, co_await loader_.all_rows(view, unit, settled));
      CAIRN_CO_ASSIGN(survey, co_await resolver_.survey(view, unit, false, true));
      for (const auto& seen : survey.seen) {
        if (!(wanted >> seen.slot & 1u) || is_whole(seen.state, *settled)) continue;
        const auto done = co_await bring_up(view, unit, seen.slot, settled->stamp(), rows);
        if (!done) {
          log::debug("a member could not be brought up",
                     {{"slot", seen.slot}, {"reason", done.error().message}});
        }
      }
    }
    // Of an emptied unit drives are told that they forget it as it is settled.
    if (!settled->head) chores_.tell_now();
    // Read back: nothing is called whole on the word of a write.
    CAIRN_CO_ASSIGN(survey, co_await resolver_.survey(view, unit, false, true));
  }
  const std::uint32_t whole = whole_slots(survey, *settled);
  if (static_cast<unsigned>(std::popcount(whole)) == view->n) co_await strike_off(unit);
  co_return (whole & wanted) == wanted;
}

// Rebuilds the blobs that members lack, without the lock; writers may change the unit meanwhile, so
// this is no proof.
io::Task<Result<void>> Repairer::prepare(const UnitKey& unit, std::optional<model::DriveId> only) {
  std::vector<Row> rows;
  std::vector<std::pair<unsigned, model::DataPart>> jobs;
  {
    CAIRN_CO_ASSIGN(const Leader::Decided decided, co_await leader_.decided(unit));
    if (decided.settled->row_count == 0) co_return Result<void>{};
    const View view = decided.view;
    CAIRN_CO_ASSIGN(const Survey survey, co_await resolver_.survey(view, unit, false, true));
    const std::uint32_t wanted = wanted_slots(*view, only) & ~whole_slots(survey, *decided.settled);
    if (wanted == 0) co_return Result<void>{};
    CAIRN_CO_ASSIGN(rows, co_await loader_.all_rows(view, unit, decided.settled));
    for (const auto& seen : survey.seen) {
      if (!(wanted >> seen.slot & 1u)) continue;
      const bool has_rows = seen.state.settled_head == decided.settled->head;
      for (const Row& row : rows) {
        CAIRN_CO_ASSIGN(const auto data, data_of(row));
        for (const auto& one : data) {
          const bool listed = std::ranges::any_of(
              seen.state.missing, [&](const auto& m) { return m.data_id == one.part.data_id; });
          if (!one.is_inline && (listed || !has_rows)) jobs.emplace_back(seen.slot, one.part);
        }
      }
    }
  }
  for (auto& [slot, part] : jobs) {
    // A failure shows when the shard is still missing under the lock.
    (void)co_await core_.shards->rebuild_blob(unit, std::move(part), slot);
  }
  co_return Result<void>{};
}

// Values that were passed over and lie above the settled state on some drive make every reader ask
// the leader: the current state, sent again under a new stamp, ends them (5.5).
io::Task<Result<SettledPtr>> Repairer::clear_leftovers(View view, const UnitKey& unit,
                                                       SettledPtr settled) {
  CAIRN_CO_ASSIGN(const Survey survey, co_await resolver_.survey(view, unit, false, true));
  bool leftovers = false;
  for (const auto& seen : survey.seen) {
    for (const auto& pending : seen.state.pendings) {
      leftovers |= !settled->head || pending.mutation.stamp > settled->stamp();
    }
  }
  if (!leftovers) co_return settled;
  drive::Mutation again;
  again.unit = unit;
  again.base = settled->head;
  again.value = core_.parts.random.id<model::ValueId>();
  CAIRN_CO_ASSIGN(again.puts, co_await loader_.all_rows(view, unit, settled));
  co_return co_await resolver_.restamp(view, std::move(again));
}

io::Task<void> Repairer::settle_all(View view, const UnitKey& unit, Stamp head) {
  Fanout<Result<Refusal>> fanout(core_.deadlines);
  for (const Member& member : view->members) {
    core_.ask<Refusal>(fanout, member, [&](drive::Drive& d) {
      return d.settle(view->fence(member.slot), unit, head);
    });
  }
  co_await fanout.wait(fanout.started(), core_.deadline());
  Core::note_silence(*view, fanout.silent());
}

io::Task<Result<MutateReply>> Repairer::install(View view, unsigned slot,
                                                drive::InstallRequest request) {
  const Member& member = view->member(slot);
  Partition& partition = core_.partition(view->id);
  request.fence = view->fence(slot);
  request.shard = static_cast<std::uint8_t>(slot);
  const Partition::Message message{slot, request.fence.term, request.fence.connection};
  const UnitKey unit = request.unit;
  if (!member.device->begin_call())
    co_return Error{Code::drive_failed, "the drive is out of service"};
  partition.sent(unit, message);
  auto reply = co_await member.device->drive()->install(std::move(request));
  if (!reply && reply.code() != Code::no_space) member.link->mark_lost(message.connection);
  partition.answered(unit, message);
  if (reply) member.device->acked(reply->ack);
  if (reply) member.device->answered();
  member.device->end_call();
  co_return reply;
}

// 6.2: the settled state with its own stamp, under the lock, beneath newer pendings; then the
// shards that are missing.
io::Task<Result<bool>> Repairer::bring_up(View view, const UnitKey& unit, unsigned slot, Stamp head,
                                          std::vector<Row> rows) {
  drive::InstallRequest request;
  request.unit = unit;
  request.head = head;
  request.rows = rows;
  CAIRN_CO_ASSIGN(MutateReply reply, co_await install(view, slot, request));
  if (reply.refusal != Refusal::none)
    co_return Error{Code::unavailable, "the drive refused the settled state"};
  if (reply.missing.empty()) co_return true;
  for (const auto& missing : reply.missing) {
    const auto named = find_data(rows, missing.data_id);
    if (!named) co_return Error{Code::corrupt, "a drive lacks data that no version names"};
    if (named->is_inline) {
      CAIRN_CO_ASSIGN(io::Slice bytes,
                      co_await core_.shards->rebuild_inline(unit, named->part, slot));
      request.inline_shards.push_back({missing.data_id, {std::move(bytes)}});
    } else {
      CAIRN_CO_TRY(co_await core_.shards->rebuild_blob(unit, named->part, slot));
    }
  }
  CAIRN_CO_ASSIGN(reply, co_await install(view, slot, std::move(request)));
  co_return reply.held();
}

// Whole on all N: no longer in anybody's repair queue.
io::Task<void> Repairer::strike_off(const UnitKey& unit) {
  for (const auto& device : core_.members.devices()) {
    if (!device->begin_call()) continue;
    (void)co_await Core::call<void>(device, core_.options.call_deadline,
                                    device->drive()->repair_remove({unit}));
  }
}

io::Task<Repairer::Look> Repairer::check_all(View view, const UnitKey& unit,
                                             const std::vector<NamedData>& data,
                                             LocalStore::Verified& out) {
  Look look;
  for (const auto& one : data) {
    bool all = true;
    for (const Member& member : view->members) {
      if (!member.device->usable()) {
        all = false;
        continue;
      }
      const auto checked = co_await core_.shards->check(unit, one.part, one.is_inline, member.slot);
      if (checked) out.bytes += checked->bytes;
      if (checked && checked->finding == ShardRebuilder::Finding::whole) continue;
      all = false;
      if (!checked) continue;
      ++out.damaged_shards;
      // The drive learns that it lacks the shard, also where only the file is gone: repair asks it.
      (void)co_await core_.shards->put_aside(unit, one.part, one.is_inline, member.slot);
    }
    look.sound &= all;
    if (!all || one.part.layout.profile.parity == 0) continue;
    const Look together = co_await check_together(unit, one, out);
    look.sound &= together.sound;
    look.doubtful |= together.doubtful;
  }
  co_return look;
}

// Every shard passes its own checksum: a drive that gave back what another write left there, or a
// wrong encoding, shows only against the others.
io::Task<Repairer::Look> Repairer::check_together(const UnitKey& unit, const NamedData& one,
                                                  LocalStore::Verified& out) {
  const auto compared = co_await core_.shards->compare(unit, one.part, one.is_inline);
  if (!compared) co_return Look{.sound = false};
  out.bytes += compared->bytes;
  if (compared->consistent) co_return Look{};
  ++out.damaged_shards;
  const auto odd = compared->odd;
  log::error("shards with good checksums contradict each other",
             {{"data", one.part.data_id.hex()}, {"wrong", odd ? std::to_string(*odd) : "unknown"}});
  if (!odd) co_return Look{.sound = false, .doubtful = true};
  (void)co_await core_.shards->condemn(unit, one.part, one.is_inline, *odd);
  co_return Look{.sound = false};
}

io::Task<Result<LocalStore::Verified>> Repairer::verify(UnitKey unit) {
  // A unit that is written meanwhile loses shards for good reason: it is looked at again.
  for (unsigned attempt = 0;; ++attempt) {
    LocalStore::Verified out;
    std::vector<NamedData> data;
    std::optional<Stamp> head;
    View view;
    {
      CAIRN_CO_ASSIGN(const Leader::Decided decided, co_await leader_.decided(unit));
      view = decided.view;
      head = decided.settled->head;
      CAIRN_CO_ASSIGN(const auto rows, co_await loader_.all_rows(view, unit, decided.settled));
      for (const Row& row : rows) {
        CAIRN_CO_ASSIGN(auto named, data_of(row));
        std::ranges::move(named, std::back_inserter(data));
      }
      CAIRN_CO_ASSIGN(const Survey survey, co_await resolver_.survey(view, unit, false, true));
      out.whole =
          static_cast<unsigned>(std::popcount(whole_slots(survey, *decided.settled))) == view->n;
    }
    const Look look = co_await check_all(view, unit, data, out);
    out.whole &= look.sound;
    if (out.whole) co_return out;
    if (out.damaged_shards > 0 && attempt < 2) {
      CAIRN_CO_ASSIGN(const Leader::Decided after, co_await leader_.decided(unit));
      if (after.settled->head != head) continue;
    }
    CAIRN_CO_ASSIGN(out.whole, co_await repair(unit, std::nullopt));
    out.whole &= !look.doubtful;
    co_return out;
  }
}

}  // namespace cairn::store
