#include "store/scan.h"

#include <algorithm>

#include "base/assert.h"

namespace cairn::store {

using drive::ScanReply;
using model::DriveId;
using model::UnitKey;

namespace {

constexpr std::size_t kPageMin = 64, kPageMax = 1000;
constexpr std::size_t kUnseenMax =
    4;  // units looked at per unit asked for, before a page ends short
constexpr std::size_t kDecidedAtOnce = 16;

bool visible(const ScanRequest& request, const std::vector<drive::Row>& rows) {
  if (rows.empty()) return false;
  if (request.all_rows || request.include_delete_markers) return true;
  const auto record = model::decode_record(rows[0].record);
  return !record || !record->delete_marker;  // what cannot be read is shown, not hidden
}

}  // namespace

// One drive's index from where the page begins.
struct Scanner::Stream {
  std::shared_ptr<Device> device{};
  std::string begin{};  // of the next page
  std::vector<drive::ScanUnit> units{};
  std::size_t at = 0;
  bool exhausted = false;

  bool has_front() const { return at < units.size(); }
  const UnitKey& front() const { return units[at].unit; }
  bool done() const { return !has_front() && exhausted; }
};

struct Scanner::Merge {
  const ScanRequest& request;
  std::vector<Stream> streams{};
  std::size_t page = kPageMin;

  // The stream of a drive, or null when it is not among those asked.
  Stream* of(DriveId id) {
    for (Stream& stream : streams) {
      if (stream.device->id() == id) return &stream;
    }
    return nullptr;
  }
  // The first unit that any stream has next. REQUIRES: every stream has a front or is done.
  const UnitKey* first() const {
    const UnitKey* out = nullptr;
    for (const Stream& stream : streams) {
      CAIRN_ASSERT(stream.has_front() || stream.exhausted);
      if (stream.has_front() && (out == nullptr || stream.front() < *out)) out = &stream.front();
    }
    return out;
  }

