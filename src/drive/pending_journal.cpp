#include "drive/pending_journal.h"

#include <algorithm>

#include "base/assert.h"
#include "drive/codec.h"

namespace cairn::drive {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kAdds = 'A';
constexpr std::uint8_t kTakesAway = 'D';

Error corrupt(const char* what) {
  return Error{Code::corrupt, std::string("index: bad ") + what};
}

std::string name_of(std::string_view unit, const Stamp& stamp) {
  Writer w(unit.size() + 16);
  w.raw(unit).stamp(stamp);
  return w.take();
}

// Every row from `first` on in order: visit(number, event).
template <class F>
Result<void> replay(Reader& reader, std::uint64_t first, F visit) {
  auto cursor = reader.cursor(Family::pending, Walk::all);
  for (cursor->seek(journal_key(first)); cursor->valid(); cursor->next()) {
    const auto key = cursor->key();
    if (key.size() != 8) return corrupt("key of the journal of pendings");
    const std::uint64_t number = Decoder(key).u64();
    CAIRN_TRY(decode_journal_row(cursor->value(),
                                 [&](const JournalEvent& event) { return visit(number, event); }));
  }
  return cursor->status();
}

void insert(Pendings& pendings, Pending pending) {
  const Stamp stamp = pending.stamp;
  const auto at =
      std::ranges::find_if(pendings, [&](const auto& one) { return one->stamp <= stamp; });
  auto shared = std::make_shared<const Pending>(std::move(pending));
  if (at != pendings.end() && (*at)->stamp == stamp) {
    *at = std::move(shared);
  } else {
    pendings.insert(at, std::move(shared));
  }
}

void erase(Pendings& pendings, const Stamp& stamp) {
  std::erase_if(pendings, [&](const auto& one) { return one->stamp == stamp; });
}

}  // namespace

std::string journal_key(std::uint64_t number) {
  Writer w(8);
  w.u64(number);
  return w.take();
}

std::string encode_journal_row(const std::vector<PendingEvent>& events) {
  std::size_t bytes = 1;
  for (const auto& event : events) bytes += 25 + event.unit.size() + event.added.size();
  Writer w(bytes);
  w.u8(kVersion);
  for (const auto& event : events) {
    w.u8(event.added.empty() ? kTakesAway : kAdds).text(event.unit).stamp(event.stamp);
    if (!event.added.empty()) w.text(event.added);
  }
  return w.take();
}

Result<void> decode_journal_row(std::string_view value,
                                const std::function<Result<void>(const JournalEvent&)>& visit) {
  Decoder d(value);
  if (d.u8() != kVersion) return corrupt("version of the journal of pendings");
  while (!d.at_end()) {
    JournalEvent event;
    const auto kind = d.u8();
    event.adds = kind == kAdds;
    event.unit = d.text();
    event.stamp = d.stamp();
    if (event.adds) event.pending = d.text();
    const bool whole = d.ok() && (event.adds || kind == kTakesAway) && !event.unit.empty();
    if (!whole || unit_key_length(event.unit) != event.unit.size())
      return corrupt("row of the journal of pendings");
    CAIRN_TRY(visit(event));
  }
  return {};
}

Result<PendingUnits> load_pendings(Reader& reader, std::uint64_t first) {
  PendingUnits out;
  CAIRN_TRY(replay(reader, first, [&](std::uint64_t, const JournalEvent& event) -> Result<void> {
    if (event.adds) {
      CAIRN_ASSIGN(Pending pending, decode_pending(event.stamp, event.pending));
      insert(out[std::string(event.unit)], std::move(pending));
    } else if (const auto it = out.find(event.unit); it != out.end()) {
      erase(it->second, event.stamp);
      if (it->second.empty()) out.erase(it);
    }
    return {};
  }));
  return out;
}

