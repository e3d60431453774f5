#include "store/core.h"

#include <algorithm>

namespace cairn::store {

Metrics::Metrics(metrics::Registry& r)
    : commits(r.counter("cairn_store_commits_total", "Mutations acknowledged.")),
      quorum_failures(r.counter("cairn_store_quorum_failures_total",
                                "Mutations that fewer drives than the write quorum held in time.")),
      short_commits(r.counter("cairn_store_short_commits_total",
                              "Mutations acknowledged while some drive lacked them.")),
      resolves(r.counter("cairn_store_resolves_total",
                         "Units whose state was decided from all drives.")),
      restamps(r.counter("cairn_store_restamps_total", "Values completed under a new stamp.")),
      undecided(r.counter("cairn_store_undecided_total",
                          "Units that could not be decided with the drives at hand.")),
      quorum_reads(
          r.counter("cairn_store_quorum_reads_total", "Reads answered by a quorum of drives.")),
      leader_reads(
          r.counter("cairn_store_leader_reads_total", "Reads that the leader had to decide.")),
      repairs(r.counter("cairn_store_repairs_total", "Units brought up on some drive.")),
      repair_queue(
          r.gauge("cairn_store_repair_queue", "Entries of the repair queues of all drives.")) {}

Core::Core(Parts p, Options o, std::size_t partition_count)
    : parts(p), options(o), metrics(p.metrics) {
  do {
    leader = parts.random.next_u64();
  } while (leader == 0);
  const std::size_t each = std::max<std::size_t>(options.cache_units / partition_count, 16);
  for (std::size_t i = 0; i < partition_count; ++i)
    partitions.push_back(std::make_unique<Partition>(each));
}

void Core::want_lead() {
  if (!lead_wanted.exchange(true)) lead_wake.push(true);
}

void Core::outrun(const PartitionView& view) {
  // What was sent before the last term began is refused for good reason.
  const View now = members.view(view.id);
  if (now && now->term == view.term && now->epoch == view.epoch) want_lead();
}

Error deposed_error() {
  return Error{Code::stale_term, "another process leads this partition now"};
}

void Core::detach(io::Task<void> task) {
  struct Run {
    static io::Task<void> go(Core* core, io::Task<void> work) {
      co_await std::move(work);
      core->chores.fetch_sub(1);
    }
  };
  chores.fetch_add(1);
  io::spawn(io::Executor::current(), Run::go(this, std::move(task)));
}

std::vector<unsigned> preferred_slots(const PartitionView& view) {
  struct Rank {
    unsigned cost;
    unsigned slot;
    auto operator<=>(const Rank&) const = default;
  };
  std::vector<Rank> ranks;
  ranks.reserve(view.members.size());
  for (const Member& m : view.members) {
    const Health health = m.device->health();
    if (health == Health::failed) continue;
    const unsigned cost = (m.rebuilding ? 4u : 0u) + (health == Health::suspect ? 2u : 0u) +
                          (m.device->backlog() > 0 ? 1u : 0u);
    ranks.push_back({cost, m.slot});
  }
  std::ranges::sort(ranks);
  std::vector<unsigned> slots;
  slots.reserve(ranks.size());
  for (const Rank& rank : ranks) slots.push_back(rank.slot);
  return slots;
}

bool may_reach_quorum(const PartitionView& view) {
  const auto usable =
      std::ranges::count_if(view.members, [](const Member& m) { return m.device->usable(); });
  return static_cast<unsigned>(usable) >= view.w;
}

namespace {

// They confirm it, and are not waited for.
bool term_stands(const Core& core, const PartitionView& view) {
  unsigned confirmed = 0;
  for (const Member& member : view.members) {
    if (member.rebuilding || !member.device->usable()) continue;
    const auto promised = member.device->drive()->held_promise(view.id);
    if (!promised || promised->rebuilding) continue;
    confirmed += promised->term == view.term && promised->leader == core.leader;
    if (confirmed >= view.r) return true;
  }
  return false;
}

}  // namespace

io::Task<Result<void>> confirm_term(Core& core, View view) {
  if (term_stands(core, *view)) co_return Result<void>{};
  Fanout<Result<drive::PartitionState>> fanout(core.deadlines);
  const auto slots = preferred_slots(*view);
  const io::Instant deadline = core.deadline();
  std::size_t next = 0, looked = 0, hedges = 0;
  unsigned confirmed = 0;
  for (;;) {
    // Enough to make up for answers that do not count and for drives that take long.
    while (next < slots.size() && fanout.started() < view->r + (looked - confirmed) + hedges) {
      const Member& member = view->member(slots[next++]);
      if (member.rebuilding) continue;
      core.ask<drive::PartitionState>(fanout, member,
                                      [&](drive::Drive& d) { return d.partition_state(view->id); });
    }
    const bool more = next < slots.size();
    const auto now = io::Executor::current().now();
    const bool arrived =
        co_await fanout.wait(looked + 1, more ? std::min(deadline, now + Core::kHedge) : deadline);
    for (; looked < fanout.arrived(); ++looked) {
      const auto& answer = fanout.answers()[looked].value;
      if (!answer || answer->rebuilding) continue;
      if (answer->promised > view->term) {
        core.outrun(*view);
        co_return deposed_error();
      }
      if (answer->promised == view->term && answer->leader == core.leader) ++confirmed;
    }
    if (confirmed >= view->r) co_return Result<void>{};
    const bool exhausted = !more && looked == fanout.started();
    if (exhausted || (!arrived && !more)) {
      Core::note_silence(*view, fanout.silent());
      co_return Error{Code::unavailable, "too few drives confirm the leader's term"};
    }
    if (!arrived) ++hedges;
  }
}

}  // namespace cairn::store
