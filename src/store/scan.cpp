#include "store/scan.h"

#include <algorithm>
#include <bit>
#include <compare>

#include "base/assert.h"

namespace cairn::store {

using drive::ScanReply;
using drive::UnitPage;
using model::DriveId;
using model::UnitKey;

namespace {

constexpr std::size_t kPageMin = 16, kPageMax = 1024;
// Units looked at per unit asked for, before a page ends short.
constexpr std::size_t kUnseenMax = 4;
constexpr std::size_t kDecidedAtOnce = 16;
constexpr std::size_t kStreamsMax = 64;

bool shows_markers(const ScanRequest& request) {
  return request.all_rows || request.include_delete_markers;
}
bool visible(const ScanRequest& request, const ScanUnit& unit) {
  const auto rows = unit.rows();
  if (rows.empty()) return false;
  // What cannot be read is shown, not hidden.
  return shows_markers(request) || !model::is_delete_marker(rows.front().record);
}
bool visible(const ScanRequest& request, const std::vector<drive::Row>& rows) {
  if (rows.empty()) return false;
  return shows_markers(request) || !model::is_delete_marker(rows[0].record);
}

}  // namespace

// One drive's index from where the page begins.
struct Scanner::Stream {
  std::shared_ptr<Device> device{};
  std::string begin{};  // of the next page
  std::shared_ptr<const UnitPage> page = std::make_shared<const UnitPage>();
  UnitPage::Iterator at = page->begin();
  bool exhausted = false;

  bool has_front() const { return at != page->end(); }
  ScanUnit front() const { return *at; }
  // Up to where it is known what the drive has.
  std::string_view known_to() const { return has_front() ? front().key() : begin; }
  bool done() const { return !has_front() && exhausted; }
};

// Whose word counts for a partition, as sets of streams.
struct Scanner::Voters {
  std::uint64_t members = 0;   // streams of its members
  std::uint64_t counting = 0;  // of those, the ones that are not rebuilding
  unsigned r = 0;              // 0: not looked up yet
};

class Scanner::Merge {
 public:
  Merge(const Core& core, const ScanRequest& request, std::vector<Stream> all)
      : request(request), streams(std::move(all)), core_(core) {}

  const ScanRequest& request;
  std::vector<Stream> streams;
  std::size_t page = kPageMin;

  bool all_have_fronts() const {
    return std::ranges::all_of(streams,
                               [](const Stream& s) { return s.has_front() || s.exhausted; });
  }
  // After new pages came: members that rebuild since they were asked for do not count.
  void forget_voters() { voters_.assign(core_.members.partitions(), {}); }

  // The unit that any stream has next and which streams have it; none: all are done. REQUIRES:
  // all_have_fronts().
  struct Next {
    std::uint64_t streams = 0;
    unsigned any = 0;
  };
  std::optional<Next> next() const {
    std::optional<Next> out;
    for (unsigned i = 0; i < streams.size(); ++i) {
      if (!streams[i].has_front()) continue;
      const auto order = out ? streams[i].front().key() <=> streams[out->any].front().key()
                             : std::strong_ordering::less;
      if (order < 0) {
        out = Next{std::uint64_t{1} << i, i};
      } else if (out && order == 0) {
        out->streams |= std::uint64_t{1} << i;
      }
    }
    return out;
  }

  struct Agreed {
    std::optional<unsigned> stream{};  // of a member in the agreeing group
    bool absent = false;               // R know nothing of it
  };
  // 4.1 for the unit that comes next, among the members asked.
  Agreed agree(const Next& next);

  // Some drive that has it leaves out what follows it in its group.
  bool passed_group(const Next& next) const {
    bool any = false;
    each(next.streams, [&](unsigned i) { any |= streams[i].front().passes_group(); });
    return any;
  }
  void skip(const Next& next) {
    each(next.streams, [&](unsigned i) { ++streams[i].at; });
  }
  void skip_below(const std::string& key) {
    for (Stream& stream : streams) {
      while (stream.has_front() && stream.front().key() < key) ++stream.at;
      if (stream.begin < key) stream.begin = key;
    }
  }
  // Where the next page of the listing begins, when every stream before it was used up.
  std::string resume() const {
    std::optional<std::string_view> first;
    for (const Stream& stream : streams) {
      if (!stream.done() && (!first || stream.known_to() < *first)) first = stream.known_to();
    }
    return std::string(first.value_or(std::string_view{}));
  }
  bool done() const {
    return std::ranges::all_of(streams, [](const Stream& s) { return s.done(); });
  }