  struct Agreed {
    drive::ScanUnit* unit = nullptr;  // of a member in the agreeing group
    bool absent = false;              // R know nothing of it
  };
  // 4.1 for the unit that comes next, among the members asked.
  Agreed agree(const PartitionView& view, const UnitKey& unit);
  void skip(const UnitKey& unit) {
    for (Stream& stream : streams) {
      if (stream.has_front() && stream.front() == unit) ++stream.at;
    }
  }
};

Scanner::Merge::Agreed Scanner::Merge::agree(const PartitionView& view, const UnitKey& unit) {
  struct Vote {
    drive::ScanUnit* unit;  // null: knows nothing of it
    bool counts;
  };
  std::array<Vote, 32> votes;
  std::size_t count = 0;
  unsigned nothing = 0;
  for (const Member& member : view.members) {
    Stream* stream = of(member.id);
    if (stream == nullptr) continue;
    const bool has = stream->has_front() && stream->front() == unit;
    drive::ScanUnit* one = has ? &stream->units[stream->at] : nullptr;
    if (one != nullptr && !one->head) one = nullptr;
    CAIRN_ASSERT(count < votes.size());
    votes[count++] = {one, !member.rebuilding && (one == nullptr || one->exact)};
    nothing += one == nullptr && !member.rebuilding;
  }
  if (nothing >= view.r) return {nullptr, true};
  for (std::size_t i = 0; i < count; ++i) {
    if (votes[i].unit == nullptr || !votes[i].counts) continue;
    unsigned same = 0;
    bool known_settled = false;
    for (std::size_t j = 0; j < count; ++j) {
      if (votes[j].unit == nullptr || votes[j].unit->head != votes[i].unit->head) continue;
      known_settled |= votes[j].unit->settled;
      same += votes[j].counts;
    }
    if (same >= view.r && known_settled) return {votes[i].unit, false};
  }
  return {};
}

// Drives so that every partition has R members among them that count; those without a backlog
// first.
Result<std::vector<Scanner::Stream>> Scanner::choose(const std::set<DriveId>& excluded) const {
  struct Choice {
    unsigned cost;
    std::size_t index;
    std::shared_ptr<Device> device;
  };
  std::vector<Choice> order;
  for (const auto& device : core_.members.devices()) {
    if (!device->usable() || excluded.contains(device->id())) continue;
    const unsigned slow = device->health() == Health::suspect ? 2 : 0;
    order.push_back({slow + (device->backlog() > 0 ? 1u : 0u), order.size(), device});
  }
  std::ranges::sort(order, {}, [](const Choice& c) { return std::pair(c.cost, c.index); });
  struct Need {
    std::vector<DriveId> members;
    unsigned left;
  };
  std::vector<Need> needs;
  for (std::size_t p = 0; p < core_.members.partitions(); ++p) {
    const View view = core_.members.view(model::PartitionId{static_cast<std::uint32_t>(p)});
    Need need{{}, view->r};
    for (const Member& member : view->members) {
      if (!member.rebuilding) need.members.push_back(member.id);
    }
    needs.push_back(std::move(need));
  }
  std::vector<Stream> streams;
  for (const auto& [cost, index, device] : order) {
    bool wanted = false;
    for (Need& need : needs) {
      if (need.left == 0 || std::ranges::find(need.members, device->id()) == need.members.end())
        continue;
      --need.left;
      wanted = true;
    }
    if (!wanted) continue;
    streams.emplace_back();
    streams.back().device = device;
  }
  if (std::ranges::any_of(needs, [](const Need& need) { return need.left > 0; })) {
    return Error{Code::unavailable, "too few drives answer to list"};
  }
  return streams;
}

// Every stream that ran dry gets its next page; all at the same time.
io::Task<Result<void>> Scanner::fill(Merge& merge, std::set<DriveId>& failed) {
  for (;;) {
    Fanout<Result<ScanReply>> fanout(core_.deadlines);
    for (std::size_t i = 0; i < merge.streams.size(); ++i) {
      Stream& stream = merge.streams[i];
      if (stream.has_front() || stream.exhausted) continue;
      drive::ScanRequest request;
      request.drive = stream.device->id();
      request.begin = stream.begin;
      request.end = merge.request.end;
      request.max_units = merge.page;
      request.all_rows = merge.request.all_rows;
      if (!stream.device->begin_call()) {
        failed.insert(stream.device->id());
        co_return Error{Code::unavailable, "a drive left service during a scan"};
      }
      fanout.start(static_cast<unsigned>(i),
                   Core::call<ScanReply>(stream.device, core_.options.call_deadline,
                                         stream.device->drive()->scan(std::move(request))));
    }
    if (fanout.started() == 0) co_return Result<void>{};
    const bool all = co_await fanout.wait(fanout.started(), core_.deadline());
    for (auto& [index, reply] : fanout.answers()) {
      Stream& stream = merge.streams[index];
      if (!reply || reply->refusal != drive::Refusal::none) {
        failed.insert(stream.device->id());
        continue;
      }
      // A page ends only on proof: a drive that brings nothing and names no way on would end none.
      CAIRN_ASSERT(reply->exhausted || reply->resume > stream.begin);
      stream.units = std::move(reply->units);
      stream.at = 0;
      stream.exhausted = reply->exhausted;
      stream.begin = std::move(reply->resume);
    }
    for (std::size_t i = 0; i < merge.streams.size(); ++i) {
      if (!(fanout.silent() >> i & 1u)) continue;
      merge.streams[i].device->missed();
      failed.insert(merge.streams[i].device->id());
    }
    if (!all || !failed.empty())
      co_return Error{Code::unavailable, "a drive did not answer a scan"};
    merge.page = kPageMax;
  }
}

io::Task<Result<ScanPage>> Scanner::scan(ScanRequest request) {
  std::set<DriveId> excluded;
  for (;;) {
    std::set<DriveId> failed;
    Result<ScanPage> page = co_await attempt(request, excluded, failed);
    if (page || failed.empty()) co_return page;
    // Others may do; each round excludes at least one, so this ends.
    const auto before = excluded.size();
    excluded.insert(failed.begin(), failed.end());
    if (excluded.size() == before) co_return page;
  }
}

io::Task<Result<ScanPage>> Scanner::attempt(const ScanRequest& request,
                                            const std::set<DriveId>& excluded,
                                            std::set<DriveId>& failed) {
  Merge merge{request};
  CAIRN_CO_ASSIGN(merge.streams, choose(excluded));
  if (merge.streams.size() > 64)
    co_return Error{Code::not_implemented, "more drives than one scan can merge"};
  for (Stream& stream : merge.streams) stream.begin = request.begin;
  merge.page = std::clamp(request.max_units + request.max_units / 8 + 1, kPageMin, kPageMax);
  ScanPage page;
  std::vector<std::size_t> doubtful;  // indexes into page.units: the leader decides
  std::size_t looked = 0;
  UnitKey last;
  for (;;) {
    CAIRN_CO_TRY(co_await fill(merge, failed));
    const UnitKey* first = merge.first();
    if (first == nullptr) {
      page.exhausted = true;  // proven: every stream says so
      break;
    }
    const bool enough = page.units.size() >= request.max_units ||
                        looked >= std::max<std::size_t>(request.max_units, 16) * kUnseenMax;
    if (enough) {
      page.resume = first->encoded();
      break;
    }
    ++looked;
    UnitKey unit = *first;
    CAIRN_ASSERT(last < unit);
    const View view = core_.members.view_of(unit);
    const Merge::Agreed agreed = merge.agree(*view, unit);
    if (agreed.unit != nullptr) {
      if (visible(request, agreed.unit->rows))
        page.units.push_back({unit, std::move(agreed.unit->rows)});
    } else if (!agreed.absent) {
      doubtful.push_back(page.units.size());
      page.units.push_back({unit, {}});
    }
    merge.skip(unit);
    last = std::move(unit);
  }
  CAIRN_CO_TRY(co_await settle_doubts(request, page.units, doubtful));
  co_return page;
}

// What does not agree goes to the leader, several at a time.
io::Task<Result<void>> Scanner::settle_doubts(const ScanRequest& request,
                                              std::vector<ScanUnit>& units,
                                              const std::vector<std::size_t>& doubtful) {
  if (doubtful.empty()) co_return Result<void>{};
  for (std::size_t begin = 0; begin < doubtful.size(); begin += kDecidedAtOnce) {
    const std::size_t end = std::min(doubtful.size(), begin + kDecidedAtOnce);
    std::vector<io::Task<Result<std::vector<drive::Row>>>> tasks;
    for (std::size_t i = begin; i < end; ++i) {
      tasks.push_back(decided_rows(units[doubtful[i]].unit, request.all_rows));
    }
    auto results = co_await io::when_all(std::move(tasks));
    for (std::size_t i = begin; i < end; ++i) {
      auto& rows = results[i - begin];
      if (!rows) co_return std::move(rows.error());
      // Not shown: emptied here, left out below.
      if (visible(request, *rows)) units[doubtful[i]].rows = std::move(*rows);
    }
  }
  std::erase_if(units, [](const ScanUnit& unit) { return unit.rows.empty(); });
  co_return Result<void>{};
}

io::Task<Result<std::vector<drive::Row>>> Scanner::decided_rows(UnitKey unit, bool all_rows) {
  CAIRN_CO_ASSIGN(const Leader::Decided decided, co_await leader_.decided(unit));
  if (decided.settled->complete) {
    std::vector<drive::Row> rows = decided.settled->rows;
    if (!all_rows && rows.size() > 1) rows.resize(1);
    co_return rows;
  }
  if (all_rows) co_return co_await loader_.all_rows(decided.view, std::move(unit), decided.settled);
  drive::ReadRequest latest;
  latest.unit = std::move(unit);
  CAIRN_CO_ASSIGN(
      drive::ReadReply reply,
      co_await loader_.at_head(decided.view, *decided.settled->head, std::move(latest)));
  co_return std::move(reply.rows);
}

}  // namespace cairn::store
