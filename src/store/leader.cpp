#include "store/leader.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/log.h"

namespace cairn::store {

using drive::Mutation;
using model::Stamp;
using model::UnitKey;
using SettledPtr = std::shared_ptr<const Settled>;

namespace {

// A mutation that leaves no more rows than this carries them all; others go as changes.
constexpr std::uint64_t kWholeRows = 4;

std::vector<model::ValueId> brought_by(const Commit& commit) {
  std::vector<model::ValueId> ids;
  const auto* put = std::get_if<PutVersion>(&commit.intent);
  if (put == nullptr || put->record.data_kind == model::Record::DataKind::none) return ids;
  if (put->record.data_kind == model::Record::DataKind::parts) {
    for (const auto& part : put->parts) ids.push_back(part.data_id);
  } else {
    ids.push_back(put->record.data.data_id);
  }
  std::ranges::sort(ids);
  return ids;
}

// 6.3: all N members, none rebuilding, in this term, cut off as in 5.1, report a settled head, no
// rows and no pendings. Or nothing: a head may be left that others have forgotten, when a drive
// lost in a crash that it was to forget it.
bool all_empty(const Survey& survey, const PartitionView& view) {
  return survey.seen.size() == view.n && std::ranges::all_of(survey.seen, [](const auto& seen) {
           return !seen.rebuilding && seen.state.rows.empty() && seen.state.pendings.empty();
         });
}

}  // namespace

io::Task<Result<Committed>> Leader::commit(Commit commit) {
  for (const Guard& guard : commit.guards) {
    if (guard.unit.lock_key() != commit.unit.lock_key()) {
      co_return Error{Code::invalid_argument, "a guard is of another key"};
    }
  }
  Partition& partition = core_.partition_of(commit.unit);
  const Partition::Pass pass = co_await partition.enter();
  if (core_.stopping.load()) co_return Error{Code::unavailable, "the store is shutting down"};
  if (core_.deposed.load()) co_return deposed_error();
  const Partition::Lock lock = co_await partition.lock(std::string(commit.unit.lock_key()));
  const View view = core_.members.view_of(commit.unit);
  co_return co_await commit_locked(view, std::move(commit));
}

io::Task<Result<Committed>> Leader::commit_locked(View view, Commit commit) {
  Partition& partition = core_.partition(view->id);
  SettledPtr settled = partition.known(commit.unit);
  if (settled == nullptr && is_blind(commit)) {
    // 3.2: whole and unconditional: it need not know what it replaces, and goes with an empty base.
    const Stamp stamp = partition.next_stamp();
    CAIRN_CO_ASSIGN(Effect effect,
                    store::decide(Current{}, commit, stamp, core_.parts.clock.unix_ms()));
    co_return co_await write(view, nullptr, std::move(commit), std::move(effect), stamp);
  }
  if (settled == nullptr) {
    CAIRN_CO_ASSIGN(settled, co_await current(view, commit.unit));
  }
  const bool updates = std::holds_alternative<UpdateVersion>(commit.intent);
  CAIRN_CO_ASSIGN(auto loaded, co_await loader_.current(view, commit.unit, settled,
                                                        addressed_version(commit), updates));
  // 3.6: whoever repeats a commit repeats its value id, and gets the first outcome.
  CAIRN_CO_ASSIGN(const auto done, already_done(loaded->current, commit));
  if (done) {
    CAIRN_CO_TRY(co_await confirm_term(core_, view));
    co_return *done;
  }
  Result<void> guarded = co_await check_guards(view, commit);
  if (!guarded) {
    CAIRN_CO_TRY(co_await confirm_term(core_, view));
    co_return std::move(guarded.error());
  }
  const Stamp stamp = partition.next_stamp();
  Result<Effect> effect =
      store::decide(loaded->current, commit, stamp, core_.parts.clock.unix_ms());
  if (!effect || !effect->wrote()) {
    // 3.3: an answer without a write goes out only after R members confirm that they promised no
    // newer term.
    CAIRN_CO_TRY(co_await confirm_term(core_, view));
    if (!effect) co_return std::move(effect.error());
    co_return effect->reply;
  }
  co_return co_await write(view, settled, std::move(commit), std::move(*effect), stamp);
}

// A unit that cannot be decided now is tried again soon.
io::Task<Result<SettledPtr>> Leader::current(View view, UnitKey unit) {
  Result<SettledPtr> settled = co_await resolver_.current(view, unit);
  if (!settled) chores_.doubt(std::move(unit));
  co_return settled;
}

io::Task<Result<void>> Leader::check_guards(View view, const Commit& commit) {
  for (const Guard& guard : commit.guards) {
    CAIRN_CO_ASSIGN(SettledPtr settled, co_await current(view, guard.unit));
    CAIRN_CO_ASSIGN(auto loaded,
                    co_await loader_.current(view, guard.unit, settled, std::nullopt, false));
    const drive::Row* latest = loaded->current.latest;
    if (latest == nullptr || latest->stamp != guard.stamp) {
      co_return Error{Code::conflict, "what the change rests on was changed meanwhile"};
    }
  }
  co_return Result<void>{};
}

// Fills in rows and base of the mutation; the base that a change is sent on, or null for a whole
// one.
io::Task<Result<SettledPtr>> Leader::shape(View view, SettledPtr settled, const Effect& effect,
                                           Mutation& mutation) {
  SettledPtr change_of;
  mutation.puts = effect.puts;
  mutation.whole = true;
  if (settled != nullptr) mutation.base = settled->head;
  const bool alone = settled == nullptr || settled->row_count == 0 || effect.all;
  if (!alone && effect.rows_after <= kWholeRows) {
    // One that leaves at most one version is always whole (protocol.md 1).
    CAIRN_CO_ASSIGN(auto rows, co_await loader_.all_rows(view, mutation.unit, settled));
    mutation.puts = apply(std::move(rows), effect.puts, effect.removes);
    CAIRN_ASSERT(mutation.puts.size() == effect.rows_after);
  } else if (!alone) {
    mutation.whole = false;
    mutation.removes = effect.removes;
    change_of = settled;
  }
  CAIRN_ASSERT(mutation.whole || mutation.base);
  co_return change_of;
}

io::Task<Result<Committed>> Leader::write(View view, SettledPtr settled, Commit commit,
                                          Effect effect, Stamp stamp) {
  Partition& partition = core_.partition(view->id);
  auto mutation = std::make_shared<Mutation>();
  mutation->unit = commit.unit;
  mutation->stamp = stamp;
  mutation->value = commit.value;
  mutation->brings_data = effect.brings_data;
  auto out = std::make_shared<Outgoing>();
  CAIRN_CO_ASSIGN(out->base, co_await shape(view, settled, effect, *mutation));
  out->brings = brought_by(commit);
  CAIRN_ASSERT(effect.brings_data == !out->brings.empty());
  if (auto* put = std::get_if<PutVersion>(&commit.intent))
    out->inline_shards = std::move(put->inline_shards);
  out->mutation = std::move(mutation);

  // Nothing was sent: for once the outcome of a failed write is known.
  if (!may_reach_quorum(*view))
    co_return Error{Code::unavailable, "too few drives for a write quorum"};
  const Outcome outcome = co_await sender_.send(view, out);
  if (!outcome.settled) co_return failed(view, commit.unit, outcome);

  // 3.5: settled, `cur`, the reply; then settle, on its own.
  CAIRN_ASSERT(outcome.holders() >= view->w && view->w >= view->k);
  SettledPtr now;
  if (outcome.leaves == Leaves::nothing) {
    now = make_settled(std::nullopt, {});
  } else if (out->mutation->whole) {
    now = make_settled(stamp, out->mutation->puts);
  } else if (settled->complete) {
    now = make_settled(stamp, apply(settled->rows, effect.puts, effect.removes));
  } else {
    auto many = std::make_shared<Settled>();
    many->head = stamp;
    many->row_count = effect.rows_after;
    many->complete = false;
    now = std::move(many);
  }
  CAIRN_ASSERT(now->row_count == effect.rows_after);
  partition.set_known(commit.unit, now);
  core_.metrics.commits.add();
  chores_.settled(view, commit.unit, stamp, outcome.held & ~outcome.lacking, outcome.leaves);
  co_await remove_guarded(view, std::move(commit.guards));
  co_return effect.reply;
}

Result<Committed> Leader::failed(const View& view, const UnitKey& unit, const Outcome& outcome) {
  // 3.6: `cur` is unknown; resolve soon. The write may surface later or never.
  core_.metrics.quorum_failures.add();
  core_.partition(view->id).forget_known(unit);
  chores_.doubt(unit);
  if (outcome.deposed) return Error{Code::unavailable, "another process leads this partition now"};
  if (outcome.no_space) return Error{Code::no_space, "too many drives are full"};
  return Error{Code::unavailable, "fewer drives than the write quorum took the change in time"};
}

// 9.3: what the completed upload was made of goes in the same lock, each for itself; a sweep finds
// what stays.
io::Task<void> Leader::remove_guarded(View view, std::vector<Guard> guards) {
  for (Guard& guard : guards) {
    if (!guard.remove) continue;
    Commit removal;
    removal.unit = std::move(guard.unit);
    removal.value = core_.parts.random.id<model::ValueId>();
    removal.intent = RemoveUnit{};
    const auto removed = co_await commit_locked(view, std::move(removal));
    if (!removed) {
      log::debug("a guarded unit was not removed and is left to the sweep",
                 {{"reason", removed.error().message}});
    }
  }
}

io::Task<Result<Leader::Decided>> Leader::decided(UnitKey unit) {
  Partition& partition = core_.partition_of(unit);
  Partition::Pass pass = co_await partition.enter();
  if (core_.stopping.load()) co_return Error{Code::unavailable, "the store is shutting down"};
  if (core_.deposed.load()) co_return deposed_error();
  Partition::Lock lock = co_await partition.lock(std::string(unit.lock_key()));
  const View view = core_.members.view_of(unit);
  CAIRN_CO_ASSIGN(SettledPtr settled, co_await current(view, std::move(unit)));
  CAIRN_CO_TRY(co_await confirm_term(core_, view));
  co_return Decided{std::move(pass), std::move(lock), view, std::move(settled)};
}

io::Task<Result<void>> Leader::decide(UnitKey unit) {
  Partition& partition = core_.partition_of(unit);
  const Partition::Pass pass = co_await partition.enter();
  if (core_.stopping.load() || core_.deposed.load()) co_return Result<void>{};
  const Partition::Lock lock = co_await partition.lock(std::string(unit.lock_key()));
  const View view = core_.members.view_of(unit);
  CAIRN_CO_TRY(co_await resolver_.decide_anew(view, unit));
  co_return Result<void>{};
}

io::Task<Result<void>> Leader::forget(UnitKey unit) {
  Partition& partition = core_.partition_of(unit);
  const Partition::Pass pass = co_await partition.enter();
  if (core_.stopping.load() || core_.deposed.load()) co_return Result<void>{};
  const Partition::Lock lock = co_await partition.lock(std::string(unit.lock_key()));
  const View view = core_.members.view_of(unit);
  CAIRN_CO_ASSIGN(const SettledPtr settled, co_await resolver_.current(view, unit));
  if (settled->row_count != 0) co_return Result<void>{};  // written again
  for (const Member& member : view->members) {
    // Not soon: found again when it is back (Chores).
    if (member.rebuilding || member.device->health() != Health::healthy) co_return Result<void>{};
  }
  CAIRN_CO_ASSIGN(const Survey survey, co_await resolver_.survey(view, unit, false, true));
  if (!all_empty(survey, *view))
    co_return Error{Code::unavailable, "not all members report an empty key"};
  Fanout<Result<drive::Refusal>> fanout(core_.deadlines);
  bool all = true;
  for (const auto& seen : survey.seen) {
    if (!seen.state.settled_head) continue;
    all &= core_.ask<drive::Refusal>(fanout, view->member(seen.slot), [&](drive::Drive& d) {
      return d.forget(view->fence(seen.slot), unit, *seen.state.settled_head);
    });
  }
  all &= co_await fanout.wait(fanout.started(), core_.deadline());
  Core::note_silence(*view, fanout.silent());
  for (const auto& [slot, refusal] : fanout.answers()) {
    if (!refusal) view->member(slot).link->mark_lost(view->fence(slot).connection);
    all = all && refusal && *refusal == drive::Refusal::none;
  }
  // With some heads left the unit is empty all the same; what is left is found again later.
  if (all)
    partition.set_known(unit, make_settled(std::nullopt, {}));
  else
    partition.forget_known(unit);
  co_return Result<void>{};
}

}  // namespace cairn::store