 private:
  template <class F>
  static void each(std::uint64_t set, F f) {
    for (; set != 0; set &= set - 1) f(static_cast<unsigned>(std::countr_zero(set)));
  }
  const Voters& voters_of(std::string_view unit);

  const Core& core_;
  std::vector<Voters> voters_{};  // by partition
};

const Scanner::Voters& Scanner::Merge::voters_of(std::string_view unit) {
  const auto partition = core_.members.partition_of(model::lock_key_of(unit));
  Voters& voters = voters_[partition.value];
  if (voters.r != 0) return voters;
  const View view = core_.members.view(partition);
  voters.r = view->r;
  for (unsigned i = 0; i < streams.size(); ++i) {
    for (const Member& member : view->members) {
      if (member.id != streams[i].device->id()) continue;
      voters.members |= std::uint64_t{1} << i;
      if (!member.rebuilding) voters.counting |= std::uint64_t{1} << i;
    }
  }
  return voters;
}

Scanner::Merge::Agreed Scanner::Merge::agree(const Next& next) {
  const Voters& voters = voters_of(streams[next.any].front().key());
  std::uint64_t having = 0, exact = 0;
  each(next.streams & voters.members, [&](unsigned i) {
    const ScanUnit unit = streams[i].front();
    if (!unit.has_head()) return;
    having |= std::uint64_t{1} << i;
    if (unit.exact()) exact |= std::uint64_t{1} << i;
  });
  if (static_cast<unsigned>(std::popcount(voters.counting & ~having)) >= voters.r)
    return {std::nullopt, true};
  const std::uint64_t counts = voters.counting & exact;
  std::optional<unsigned> agreed;
  each(counts, [&](unsigned i) {
    if (agreed) return;
    unsigned same = 0;
    bool known_settled = false;
    each(having, [&](unsigned j) {
      if (!streams[j].front().same_head(streams[i].front())) return;
      known_settled |= streams[j].front().settled();
      same += counts >> j & 1u;
    });
    if (same >= voters.r && known_settled) agreed = i;
  });
  return {agreed, false};
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
    View view;
    unsigned left;
  };
  std::vector<Need> needs;
  needs.reserve(core_.members.partitions());
  for (std::size_t p = 0; p < core_.members.partitions(); ++p) {
    View view = core_.members.view(model::PartitionId{static_cast<std::uint32_t>(p)});
    const unsigned r = view->r;
    needs.push_back({std::move(view), r});
  }
  std::size_t open = needs.size();
  std::vector<Stream> streams;
  for (const auto& [cost, index, device] : order) {
    if (open == 0) break;
    bool wanted = false;
    for (Need& need : needs) {
      const auto counts = [&](const Member& m) { return m.id == device->id() && !m.rebuilding; };
      if (need.left == 0 || std::ranges::none_of(need.view->members, counts)) continue;
      if (--need.left == 0) --open;
      wanted = true;
    }
    if (!wanted) continue;
    streams.emplace_back();
    streams.back().device = device;
  }
  if (open > 0) return Error{Code::unavailable, "too few drives answer to list"};
  return streams;
}

