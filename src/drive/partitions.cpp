#include "drive/partitions.h"

namespace cairn::drive {

void PartitionTable::raise_epoch(model::MapEpoch epoch) {
  auto seen = newest_epoch_.load();
  while (seen < epoch.value && !newest_epoch_.compare_exchange_weak(seen, epoch.value)) {
  }
}

void PartitionTable::load(const StoredPartition& stored) {
  auto& s = stripe(stored.state.partition);
  std::lock_guard lock(s.mutex);
  s.slots[stored.state.partition.value] = Slot{stored, stored, 0};
  raise_epoch(stored.state.map_epoch);
}

PartitionState PartitionTable::state(model::PartitionId partition) const {
  const auto& s = stripe(partition);
  std::lock_guard lock(s.mutex);
  const auto it = s.slots.find(partition.value);
  if (it != s.slots.end()) return it->second.durable.state;
  PartitionState none;
  none.partition = partition;
  return none;
}

Drive::HeldPromise PartitionTable::held(model::PartitionId partition) const {
  const auto& s = stripe(partition);
  std::lock_guard lock(s.mutex);
  const auto it = s.slots.find(partition.value);
  if (it == s.slots.end()) return {};
  const PartitionState& state = it->second.durable.state;
  return {state.promised, state.leader, state.rebuilding};
}

bool PartitionTable::is_current(const Fence& fence) const {
  const auto& s = stripe(fence.partition);
  std::lock_guard lock(s.mutex);
  const auto it = s.slots.find(fence.partition.value);
  if (it == s.slots.end()) return false;
  const auto& slot = it->second;
  return slot.durable.state.promised == fence.term && slot.accepted.state.promised == fence.term &&
         slot.connection == fence.connection && slot.durable.state.map_epoch == fence.map_epoch &&
         slot.accepted.state.map_epoch == fence.map_epoch;
}

PartitionTable::Admission PartitionTable::admit(const Fence& fence, bool raise) {
  auto& s = stripe(fence.partition);
  std::lock_guard lock(s.mutex);
  const auto it = s.slots.find(fence.partition.value);
  Admission out;
  out.state.partition = fence.partition;
  // Not a member as far as this drive knows: the leader promises first, which says since when it
  // is.
  if (it == s.slots.end()) {
    out.refusal = Refusal::stale_map;
    return out;
  }
  auto& slot = it->second;
  auto& state = slot.accepted.state;
  if (fence.map_epoch != state.map_epoch) {
    out.refusal = Refusal::stale_map;
  } else if (fence.term < state.promised) {
    out.refusal = Refusal::stale_term;
  } else if (fence.term == state.promised && fence.connection < slot.connection) {
    out.refusal = Refusal::cut_off;
  } else if (fence.term == state.promised) {
    slot.connection = fence.connection;
  } else if (raise) {
    state.promised = fence.term;
    state.leader = 0;  // its promise, which names it, is still under way
    slot.connection = fence.connection;
    out.raised = true;
  }
  out.state = state;
  return out;
}

Refusal PartitionTable::check_promise(const PromiseRequest& request,
                                      const PromiseRequest::Entry& entry) const {
  const auto& s = stripe(entry.partition);
  std::lock_guard lock(s.mutex);
  const auto it = s.slots.find(entry.partition.value);
  if (it == s.slots.end()) return Refusal::none;
  const auto& state = it->second.accepted.state;
  if (request.map_epoch < state.map_epoch) return Refusal::stale_map;
  if (request.term < state.promised) return Refusal::stale_term;
  if (request.term > state.promised) return Refusal::none;
  // 7.1: the number was promised to another process.
  if (state.leader != 0 && state.leader != request.leader) return Refusal::stale_term;
  return request.connection < it->second.connection ? Refusal::cut_off : Refusal::none;
}

PartitionTable::Promised PartitionTable::promise(const PromiseRequest& request) {
  Promised out;
  // All or nothing; only the committer changes the table, so what was checked stays so.
  for (const auto& entry : request.entries) {
    out.refusal = check_promise(request, entry);
    if (out.refusal != Refusal::none) return out;
  }
  for (const auto& entry : request.entries) {
    auto& s = stripe(entry.partition);
    std::lock_guard lock(s.mutex);
    const auto [it, fresh] = s.slots.try_emplace(entry.partition.value);
    auto& slot = it->second;
    auto& state = slot.accepted.state;
    const auto before = state;
    const bool was_wiping = slot.accepted.wiping;
    state.partition = entry.partition;
    if (fresh) slot.durable.state.partition = entry.partition;
    if (fresh || state.since != entry.since) {
      state.rebuilding = !fresh || entry.since > kFirstMapEpoch;
      slot.accepted.wiping = !fresh;
      state.since = entry.since;
      if (!fresh) out.wipe.push_back(entry.partition);
    }
    state.promised = request.term;
    state.leader = request.leader;
    state.map_epoch = request.map_epoch;
    state.map_entry = entry.map_entry;
    slot.connection = request.connection;
    const bool same = !fresh && was_wiping == slot.accepted.wiping && state.since == before.since &&
                      state.promised == before.promised && state.leader == before.leader &&
                      state.map_epoch == before.map_epoch && state.map_entry == before.map_entry;
    if (!same) out.changed.push_back(entry.partition);
  }
  return out;
}

void PartitionTable::set_wiped(model::PartitionId partition) {
  auto& s = stripe(partition);
  std::lock_guard lock(s.mutex);
  s.slots[partition.value].accepted.wiping = false;
}

void PartitionTable::set_rebuilt(model::PartitionId partition) {
  auto& s = stripe(partition);
  std::lock_guard lock(s.mutex);
  s.slots[partition.value].accepted.state.rebuilding = false;
}

StoredPartition PartitionTable::accepted(model::PartitionId partition) const {
  const auto& s = stripe(partition);
  std::lock_guard lock(s.mutex);
  const auto it = s.slots.find(partition.value);
  if (it != s.slots.end()) return it->second.accepted;
  StoredPartition none;
  none.state.partition = partition;
  return none;
}

void PartitionTable::publish(model::PartitionId partition) {
  auto& s = stripe(partition);
  std::lock_guard lock(s.mutex);
  auto& slot = s.slots[partition.value];
  slot.durable = slot.accepted;
  raise_epoch(slot.durable.state.map_epoch);
}

std::vector<model::PartitionId> PartitionTable::wiping() const {
  std::vector<model::PartitionId> out;
  for (const auto& s : stripes_) {
    std::lock_guard lock(s.mutex);
    for (const auto& [number, slot] : s.slots)
      if (slot.accepted.wiping) out.push_back(model::PartitionId{number});
  }
  return out;
}

}  // namespace cairn::drive
