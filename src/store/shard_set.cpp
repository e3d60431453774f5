#include "store/shard_set.h"

#include <algorithm>
#include <deque>

#include "io/sync.h"
#include "store/fanout.h"

namespace cairn::store {

// One read of a run of one shard. Its bytes belong to `block`, which the read keeps until the drive
// is done with it.
struct ShardSet::Read {
  enum class State : std::uint8_t { running, late, done, failed };
  Need what;
  State state = State::running;
  io::Instant started{};
  std::shared_ptr<io::Block> block{};
  io::MutableBytes into{};
  io::Bytes bytes{};
  std::optional<Error> error{};
};

struct ShardSet::Fetch {
  std::vector<Need> needs;
  std::deque<Read> reads;      // references stay valid while it grows
  io::Mailbox<bool> events{};  // a read ended

  const Read* find(unsigned slot, Stripes::Range range, Read::State state) const {
    for (const Read& r : reads)
      if (r.what.slot == slot && r.state == state && r.what.range.covers(range)) return &r;
    return nullptr;
  }
};

namespace {

bool tells_of_damage(Code code) {
  return code == Code::corrupt || code == Code::not_found || code == Code::io_error;
}

}  // namespace

ShardSet::ShardSet(io::MemoryBudget& memory, const DataOptions& options,
                   std::shared_ptr<const PartitionView> view, const model::DataPart& part,
                   bool is_inline, OnDamage on_damage)
    : memory_(memory),
      options_(options),
      view_(std::move(view)),
      part_(part),
      is_inline_(is_inline),
      stripes_(part.layout, part.size),
      on_damage_(std::move(on_damage)),
      code_(erasure::Code::of(part.layout.profile)),
      slots_(view_->members.size()) {
  for (const Member& m : view_->members) {
    slots_[m.slot].devices.push_back(m.device);
    slots_[m.slot].expected = !m.rebuilding;
  }
  for (const PartitionView::Source& s : view_->sources) slots_[s.slot].devices.push_back(s.device);
  for (Slot& s : slots_) {
    s.health = Health::bad;
    for (const auto& d : s.devices) {
      if (d->health() == store::Health::healthy) s.health = Health::unknown;
      if (d->health() == store::Health::suspect && s.health == Health::bad) s.health = Health::slow;
    }
  }
}

Result<std::shared_ptr<ShardSet>> ShardSet::make(io::MemoryBudget& memory,
                                                 const DataOptions& options,
                                                 std::shared_ptr<const PartitionView> view,
                                                 const model::DataPart& part, bool is_inline,
                                                 OnDamage on_damage) {
  if (!Stripes::valid(part.layout) || part.layout.profile.drives() != view->members.size())
    return Error{Code::corrupt,
                 "data " + part.data_id.hex() + " has a layout that does not fit its partition"};
  return std::make_shared<ShardSet>(memory, options, std::move(view), part, is_inline,
                                    std::move(on_damage));
}

void ShardSet::exclude(unsigned slot) {
  Slot& s = slots_[slot];
  s.devices.erase(s.devices.begin());
  s.expected = false;
  if (!s.devices.empty()) return;
  s.health = Health::bad;
  s.lost = true;
}

bool ShardSet::lost() const {
  const auto lost = static_cast<unsigned>(std::ranges::count(slots_, true, &Slot::lost));
  return stripes_.shards() - lost < stripes_.data_shards();
}

void ShardSet::failed(unsigned slot, const Error& error) {
  Slot& s = slots_[slot];
  const bool first = s.health != Health::bad;
  s.health = Health::bad;
  s.reader.reset();
  const bool in_service = std::ranges::all_of(s.devices, [](const auto& d) { return d->usable(); });
  if (!first || !in_service || !tells_of_damage(error.code)) return;
  s.lost = error.code != Code::io_error;
  s.gone = error.code == Code::not_found;
  // An inline shard that is not there was replaced meanwhile, or is on its way: what stays missing
  // is in the repair queue, or for the scrub to find.
  const bool absent = error.code == Code::not_found;
  if (on_damage_ && (!absent || (s.expected && !is_inline_)))
    on_damage_(slot, part_, is_inline_, error);
}

// Finds the shard on one of the slot's devices. The error is the last one; damage beats absence.
io::Task<Result<void>> ShardSet::open(unsigned slot) {
  Error why{Code::drive_failed, "the drive is out of service"};
  const std::vector<std::shared_ptr<Device>> devices = slots_[slot].devices;
  for (const auto& device : devices) {
    DeviceCall call(device);
    if (!call) continue;
    auto opened = is_inline_
                      ? co_await call->open_inline(part_.data_id)
                      : co_await call->open_blob({part_.data_id, static_cast<std::uint8_t>(slot)});
    if (opened && (*opened)->size() != stripes_.shard_size())
      opened =
          Error{Code::corrupt, "the shard has " + std::to_string((*opened)->size()) +
                                   " bytes instead of " + std::to_string(stripes_.shard_size())};
    if (opened) {
      slots_[slot].reader = std::move(*opened);
      slots_[slot].device = device;
      co_return Result<void>{};
    }
    if (opened.code() != Code::not_found || why.code == Code::drive_failed)
      why = std::move(opened.error());
  }
  co_return why;
}

io::Task<Result<io::Bytes>> ShardSet::open_and_read(unsigned slot, Stripes::Range range,
                                                    io::MutableBytes into) {
  if (!slots_[slot].reader) CAIRN_CO_TRY(co_await open(slot));
  const std::shared_ptr<drive::ShardReader> reader = slots_[slot].reader;
  if (!reader) co_return Error{Code::cancelled, "the shard was given up meanwhile"};
  DeviceCall call(slots_[slot].device);
  if (!call) co_return Error{Code::drive_failed, "the drive is out of service"};
  const auto length = static_cast<std::size_t>(range.length());
  auto bytes = co_await reader->read(range.begin, length, into);
  if (bytes) CAIRN_ASSERT(bytes->size() == length);
  if (bytes) call.device().answered();
  co_return bytes;
}

io::Task<void> ShardSet::run(std::shared_ptr<ShardSet> self, std::shared_ptr<Fetch> fetch,
                             std::size_t index) {
  Read& read = fetch->reads[index];
  const unsigned slot = read.what.slot;
  auto bytes = co_await self->open_and_read(slot, read.what.range, read.into);
  if (bytes) {
    read.bytes = *bytes;
    // A read that was given up may still come in: it serves, and the shard is trusted to be fast
    // again.
    if (read.state != Read::State::failed) {
      read.state = Read::State::done;
      if (self->slots_[slot].health != Health::bad) self->slots_[slot].health = Health::good;
    }
  } else {
    read.state = Read::State::failed;
    self->failed(slot, bytes.error());
    read.error = std::move(bytes.error());
  }
  fetch->events.push(true);
}

io::Task<Result<void>> ShardSet::start(std::shared_ptr<Fetch> fetch, std::vector<Need> reads) {
  std::size_t room = 0;
  for (const Need& n : reads)
    room += drive::shard_read_room(n.range.begin, static_cast<std::size_t>(n.range.length()));
  if (room == 0) co_return Result<void>{};
  CAIRN_CO_ASSIGN(std::shared_ptr<io::Block> block, co_await memory_.allocate(room));
  io::MutableBytes free = block->bytes();
  io::Executor& executor = io::Executor::current();
  for (const Need& n : reads) {
    const std::size_t part =
        drive::shard_read_room(n.range.begin, static_cast<std::size_t>(n.range.length()));
    fetch->reads.push_back(
        Read{.what = n, .started = executor.now(), .block = block, .into = free.first(part)});
    free = free.subspan(part);
    // What the page cache holds is here when this returns: nothing waits, no timer is set.
    run_now(run(shared_from_this(), fetch, fetch->reads.size() - 1));
  }
  co_return Result<void>{};
}

// The needed shards themselves, but for those known to be bad; and those known to be slow where
// others can stand in.
std::vector<ShardSet::Need> ShardSet::first_reads(const std::vector<Need>& needs) const {
  std::size_t quick = 0;
  for (const Slot& s : slots_)
    if (s.health == Health::unknown || s.health == Health::good) ++quick;
  std::vector<Need> reads;
  for (const Need& n : needs) {
    if (!usable(n.slot)) continue;
    if (slots_[n.slot].health == Health::slow && quick >= stripes_.data_shards()) continue;
    reads.push_back(n);
  }
  return reads;
}

// Up to `want` more shards to read `range` from: quick ones first, slow ones where nothing else is
// left.
std::vector<ShardSet::Need> ShardSet::substitutes(const Fetch& fetch, Stripes::Range range,
                                                  std::size_t want) const {
  std::vector<Need> out;
  for (const bool slow : {false, true}) {
    for (unsigned slot = 0; slot < slots_.size() && out.size() < want; ++slot) {
      if (!usable(slot) || (slots_[slot].health == Health::slow) != slow) continue;
      const bool asked = std::ranges::any_of(fetch.reads, [&](const Read& r) {
        return r.what.slot == slot && r.state != Read::State::failed && r.what.range.covers(range);
      });
      if (!asked) out.push_back({slot, range});
    }
  }
  return out;
}

// Sees to it that k shards with `hull` are on their way or here. True: they are here.
io::Task<Result<bool>> ShardSet::substitute(std::shared_ptr<Fetch> fetch, Stripes::Range hull,
                                            bool waiting) {
  using State = Read::State;
  std::size_t have = 0, coming = 0, late = 0;
  for (unsigned slot = 0; slot < slots_.size(); ++slot) {
    if (fetch->find(slot, hull, State::done))
      ++have;
    else if (fetch->find(slot, hull, State::running))
      ++coming;
    else if (fetch->find(slot, hull, State::late))
      ++late;
  }
  const std::size_t k = stripes_.data_shards();
  if (have >= k) co_return !waiting;
  if (have + coming >= k) co_return false;
  std::vector<Need> more = substitutes(*fetch, hull, k - have - coming);
  if (have + coming + late + more.size() < k) co_return too_few();
  if (!more.empty()) CAIRN_CO_TRY(co_await start(fetch, std::move(more)));
  co_return false;
}

// Reads until every need is answered or k shards are there to compute what is not.
io::Task<Result<void>> ShardSet::gather(std::shared_ptr<Fetch> fetch) {
  using State = Read::State;
  for (;;) {
    bool waiting = false, missing = false;
    Stripes::Range hull{};
    for (const Need& n : fetch->needs) {
      if (fetch->find(n.slot, n.range, State::done)) continue;
      if (fetch->find(n.slot, n.range, State::running)) {
        waiting = true;
        continue;
      }
      hull = missing ? hull.with(n.range) : n.range;
      missing = true;
    }
    if (!waiting && !missing) co_return Result<void>{};
    if (missing) {
      CAIRN_CO_ASSIGN(const bool complete, co_await substitute(fetch, hull, waiting));
      if (complete) co_return Result<void>{};
    }
    co_await wait(fetch);
  }
}

// Waits for a read to end, or to be late (another is then started in its place), or to be given up.
io::Task<void> ShardSet::wait(std::shared_ptr<Fetch> fetch) {
  using State = Read::State;
  std::optional<io::Instant> next;
  for (const Read& r : fetch->reads) {
    if (r.state != State::running && r.state != State::late) continue;
    const io::Instant at =
        r.started + (r.state == State::running ? options_.hedge_delay : options_.call_deadline);
    if (!next || at < *next) next = at;
  }
  if (!next) co_return;  // all ended while memory was waited for
  auto event = co_await fetch->events.pop(next);
  if (event) co_return;
  const io::Instant now = io::Executor::current().now();
  for (Read& r : fetch->reads) {
    if (r.state == State::running && now >= r.started + options_.hedge_delay) {
      r.state = State::late;
      if (usable(r.what.slot)) slots_[r.what.slot].health = Health::slow;
    }
    if (r.state == State::late && now >= r.started + options_.call_deadline) {
      r.state = State::failed;
      give_up(r.what.slot);
    }
  }
}

void ShardSet::give_up(unsigned slot) {
  if (const auto& device = slots_[slot].device ? slots_[slot].device : slots_[slot].devices.front())
    device->missed();
  failed(slot, Error{Code::timeout, "the drive did not answer in time"});
}

// What was read, and what is computed from k shards.
io::Task<Result<std::vector<io::Slice>>> ShardSet::assemble(std::shared_ptr<Fetch> fetch) {
  std::vector<io::Slice> out(fetch->needs.size());
  std::vector<std::size_t> lost;
  Stripes::Range hull{};
  for (std::size_t i = 0; i < fetch->needs.size(); ++i) {
    const Need& n = fetch->needs[i];
    if (const Read* r = fetch->find(n.slot, n.range, Read::State::done)) {
      out[i] = {r->block,
                r->bytes.subspan(static_cast<std::size_t>(n.range.begin - r->what.range.begin),
                                 static_cast<std::size_t>(n.range.length()))};
      continue;
    }
    hull = lost.empty() ? n.range : hull.with(n.range);
    lost.push_back(i);
  }
  if (lost.empty()) co_return out;

  const auto length = static_cast<std::size_t>(hull.length());
  CAIRN_CO_ASSIGN(std::shared_ptr<io::Block> block,
                  co_await memory_.allocate(length * lost.size()));
  std::vector<erasure::Code::Have> have;
  for (unsigned slot = 0; slot < slots_.size() && have.size() < stripes_.data_shards(); ++slot)
    if (const Read* r = fetch->find(slot, hull, Read::State::done))
      have.push_back({slot, r->bytes.data() + (hull.begin - r->what.range.begin)});
  CAIRN_ASSERT(have.size() == stripes_.data_shards());
  std::vector<erasure::Code::Want> want;
  for (std::size_t i = 0; i < lost.size(); ++i) {
    const Need& n = fetch->needs[lost[i]];
    const io::MutableBytes room = block->bytes().subspan(i * length, length);
    want.push_back({n.slot, room.data()});
    out[lost[i]] = {block,
                    io::Bytes(room).subspan(static_cast<std::size_t>(n.range.begin - hull.begin),
                                            static_cast<std::size_t>(n.range.length()))};
  }
  CAIRN_CO_TRY(code_->reconstruct(have, want, length));
  co_return out;
}

Error ShardSet::too_few() const {
  const bool gone = std::ranges::any_of(slots_, [](const Slot& s) { return s.gone; });
  if (gone)
    return Error{Code::conflict,
                 "shards of data " + part_.data_id.hex() +
                     " are gone: the version was replaced meanwhile, or is damaged"};
  return Error{Code::unavailable, "fewer than " + std::to_string(stripes_.data_shards()) +
                                      " shards of data " + part_.data_id.hex() + " can be read"};
}

io::Task<Result<std::vector<io::Slice>>> ShardSet::fetch(std::vector<Need> needs) {
  auto self = shared_from_this();
  auto fetch = std::make_shared<Fetch>();
  fetch->needs = std::move(needs);
  CAIRN_CO_TRY(co_await start(fetch, first_reads(fetch->needs)));
  CAIRN_CO_TRY(co_await gather(fetch));
  co_return co_await assemble(fetch);
}

io::Task<Result<io::Slice>> ShardSet::read_one(unsigned slot, Stripes::Range range) {
  auto self = shared_from_this();
  if (!usable(slot)) co_return Error{Code::unavailable, "the drive of the shard is away"};
  auto fetch = std::make_shared<Fetch>();
  fetch->needs = {{slot, range}};
  CAIRN_CO_TRY(co_await start(fetch, fetch->needs));
  const io::Instant deadline = io::Executor::current().now() + options_.call_deadline;
  auto event = co_await fetch->events.pop(deadline);
  Read& read = fetch->reads.front();
  if (!event) {
    read.state = Read::State::failed;
    give_up(slot);
    co_return Error{Code::timeout, "the drive did not answer in time"};
  }
  if (read.state == Read::State::done) co_return io::Slice{read.block, read.bytes};
  CAIRN_ASSERT(read.error.has_value());
  co_return Error{*read.error};
}

}  // namespace cairn::store
