#include "store/reader.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "store/data_reader.h"

namespace cairn::store {

using drive::ReadReply;
using drive::Row;
using model::Record;
using model::UnitKey;
using Shards = std::vector<std::pair<unsigned, io::Slice>>;

namespace {

Error absent() {
  return Error{Code::not_found, "there is no such version"};
}

// What the answers so far amount to (4.1).
struct Agreement {
  const ReadReply* reply = nullptr;  // of the agreeing group; null: none yet
  unsigned largest = 0;              // members of the largest group that count for R
};

bool counts(const Result<ReadReply>& reply) {
  return reply && reply->refusal == drive::Refusal::none && reply->exact && !reply->rebuilding;
}

using Answers = std::vector<Fanout<Result<ReadReply>>::Answer>;

Agreement agreement(const PartitionView& view, const Answers& answers) {
  Agreement out;
  for (const auto& [slot, reply] : answers) {
    if (!counts(reply) || view.member(slot).rebuilding) continue;
    unsigned same = 0;
    bool known_settled = !reply->head.has_value();  // R that know nothing of the unit: absent
    for (const auto& [other_slot, other] : answers) {
      if (!other || other->refusal != drive::Refusal::none || other->head != reply->head) continue;
      known_settled |= other->settled;  // a fact, whoever knows it
      same += counts(other) && !view.member(other_slot).rebuilding;
    }
    out.largest = std::max(out.largest, same);
    if (same >= view.r && known_settled) {
      out.reply = &*reply;
      return out;
    }
  }
  return out;
}

// Verified inline shards among the answers that report the same head; slots of those that are
// damaged go to `damaged`.
Shards shards_of(Answers& answers, const ReadReply& agreed, std::vector<unsigned>& damaged) {
  Shards out;
  for (auto& [slot, reply] : answers) {
    if (!reply || !reply->exact || reply->head != agreed.head) continue;
    const auto& shard = reply->inline_shard;
    if (!shard) continue;
    if (*shard) {
      out.emplace_back(slot, **shard);
    } else {
      damaged.push_back(slot);
    }
  }
  return out;
}

std::size_t shards_at_hand(const Answers& answers, const ReadReply& agreed) {
  return static_cast<std::size_t>(std::ranges::count_if(answers, [&](const auto& answer) {
    const auto& reply = answer.value;
    return reply && reply->exact && reply->head == agreed.head && reply->inline_shard &&
           *reply->inline_shard;
  }));
}

bool shards_come_along(const Row& row, const Core& core) {
  const auto record = model::decode_record(row.record);
  return record && comes_along(*record, core.options.opened_shard_bytes);
}

}  // namespace

io::Task<Result<Found>> Reader::find(UnitKey unit, Selector selector) {
  // 4.3: overwritten meanwhile: start again; the third time through the leader.
  for (unsigned attempt = 0; attempt < 3; ++attempt) {
    CAIRN_CO_ASSIGN(std::optional<Found> found, co_await one_way(attempt, unit, selector));
    if (found) co_return std::move(*found);
  }
  chores_.damaged(unit);
  // A settled value with fewer than k shards left is an error, never a reason to serve the older
  // one.
  const View view = core_.members.view_of(unit);
  const bool all_asked = preferred_slots(*view).size() == view->n;
  co_return Error{all_asked ? Code::corrupt : Code::unavailable,
                  "fewer shards of the data are at hand than it takes to read it"};
}

io::Task<Reader::Attempt> Reader::one_way(unsigned attempt, const UnitKey& unit,
                                          const Selector& selector) {
  if (attempt < 2) {
    const View view = core_.members.view_of(unit);
    CAIRN_CO_ASSIGN(std::optional<Found> known, co_await from_memory(view, unit, selector));
    if (known) co_return known;
    CAIRN_CO_ASSIGN(std::optional<Found> agreed, co_await from_quorum(view, unit, selector));
    if (agreed) co_return agreed;
  }
  co_return co_await from_leader(unit, selector);
}

// What the leader remembers is the current state, as long as it leads (3.3).
io::Task<Reader::Attempt> Reader::from_memory(View view, const UnitKey& unit,
                                              const Selector& selector) {
  const auto settled = core_.partition(view->id).known(unit);
  if (settled == nullptr || !settled->complete) co_return Attempt{std::nullopt};
  const Row* row = nullptr;
  Record record;
  for (const Row& one : settled->rows) {
    CAIRN_CO_ASSIGN(record, model::decode_record(one.record));
    if (!selector.latest && record.version != selector.version) continue;
    row = &one;
    break;
  }
  if (row != nullptr && selector.want_parts && lacks_parts(*row, record))
    co_return Attempt{std::nullopt};
  const auto confirmed = co_await confirm_term(core_, view);
  if (!confirmed) co_return Attempt{std::nullopt};
  if (row == nullptr) co_return absent();
  co_return co_await finish(view, unit, selector, *row, std::move(record),
                            row == settled->rows.data(), {});
}

io::Task<Reader::Attempt> Reader::from_quorum(View view, const UnitKey& unit,
                                              const Selector& selector) {
  Fanout<Result<ReadReply>> fanout(core_.deadlines);
  drive::ReadRequest request;
  request.partition = view->id;
  request.map_epoch = view->epoch;
  request.unit = unit;
  request.select = selector.latest ? drive::Select::latest : drive::Select::version;
  request.version = selector.version;
  request.want_parts = selector.want_parts;
  request.want_inline = selector.want_inline;
  const auto slots = preferred_slots(*view);
  const io::Instant deadline = core_.deadline();
  const std::size_t target = selector.want_inline ? std::max(view->r, view->k) : view->r;
  std::size_t next = 0, hedges = 0, set_aside = 0;
  Agreement agreed;
  for (;;) {
    while (next < slots.size() && fanout.started() < target + set_aside + hedges) {
      const Member& member = view->member(slots[next++]);
      request.drive = member.id;
      core_.ask<ReadReply>(fanout, member, [&](drive::Drive& d) { return d.read(request); });
    }
    const bool more = next < slots.size();
    const auto now = io::Executor::current().now();
    // The first wait is for as many as can decide; then one by one.
    const std::size_t least = std::max<std::size_t>(fanout.arrived() + 1, view->r);
    const auto until =
        more || agreed.reply != nullptr ? std::min(deadline, now + Core::kHedge) : deadline;
    const bool arrived = co_await fanout.wait(least, until);
    agreed = agreement(*view, fanout.answers());
    const bool all_in = fanout.silent() == 0;
    if (agreed.reply != nullptr) {
      const bool wants_shards = selector.want_inline && !agreed.reply->rows.empty() &&
                                shards_come_along(agreed.reply->rows[0], core_) &&
                                shards_at_hand(fanout.answers(), *agreed.reply) < view->k;
      if (!wants_shards || all_in || !arrived) break;
      continue;
    }
    // Other heads are set aside, and further members asked; failing that, the leader decides.
    set_aside = fanout.arrived() - std::min<std::size_t>(fanout.arrived(), agreed.largest);
    if (!more && (all_in || !arrived)) {
      Core::note_silence(*view, fanout.silent());
      co_return Attempt{std::nullopt};
    }
    if (!arrived) ++hedges;
    // R say the same and none knows it settled: one more may know.
    else if (agreed.largest >= view->r && all_in)
      ++hedges;
  }
  core_.metrics.quorum_reads.add();
  if (agreed.reply->rows.empty()) co_return absent();
  // That drive is to be repaired; the leader asks others.
  const Row& row = agreed.reply->rows[0];
  CAIRN_CO_ASSIGN(Record record, model::decode_record(row.record));
  if (selector.want_parts && lacks_parts(row, record)) co_return Attempt{std::nullopt};
  std::vector<unsigned> damaged;
  Shards shards = shards_of(fanout.answers(), *agreed.reply, damaged);
  for (const unsigned slot : damaged) chores_.look_into(unit, record.data, true, slot);
  const bool is_latest = selector.latest || agreed.reply->latest_is_selected;
  co_return co_await finish(view, unit, selector, row, std::move(record), is_latest,
                            std::move(shards));
}

io::Task<Reader::Attempt> Reader::from_leader(const UnitKey& unit, const Selector& selector) {
  core_.metrics.leader_reads.add();
  CAIRN_CO_ASSIGN(Leader::Decided decided, co_await leader_.decided(unit));
  const auto version = selector.latest ? std::nullopt : std::optional(selector.version);
  auto loaded =
      co_await loader_.current(decided.view, unit, decided.settled, version, selector.want_parts);
  // Written again since it was decided, or no drive at hand has it.
  if (!loaded) co_return Error{loaded.error()};
  const Current& current = (*loaded)->current;
  const Row* row = selector.latest ? current.latest : current.addressed;
  if (row == nullptr) co_return absent();
  const bool is_latest = current.latest->order == row->order;
  CAIRN_CO_ASSIGN(Record record, model::decode_record(row->record));
  if (selector.latest && selector.want_parts && lacks_parts(*row, record)) {
    drive::ReadRequest request;
    request.unit = unit;
    request.select = drive::Select::latest;
    request.want_parts = true;
    CAIRN_CO_ASSIGN(
        ReadReply reply,
        co_await loader_.at_head(decided.view, decided.settled->stamp(), std::move(request)));
    if (reply.rows.empty())
      co_return Error{Code::corrupt, "a drive has no latest version at a head with versions"};
    CAIRN_CO_ASSIGN(record, model::decode_record(reply.rows[0].record));
    co_return co_await finish(decided.view, unit, selector, reply.rows[0], std::move(record), true,
                              {});
  }
  co_return co_await finish(decided.view, unit, selector, *row, std::move(record), is_latest, {});
}

// REQUIRES: `row` stays until the first time this waits.
io::Task<Reader::Attempt> Reader::finish(View view, const UnitKey& unit, const Selector& selector,
                                         const Row& row, Record record, bool is_latest,
                                         Shards shards) {
  Found found;
  found.record = std::move(record);
  found.order = row.order;
  found.stamp = row.stamp;
  found.is_latest = is_latest;
  if (selector.want_parts && found.record.data_kind == Record::DataKind::parts) {
    CAIRN_CO_ASSIGN(found.parts, model::decode_parts(row.parts));
  }
  if (selector.want_inline && comes_along(found.record, core_.options.opened_shard_bytes)) {
    found.inline_shards = std::move(shards);
    CAIRN_CO_ASSIGN(const bool enough, co_await gather(view, unit, found));
    if (!enough) co_return Attempt{std::nullopt};
  }
  co_return Attempt{std::move(found)};
}

// Fetches inline shards by value id until k are at hand. False: they are not there any more
// (overwritten, or damaged).
io::Task<Result<bool>> Reader::gather(View view, const UnitKey& unit, Found& found) {
  std::uint32_t have = 0;
  for (const auto& shard : found.inline_shards) have |= 1u << shard.first;
  Fanout<Result<io::Slice>> fanout(core_.deadlines);
  const auto slots = preferred_slots(*view);
  const io::Instant deadline = core_.deadline();
  const model::ValueId id = found.record.data.data_id;
  std::size_t next = 0, looked = 0, hedges = 0, bad = 0;
  bool unknown = false, gone = false;
  const std::size_t missing = view->k - std::min<std::size_t>(view->k, found.inline_shards.size());
  while (found.inline_shards.size() < view->k) {
    while (next < slots.size() && fanout.started() < missing + bad + hedges) {
      const Member& member = view->member(slots[next++]);
      if (have >> member.slot & 1u) continue;
      core_.ask<io::Slice>(fanout, member, [&](drive::Drive& d) { return d.read_inline(id); });
    }
    const bool more = next < slots.size();
    if (!more && looked == fanout.started()) break;
    const auto now = io::Executor::current().now();
    const bool arrived =
        co_await fanout.wait(looked + 1, more ? std::min(deadline, now + Core::kHedge) : deadline);
    for (; looked < fanout.arrived(); ++looked) {
      auto& [slot, bytes] = fanout.answers()[looked];
      if (bytes) {
        if (found.inline_shards.size() < view->k)
          found.inline_shards.emplace_back(slot, std::move(*bytes));
        continue;
      }
      ++bad;
      if (bytes.code() == Code::corrupt) chores_.look_into(unit, found.record.data, true, slot);
      gone |= bytes.code() == Code::not_found;
      unknown |= bytes.code() != Code::corrupt && bytes.code() != Code::not_found;
    }
    if (!arrived && !more) {
      Core::note_silence(*view, fanout.silent());
      unknown = true;
      break;
    }
    if (!arrived) ++hedges;
  }
  if (found.inline_shards.size() >= view->k) co_return true;
  if (unknown && !gone) co_return Error{Code::unavailable, "too few drives with the data answer"};
  co_return false;
}

}  // namespace cairn::store