Result<Pendings> load_pendings(Reader& reader, std::uint64_t first, std::string_view unit) {
  Pendings out;
  CAIRN_TRY(replay(reader, first, [&](std::uint64_t, const JournalEvent& event) -> Result<void> {
    if (event.unit != unit) return {};
    if (event.adds) {
      CAIRN_ASSIGN(Pending pending, decode_pending(event.stamp, event.pending));
      insert(out, std::move(pending));
    } else {
      erase(out, event.stamp);
    }
    return {};
  }));
  return out;
}

Result<PendingUnits> PendingJournal::load(Reader& reader) {
  CAIRN_ASSERT(rows_.empty());
  CAIRN_TRY(replay(reader, 0, [&](std::uint64_t number, const JournalEvent& event) -> Result<void> {
    if (rows_.empty() || rows_.back().number != number) rows_.push_back({number, 0});
    const auto name = name_of(event.unit, event.stamp);
    if (const auto it = where_.find(name); it != where_.end()) {
      release(it->second);
      where_.erase(it);
    }
    if (!event.adds) return {};
    where_.emplace(name, number);
    ++rows_.back().live;
    return {};
  }));
  if (!rows_.empty()) next_ = rows_.back().number + 1;
  return load_pendings(reader);
}

void PendingJournal::release(std::uint64_t number) {
  const auto it = std::ranges::lower_bound(rows_, number, {}, &Row::number);
  CAIRN_ASSERT(it != rows_.end() && it->number == number && it->live > 0);
  --it->live;
}

// J3.
void PendingJournal::add_again(std::vector<PendingEvent>& events, const PendingMirror& mirror) {
  const std::uint64_t oldest = rows_.front().number;
  for (auto& [name, number] : where_) {
    if (number != oldest) continue;
    PendingEvent event;
    event.unit = name.substr(0, name.size() - 16);
    event.stamp = Decoder(std::string_view(name).substr(event.unit.size())).stamp();
    const auto pendings = mirror.look(event.unit).pendings;
    const auto same = [&](const auto& one) { return one->stamp == event.stamp; };
    const auto found = std::ranges::find_if(*pendings, same);
    CAIRN_ASSERT(found != pendings->end());
    event.added = encode_pending(**found);
    number = next_;
    --rows_.front().live;
    ++rows_.back().live;
    events.push_back(std::move(event));
  }
  CAIRN_ASSERT(rows_.front().live == 0);
}

void PendingJournal::append(Batch& batch, std::vector<PendingEvent> events,
                            const PendingMirror& mirror) {
  if (events.empty()) return;
  // What earlier calls took away is written by now.
  first_.store(rows_.empty() ? next_ : rows_.front().number);
  rows_.push_back({next_, 0});
  std::vector<std::uint64_t> from(events.size(), 0);  // the row that had added what is taken away
  for (std::size_t i = 0; i < events.size(); ++i) {
    auto name = name_of(events[i].unit, events[i].stamp);
    if (const auto it = where_.find(name); it != where_.end()) {
      from[i] = it->second;
      release(it->second);
      where_.erase(it);
    }
    if (events[i].added.empty()) continue;
    where_.emplace(std::move(name), next_);
    ++rows_.back().live;
  }
  if (rows_.size() > kMostRows && rows_.front().live > 0) add_again(events, mirror);
  // J2.
  while (rows_.size() > 1 && rows_.front().live == 0) {
    batch.remove_once(Family::pending, journal_key(rows_.front().number));
    rows_.pop_front();
  }
  // What was taken away together with its row need not be said.
  from.resize(events.size(), 0);
  std::vector<PendingEvent> needed;
  for (std::size_t i = 0; i < events.size(); ++i)
    if (!events[i].added.empty() || from[i] >= rows_.front().number)
      needed.push_back(std::move(events[i]));
  if (needed.empty()) {
    CAIRN_ASSERT(rows_.back().live == 0);
    rows_.pop_back();
  } else {
    batch.put(Family::pending, journal_key(next_), {encode_journal_row(needed)});
  }
  ++next_;
}

}  // namespace cairn::drive
