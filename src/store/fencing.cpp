#include "store/fencing.h"

#include <algorithm>
#include <charconv>

#include "base/assert.h"

namespace cairn::store {

using drive::PromiseReply;
using drive::Refusal;
using model::PartitionId;
using model::Term;

std::string encode_number(std::uint64_t value) {
  return std::to_string(value);
}

std::optional<std::uint64_t> decode_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

namespace {

Result<Term> decode_term(const std::optional<control::Entry>& entry) {
  if (!entry) return Term{};
  const auto value = decode_number(entry->value);
  if (!value) return Error{Code::corrupt, "the term in the control store is no number"};
  return Term{*value};
}

}  // namespace

bool names(const placement::Map& map, model::DriveId drive) {
  return std::ranges::any_of(map.partitions, [&](const placement::Entry& entry) {
    return std::ranges::find(entry.members, drive, &placement::Member::drive) !=
           entry.members.end();
  });
}

io::Task<Result<Term>> last_term(control::Store& control) {
  CAIRN_CO_ASSIGN(const auto entry, co_await control.get(kTermKey));
  co_return decode_term(entry);
}

io::Task<Result<StoredMap>> stored_map(control::Store& control) {
  CAIRN_CO_ASSIGN(const auto entry, co_await control.get(kMapKey));
  StoredMap out;
  if (!entry) co_return out;
  CAIRN_CO_ASSIGN(out.map, placement::decode_map(entry->value));
  out.mod_revision = entry->mod_revision;
  co_return out;
}

io::Task<Result<std::optional<MapChange>>> unfenced_change(control::Store& control,
                                                           placement::Map map) {
  CAIRN_CO_ASSIGN(const auto fenced, co_await control.get(kFencedKey));
  CAIRN_CO_ASSIGN(const auto previous, co_await control.get(kPreviousMapKey));
  CAIRN_CO_ASSIGN(const auto replaced, co_await control.get(kReplacedKey));
  if (!previous) co_return std::optional<MapChange>{};
  if (fenced && decode_number(fenced->value) == map.epoch.value)
    co_return std::optional<MapChange>{};
  MapChange change;
  CAIRN_CO_ASSIGN(change.previous, placement::decode_map(previous->value));
  if (replaced)
    change.replaced = model::DriveId::from_hex(replaced->value).value_or(model::DriveId{});
  if (change.previous.partitions.size() != map.partitions.size()) {
    co_return Error{Code::corrupt, "the previous cluster map has another number of partitions"};
  }
  co_return std::optional<MapChange>(std::move(change));
}

io::Task<Result<void>> record_fenced(control::Store& control, placement::Map map) {
  CAIRN_CO_ASSIGN(const StoredMap stored, co_await stored_map(control));
  // An older leader's word on an older map must not stand for a newer one.
  if (stored.mod_revision != 0 && stored.map.epoch != map.epoch)
    co_return Error{Code::conflict, "another process changed the cluster map meanwhile"};
  std::vector<control::Condition> same{{kMapKey, stored.mod_revision}};
  std::vector<control::Change> changes{{kFencedKey, encode_number(map.epoch.value)}};
  CAIRN_CO_TRY(co_await control.commit(std::move(same), std::move(changes)));
  co_return Result<void>{};
}

io::Task<Result<Term>> take_term(control::Store& control, Term floor, Term* tried,
                                 std::vector<control::Condition> conditions,
                                 std::vector<control::Change> changes) {
  for (unsigned attempt = 0; attempt < 10; ++attempt) {
    CAIRN_CO_ASSIGN(const auto entry, co_await control.get(kTermKey));
    CAIRN_CO_ASSIGN(const Term counter, decode_term(entry));
    const Term term{std::max(counter.value, floor.value) + 1};
    auto all_conditions = conditions;
    all_conditions.push_back({kTermKey, entry ? entry->mod_revision : 0});
    auto all_changes = changes;
    all_changes.push_back({kTermKey, encode_number(term.value)});
    const auto done = co_await control.commit(std::move(all_conditions), std::move(all_changes));
    if (done || done.code() != Code::conflict) *tried = std::max(*tried, term);
    if (done) co_return term;
    // An unknown outcome: the number may be ours or nobody's; the next one is certainly free.
    if (done.code() != Code::conflict) co_return Error{done.error()};
    if (!conditions.empty())
      co_return Error{Code::conflict, "the cluster map was changed meanwhile"};
  }
  co_return Error{Code::conflict, "others keep taking terms"};
}

io::Task<Result<void>> retire_drive(control::Store& control, model::DriveId lost,
                                    model::DriveId replacement) {
  CAIRN_CO_ASSIGN(const StoredMap stored, co_await stored_map(control));
  if (stored.mod_revision == 0) co_return Error{Code::not_found, "there is no cluster map"};
  if (!names(stored.map, lost))
    co_return Error{Code::not_found, "the cluster map does not name the drive that is lost"};
  if (names(stored.map, replacement))
    co_return Error{Code::already_exists, "the drive has a place in the map already"};
  CAIRN_CO_ASSIGN(const auto unfenced, co_await unfenced_change(control, stored.map));
  if (unfenced)
    co_return Error{Code::conflict, "the last change of the cluster map is not complete yet"};
  const placement::Map after = placement::replace_drive(stored.map, lost, replacement);
  std::vector<control::Condition> same{{kMapKey, stored.mod_revision}};
  std::vector<control::Change> changes{{kMapKey, placement::encode_map(after)},
                                       {kPreviousMapKey, placement::encode_map(stored.map)},
                                       {kReplacedKey, lost.hex()}};
  Term tried;
  CAIRN_CO_TRY(co_await take_term(control, Term{}, &tried, std::move(same), std::move(changes)));
  co_return Result<void>{};
}

std::vector<std::shared_ptr<PartitionView>> make_views(
    const placement::Map& map, Term term, const std::vector<std::shared_ptr<Device>>& devices) {
  std::vector<std::shared_ptr<Device>> known = devices;
  const auto device_of = [&](model::DriveId id) {
    for (const auto& device : known) {
      if (device->id() == id) return device;
    }
    known.push_back(std::make_shared<Device>(id, "", nullptr, "no such drive on this node"));
    return known.back();
  };
  std::vector<std::shared_ptr<PartitionView>> views;
  for (std::size_t p = 0; p < map.partitions.size(); ++p) {
    auto view = std::make_shared<PartitionView>();
    view->id = PartitionId{static_cast<std::uint32_t>(p)};
    view->epoch = map.epoch;
    view->term = term;
    view->profile = map.profile;
    view->n = map.profile.drives();
    view->k = map.profile.data;
    view->w = map.profile.write_quorum();
    view->r = map.profile.read_quorum();
    view->f = map.profile.fence_quorum();
    CAIRN_ASSERT(view->r + view->w > view->n && view->w >= view->k);
    const placement::Entry& entry = map.partitions[p];
    CAIRN_ASSERT(entry.members.size() == view->n);
    view->entry = placement::encode_entry(entry);
    for (unsigned slot = 0; slot < view->n; ++slot) {
      const placement::Member& m = entry.members[slot];
      view->members.push_back(
          {slot, m.drive, m.since, m.rebuilding, device_of(m.drive), std::make_shared<Link>()});
    }
    views.push_back(std::move(view));
  }
  return views;
}

namespace {

const placement::Member* member_in(const placement::Entry& entry, model::DriveId drive) {
  for (const auto& member : entry.members) {
    if (member.drive == drive) return &member;
  }
  return nullptr;
}

Error too_few(PartitionId partition, unsigned promised, unsigned needed,
              const std::string& absent) {
  return Error{Code::unavailable, "partition " + std::to_string(partition.value) + ": " +
                                      std::to_string(promised) + " of " + std::to_string(needed) +
                                      " drives it takes to lead it answer; missing: " + absent};
}

// 8.2: F of this map's members are among those that promised.
Result<void> check_fence(const placement::Map& map,
                         const std::vector<std::shared_ptr<Device>>& promised,
                         model::DriveId destroyed) {
  const unsigned fence = map.profile.fence_quorum();
  for (std::size_t p = 0; p < map.partitions.size(); ++p) {
    unsigned count = 0;
    std::string absent;
    for (const auto& member : map.partitions[p].members) {
      const bool gone = !destroyed.is_zero() && member.drive == destroyed;
      const bool has = gone || std::ranges::any_of(promised, [&](const auto& d) {
                         return d->id() == member.drive;
                       });
      count += has;
      if (!has) absent += (absent.empty() ? "" : ", ") + member.drive.hex();
    }
    if (count < fence)
      return too_few(PartitionId{static_cast<std::uint32_t>(p)}, count, fence, absent);
  }
  return {};
}

}  // namespace

io::Task<Result<PromiseReply>> promise_of(Core& core, const placement::Map& map, Term term,
                                          std::shared_ptr<Device> device, std::uint64_t connection,
                                          const std::optional<MapChange>& change) {
  drive::PromiseRequest request;
  request.drive = device->id();
  request.term = term;
  request.leader = core.leader;
  request.connection = connection;
  request.map_epoch = map.epoch;
  for (std::size_t p = 0; p < map.partitions.size(); ++p) {
    const placement::Member* member = member_in(map.partitions[p], device->id());
    // A former member promises too: it must answer no reader with the old map, and no older leader
    // (8.2).
    if (member == nullptr && change)
      member = member_in(change->previous.partitions[p], device->id());
    if (member == nullptr) continue;
    request.entries.push_back({PartitionId{static_cast<std::uint32_t>(p)}, member->since,
                               placement::encode_entry(map.partitions[p])});
  }
  if (!device->begin_call()) co_return Error{Code::drive_failed, "the drive is out of service"};
  auto reply = co_await Core::call<PromiseReply>(device, core.options.call_deadline,
                                                 device->drive()->promise(std::move(request)));
  if (reply) device->acked(reply->ack);
  co_return reply;
}

io::Task<Result<Fenced>> fence_members(Core& core, const placement::Map& map,
                                       const std::optional<MapChange>& change,
                                       std::vector<std::shared_ptr<PartitionView>>& views,
                                       std::vector<std::shared_ptr<Device>> devices) {
  const Term term = views.at(0)->term;
  Fanout<Result<PromiseReply>> fanout(core.deadlines);
  for (std::size_t i = 0; i < devices.size() && i < 64; ++i) {
    if (!devices[i]->usable()) continue;
    fanout.start(static_cast<unsigned>(i), promise_of(core, map, term, devices[i], 1, change));
  }
  co_await fanout.wait(fanout.started(), core.deadline());
  Fenced out;
  std::vector<std::shared_ptr<Device>> promised;
  for (auto& [index, reply] : fanout.answers()) {
    if (!reply) continue;
    if (reply->refusal == Refusal::stale_map) {
      co_return Error{Code::stale_map,
                      "a drive has promised under a newer cluster map than the control store's"};
    }
    if (reply->refusal == Refusal::stale_term || reply->refusal == Refusal::cut_off) {
      for (const auto& state : reply->states)
        out.newer = std::max(out.newer.value_or(term), state.promised);
      out.newer = std::max(out.newer.value_or(term), term);
    }
    if (reply->refusal != Refusal::none) continue;
    promised.push_back(devices[index]);
    for (const auto& state : reply->states) {
      if (state.partition.value >= views.size()) continue;
      for (Member& member : views[state.partition.value]->members) {
        if (member.id != devices[index]->id()) continue;
        CAIRN_ASSERT(state.promised == term);
        member.link->promised.store(true);
        member.rebuilding |= state.rebuilding;  // a drive that wiped or lost its state knows best
      }
    }
  }
  if (out.newer) co_return out;
  CAIRN_CO_TRY(check_fence(map, promised, {}));
  if (change) CAIRN_CO_TRY(check_fence(change->previous, promised, change->replaced));
  co_return out;
}

}  // namespace cairn::store