// Every stream that ran dry gets its next page; all at the same time.
io::Task<Result<void>> Scanner::fill(Merge& merge, std::set<DriveId>& failed) {
  while (!merge.all_have_fronts()) {
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
      request.groups = merge.request.groups;
      if (request.groups) request.groups->markers = shows_markers(merge.request);
      if (!stream.device->begin_call()) {
        failed.insert(stream.device->id());
        co_return Error{Code::unavailable, "a drive left service during a scan"};
      }
      fanout.start(static_cast<unsigned>(i),
                   Core::call<ScanReply>(stream.device, core_.options.call_deadline,
                                         stream.device->drive()->scan(std::move(request))));
    }
    const bool all = co_await fanout.wait(fanout.started(), core_.deadline());
    for (auto& [index, reply] : fanout.answers()) {
      Stream& stream = merge.streams[index];
      if (!reply || reply->refusal != drive::Refusal::none) {
        failed.insert(stream.device->id());
        continue;
      }
      // A page ends only on proof: a drive that brings nothing and names no way on would end none.
      CAIRN_ASSERT(reply->exhausted || reply->resume > stream.begin);
      stream.page = std::make_shared<const UnitPage>(std::move(reply->units));
      stream.at = stream.page->begin();
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
    merge.forget_voters();
  }
  co_return Result<void>{};
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
  CAIRN_CO_ASSIGN(std::vector<Stream> streams, choose(excluded));
  if (streams.size() > kStreamsMax)
    co_return Error{Code::not_implemented, "more drives than one scan can merge"};
  for (Stream& stream : streams) stream.begin = request.begin;
  Merge merge(core_, request, std::move(streams));
  ScanPage page;
  page.units.reserve(std::min(request.max_units, kPageMax));
  std::vector<std::size_t> doubtful;  // indexes into page.units: the leader decides
  const std::size_t looked_most = std::max<std::size_t>(request.max_units, 16) * kUnseenMax;
  for (std::size_t looked = 0;; ++looked) {
    if (page.units.size() >= request.max_units || looked >= looked_most) {
      page.resume = merge.resume();
      page.exhausted = merge.done();  // proven: every stream says so
      break;
    }
    if (!merge.all_have_fronts()) {
      merge.page = std::clamp(request.max_units - page.units.size(), kPageMin, kPageMax);
      CAIRN_CO_TRY(co_await fill(merge, failed));
      for (const Stream& stream : merge.streams) {
        if (std::ranges::find(page.pages, stream.page) == page.pages.end())
          page.pages.push_back(stream.page);
      }
    }
    const auto next = merge.next();
    if (!next) {
      page.exhausted = true;
      break;
    }
    const ScanUnit any = merge.streams[next->any].front();
    const bool passed = merge.passed_group(*next);
    const Merge::Agreed agreed = merge.agree(*next);
    bool shown = false;
    if (agreed.stream) {
      const ScanUnit unit = merge.streams[*agreed.stream].front();
      shown = visible(request, unit);
      if (shown) page.units.push_back(unit);
    } else if (!agreed.absent) {
      doubtful.push_back(page.units.size());
      page.units.push_back(any);
    }
    merge.skip(*next);
    if (!passed) continue;
    if (shown) {
      merge.skip_below(drive::group_end(*request.groups, any.key()));
      continue;
    }
    // A drive took it for one that shows its group, and it is not known to be: what follows in the
    // group was left out and has to be looked at.
    page.resume = std::string(any.key()) + '\0';
    break;
  }
  CAIRN_CO_TRY(co_await settle_doubts(request, page, doubtful));
  co_return page;
}

// What does not agree goes to the leader, several at a time.
io::Task<Result<void>> Scanner::settle_doubts(const ScanRequest& request, ScanPage& page,
                                              const std::vector<std::size_t>& doubtful) {
  if (doubtful.empty()) co_return Result<void>{};
  auto decided = std::make_shared<UnitPage>();
  for (std::size_t begin = 0; begin < doubtful.size(); begin += kDecidedAtOnce) {
    const std::size_t end = std::min(doubtful.size(), begin + kDecidedAtOnce);
    std::vector<io::Task<Result<std::vector<drive::Row>>>> tasks;
    for (std::size_t i = begin; i < end; ++i) {
      tasks.push_back(decided_rows(page.units[doubtful[i]].unit(), request.all_rows));
    }
    const auto results = co_await io::when_all(std::move(tasks));
    for (std::size_t i = begin; i < end; ++i) {
      const auto& rows = results[i - begin];
      if (!rows) co_return rows.error();
      decided->add(page.units[doubtful[i]].key(), std::nullopt, true);
      if (!visible(request, *rows)) continue;  // not shown: without rows, left out below
      for (const drive::Row& row : *rows) decided->add_row(row.order, row.stamp, row.record);
    }
  }
  auto next = doubtful.begin();
  for (const ScanUnit unit : *decided) page.units[*next++] = unit;
  std::erase_if(page.units, [](const ScanUnit& unit) { return unit.rows().empty(); });
  page.pages.push_back(std::move(decided));
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
      co_await loader_.at_head(decided.view, decided.settled->stamp(), std::move(latest)));
  co_return std::move(reply.rows);
}

}  // namespace cairn::store
