#include "store/resolve.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"

namespace cairn::store {

using drive::Mutation;
using drive::ReadReply;
using drive::Refusal;
using drive::UnitState;
using model::UnitKey;
using SettledPtr = std::shared_ptr<const Settled>;

namespace {

constexpr std::uint64_t kRowsLoaded = 64;

std::vector<Witness> witnesses_of(const Survey& survey) {
  std::vector<Witness> out;
  for (const auto& seen : survey.seen) out.push_back({seen.slot, seen.rebuilding, &seen.state});
  return out;
}

bool has_leftovers(const Survey& survey, model::Stamp current) {
  for (const auto& seen : survey.seen) {
    for (const auto& pending : seen.state.pendings) {
      if (pending.mutation.stamp > current) return true;
    }
  }
  return false;
}

Error undecided() {
  return Error{Code::undecided,
               "the key is in doubt and cannot be decided with the drives at hand"};
}

}  // namespace

const UnitState* Survey::of(unsigned slot) const {
  for (const auto& one : seen) {
    if (one.slot == slot) return &one.state;
  }
  return nullptr;
}

io::Task<Result<SettledPtr>> Resolver::current(View view, UnitKey unit) {
  Partition& partition = core_.partition(view->id);
  if (auto known = partition.known(unit)) co_return known;
  CAIRN_CO_ASSIGN(SettledPtr quick, co_await agreed(view, unit));
  if (quick != nullptr) {
    partition.set_known(unit, quick);
    co_return quick;
  }
  co_return co_await decide_anew(view, unit);
}

io::Task<bool> Resolver::clean_link(View view, unsigned slot, UnitKey unit) {
  const Member& member = view->member(slot);
  // In this order: what is lost is marked before it counts as answered.
  const bool clean =
      !core_.partition(view->id).under_way(unit, slot, view->fence(slot)) && member.link->clean();
  if (clean) co_return true;
  co_return co_await sender_.reconnect(view, slot);
}

io::Task<Result<ReadReply>> Resolver::ask_for_head(View view, unsigned slot, UnitKey unit) {
  const Member& member = view->member(slot);
  if (!member.device->begin_call())
    co_return Error{Code::drive_failed, "the drive is out of service"};
  drive::ReadRequest request;
  request.drive = member.id;
  request.partition = view->id;
  request.map_epoch = view->epoch;
  request.unit = std::move(unit);
  request.select = drive::Select::latest;
  co_return co_await core_.call<ReadReply>(member.device, core_.options.call_deadline,
                                           member.device->drive()->read(std::move(request)));
}

// The usual case needs no inspection: with A = R members that promised this term, are not
// rebuilding, have nothing of the leader under way and agree on a head that one of them knows
// settled (or know nothing), the only candidate is known settled (5.3a). The others count as if
// they could not be reached, which 5.1 allows. Null: they do not agree.
io::Task<Result<SettledPtr>> Resolver::agreed(View view, UnitKey unit) {
  Fanout<Result<ReadReply>> fanout(core_.deadlines);
  for (const unsigned slot : preferred_slots(*view)) {
    const Member& member = view->member(slot);
    if (fanout.started() == view->r) break;
    if (member.rebuilding) continue;
    if (core_.partition(view->id).under_way(unit, slot, view->fence(slot))) continue;
    if (!member.link->clean()) continue;
    fanout.start(slot, ask_for_head(view, slot, unit));
  }
  if (fanout.started() < view->r) co_return SettledPtr{};
  const io::Instant soon = io::Executor::current().now() + core_.options.straggler_deadline;
  if (!co_await fanout.wait(view->r, soon)) co_return SettledPtr{};
  bool known_settled = false;
  const ReadReply* first = nullptr;
  for (const auto& answer : fanout.answers()) {
    const auto& reply = answer.value;
    if (!reply || reply->refusal != Refusal::none || reply->rebuilding || !reply->exact)
      co_return SettledPtr{};
    if (reply->promised > view->term) {
      core_.outrun(*view);
      co_return deposed_error();
    }
    if (reply->promised != view->term) co_return SettledPtr{};
    if (first == nullptr) first = &*reply;
    if (reply->head != first->head) co_return SettledPtr{};
    known_settled |= reply->settled;
  }
  if (!first->head) co_return make_settled(std::nullopt, {});
  if (!known_settled) co_return SettledPtr{};
  if (first->row_count <= 1) co_return make_settled(first->head, first->rows);
  auto many = std::make_shared<Settled>();
  many->head = first->head;
  many->row_count = first->row_count;
  many->complete = false;
  if (many->row_count > kRowsLoaded) co_return SettledPtr(std::move(many));
  CAIRN_CO_ASSIGN(auto rows, co_await loader_.all_rows(view, unit, many));
  co_return make_settled(many->head, std::move(rows));
}

io::Task<Resolver::Inspected> Resolver::inspect(View view, unsigned slot, UnitKey unit,
                                                bool want_parts) {
  const Member& member = view->member(slot);
  for (bool retried = false;; retried = true) {
    // 5.1: only an answer after everything sent earlier was answered, or cut off, counts.
    if (!co_await clean_link(view, slot, unit))
      co_return Error{Code::unavailable, "the drive does not answer"};
    if (!member.device->begin_call())
      co_return Error{Code::drive_failed, "the drive is out of service"};
    using Pair = std::pair<Refusal, UnitState>;
    const drive::Fence fence = view->fence(slot);
    auto reply =
        co_await core_.call<Pair>(member.device, core_.options.call_deadline,
                                  member.device->drive()->inspect(fence, unit, want_parts));
    if (!reply) co_return std::move(reply.error());
    if (reply->first == Refusal::none) co_return std::move(reply->second);
    if (reply->first == Refusal::stale_term) {
      core_.outrun(*view);
      co_return deposed_error();
    }
    const bool again = reply->first == Refusal::cut_off || reply->first == Refusal::stale_map;
    if (!again || retried) co_return Error{Code::unavailable, "the drive refused"};
    // The drive knows a newer connection: one whose promise was answered too late for us. Without a
    // new one it would refuse everything from now on. So where it knows an older map; one with a
    // newer map says so when it is asked for the promise.
    member.link->mark_lost(fence.connection);
  }
}

io::Task<Result<Survey>> Resolver::survey(View view, UnitKey unit, bool want_parts, bool thorough) {
  Fanout<Inspected> fanout(core_.deadlines);
  for (const Member& member : view->members) {
    if (member.device->usable())
      fanout.start(member.slot, inspect(view, member.slot, unit, want_parts));
  }
  io::Instant deadline = core_.deadline();
  std::size_t looked = 0;
  unsigned voting = 0;
  bool enough = false;
  while (looked < fanout.started()) {
    const bool arrived = co_await fanout.wait(looked + 1, deadline);
    for (; looked < fanout.arrived(); ++looked) {
      const auto& [slot, state] = fanout.answers()[looked];
      if (!state && state.code() == Code::stale_term) co_return Error{state.error()};
      voting += state.has_value() && !view->member(slot).rebuilding;
    }
    if (!arrived) break;
    if (enough || thorough || voting < view->r) continue;
    enough = true;
    deadline = std::min(deadline, io::Executor::current().now() + core_.options.straggler_deadline);
  }
  Core::note_silence(*view, fanout.silent());
  // 5.1: R of A must not be rebuilding, else 503.
  if (voting < view->r)
    co_return Error{Code::unavailable, "too few drives answer to decide what the key holds"};
  Survey survey;
  survey.all_asked = fanout.silent() == 0;
  for (auto& [slot, state] : fanout.answers()) {
    if (state) survey.seen.push_back({slot, view->member(slot).rebuilding, std::move(*state)});
  }
  std::ranges::sort(survey.seen, {}, &Survey::Seen::slot);
  co_return survey;
}

io::Task<Result<SettledPtr>> Resolver::decide_anew(View view, UnitKey unit) {
  core_.metrics.resolves.add();
  Partition& partition = core_.partition(view->id);
  partition.forget_known(unit);
  const Quorums quorums{view->n, view->k, view->w, view->r};
  bool thorough = false, made = false, overtaken = false;
  for (;;) {
    CAIRN_CO_ASSIGN(Survey survey, co_await this->survey(view, unit, false, thorough));
    const auto witnesses = witnesses_of(survey);
    const Verdict verdict = judge(quorums, witnesses);
    switch (verdict.kind) {
      case Verdict::Kind::empty: {
        SettledPtr none = make_settled(std::nullopt, {});
        partition.set_known(unit, none);
        co_return none;
      }
      case Verdict::Kind::settled:
      case Verdict::Kind::quorum: {
        auto rows = rows_as_of(*witnesses[verdict.source].state, verdict.stamp);
        CAIRN_ASSERT(rows.has_value());
        SettledPtr settled = make_settled(verdict.stamp, std::move(*rows));
        partition.set_known(unit, settled);
        tell(view, unit, survey, *settled);
        if (has_leftovers(survey, verdict.stamp) && may_reach_quorum(*view)) {
          const unsigned slot = witnesses[verdict.source].slot;
          co_return co_await end_leftovers(view, unit, slot, std::move(settled));
        }
        co_return settled;
      }
      case Verdict::Kind::restamp: {
        auto completed =
            co_await complete(view, unit, witnesses[verdict.source].slot, verdict.stamp);
        // It was settled, or forgotten, between the survey and now.
        if (!completed && completed.code() == Code::undecided && !std::exchange(overtaken, true))
          continue;
        co_return completed;
      }
      case Verdict::Kind::incomplete:
        if (!made) {
          made = true;
          if (co_await make_shards(view, unit, survey, verdict.value)) continue;
        }
        [[fallthrough]];
      case Verdict::Kind::undecided:
        if (!thorough && !survey.all_asked) {
          thorough = true;
          continue;
        }
        core_.metrics.undecided.add();
        co_return undecided();
    }
  }
}

// After 5.3a and b: whoever holds exactly that stamp may be told, and who lacks something goes into
// the repair queue.
void Resolver::tell(View view, const UnitKey& unit, const Survey& survey, const Settled& settled) {
  std::uint32_t whole_on = 0;
  bool all_know = true;
  for (const auto& seen : survey.seen) {
    const UnitState& state = seen.state;
    const bool knows = state.settled_head == settled.head && state.missing.empty();
    bool holds = knows;
    for (const auto& pending : state.pendings) {
      holds |= pending.mutation.stamp == settled.stamp() && pending.missing.empty();
    }
    all_know &= knows && state.pendings.empty();
    if (holds) whole_on |= 1u << seen.slot;
  }
  if (all_know && survey.seen.size() == view->n) return;
  const auto leaves = settled.row_count == 0 ? Leaves::head : Leaves::versions;
  chores_.settled(view, unit, settled.stamp(), whole_on, leaves);
}

// Values that were passed over make every reader ask the leader, and where all drives hold one, no
// drive reports the current state: sent again under a new stamp, that ends them (5.5). Failing
// that, the state is known all the same.
io::Task<Result<SettledPtr>> Resolver::end_leftovers(View view, UnitKey unit, unsigned slot,
                                                     SettledPtr settled) {
  const Result<UnitState> state = co_await inspect(view, slot, unit, true);
  if (!state) co_return settled;
  auto rows = rows_as_of(*state, settled->stamp());
  if (!rows) co_return settled;
  Mutation again;
  again.unit = unit;
  again.base = settled->head;
  again.value = core_.parts.random.id<model::ValueId>();
  again.puts = std::move(*rows);
  Result<SettledPtr> ended = co_await restamp(view, std::move(again));
  if (ended) co_return ended;
  // The new stamp may be on some of them: what is current must be found out again.
  co_return Error{ended.error()};
}

io::Task<Result<SettledPtr>> Resolver::complete(View view, UnitKey unit, unsigned slot,
                                                model::Stamp stamp) {
  CAIRN_CO_ASSIGN(UnitState state, co_await inspect(view, slot, unit, true));
  auto rows = rows_as_of(state, stamp);
  const auto found = std::ranges::find_if(state.pendings,
                                          [&](const auto& p) { return p.mutation.stamp == stamp; });
  if (!rows || found == state.pendings.end()) co_return undecided();
  Mutation value;
  value.unit = std::move(unit);
  value.base = found->mutation.base;
  value.value = found->mutation.value;
  value.brings_data = found->mutation.brings_data;
  value.puts = std::move(*rows);
  co_return co_await restamp(view, std::move(value));
}

io::Task<Result<SettledPtr>> Resolver::restamp(View view, Mutation value) {
  // Not even tried when it cannot succeed: every try leaves one more pending on the drives that
  // take it.
  if (!may_reach_quorum(*view))
    co_return Error{Code::unavailable, "too few drives for a write quorum"};
  core_.metrics.restamps.add();
  Partition& partition = core_.partition(view->id);
  auto out = std::make_shared<Outgoing>();
  // 5.4: always under a new stamp; the value id and the versions' own stamps stay.
  value.stamp = partition.next_stamp();
  value.whole = true;
  if (value.brings_data) {
    for (const drive::Row& row : value.puts) {
      CAIRN_CO_ASSIGN(const auto record, model::decode_record(row.record));
      if (record.value != value.value) continue;
      CAIRN_CO_ASSIGN(const auto named, data_of(row));
      for (const auto& one : named) out->brings.push_back(one.part.data_id);
    }
    std::ranges::sort(out->brings);
  }
  const UnitKey unit = value.unit;
  const model::Stamp stamp = value.stamp;
  auto rows = value.puts;
  partition.forget_known(unit);
  out->mutation = std::make_shared<const Mutation>(std::move(value));
  const Outcome outcome = co_await sender_.send(view, out);
  if (!outcome.settled) {
    // 5.3c: `cur` once W hold it, else 503.
    if (outcome.deposed) co_return deposed_error();
    co_return Error{Code::unavailable, "too few drives took the value that was to be completed"};
  }
  SettledPtr settled = outcome.leaves == Leaves::nothing ? make_settled(std::nullopt, {})
                                                         : make_settled(stamp, std::move(rows));
  partition.set_known(unit, settled);
  chores_.settled(view, unit, stamp, outcome.held & ~outcome.lacking, outcome.leaves);
  co_return settled;
}

// Members that hold the rows of `value` without their shards: makes the shards from what all drives
// have, so that the value can be completed (9.2). True: something was made.
io::Task<bool> Resolver::make_shards(View view, UnitKey unit, const Survey& survey,
                                     model::ValueId value) {
  bool made = false;
  for (const auto& seen : survey.seen) {
    const auto state = co_await inspect(view, seen.slot, unit, true);
    if (!state) continue;
    for (const auto& pending : state->pendings) {
      if (pending.mutation.value != value || pending.missing.empty()) continue;
      bool all = true;
      std::vector<drive::InlineShard> shards;
      for (const auto& missing : pending.missing) {
        const auto named = find_data(pending.mutation.puts, missing.data_id);
        if (!named) continue;
        if (named->is_inline) {
          auto bytes = co_await core_.shards->rebuild_inline(unit, named->part, seen.slot);
          all &= bytes.has_value();
          if (bytes) shards.push_back({missing.data_id, {std::move(*bytes)}});
        } else {
          const auto rebuilt = co_await core_.shards->rebuild_blob(unit, named->part, seen.slot);
          all &= rebuilt.has_value();
        }
      }
      if (!all) continue;
      auto again = std::make_shared<const Mutation>(pending.mutation);
      made |= co_await sender_.repeat(view, seen.slot, std::move(again), std::move(shards));
    }
  }
  co_return made;
}

}  // namespace cairn::store
