#include "store/shard_repair.h"

#include <algorithm>
#include <cstring>

#include "erasure/erasure.h"
#include "store/shard_set.h"
#include "store/within.h"

namespace cairn::store {
namespace {

using Writer = std::shared_ptr<drive::BlobWriter>;
using Reader = std::shared_ptr<drive::ShardReader>;

// Drive calls that own what they use, so that they can be left behind at a deadline.
io::Task<Result<Reader>> open_on(std::shared_ptr<Device> device, drive::BlobName name) {
  DeviceCall call(std::move(device));
  if (!call) co_return Error{Code::drive_failed, "the drive is out of service"};
  auto reader = co_await call->open_blob(name);
  if (!reader) co_return Error{std::move(reader.error())};
  co_return Reader(std::move(*reader));
}

io::Task<Result<io::Bytes>> read_on(std::shared_ptr<Device> device, Reader reader,
                                    Stripes::Range range, std::shared_ptr<io::Block> block) {
  DeviceCall call(std::move(device));
  if (!call) co_return Error{Code::drive_failed, "the drive is out of service"};
  co_return co_await reader->read(range.begin, static_cast<std::size_t>(range.length()),
                                  block->bytes());
}

io::Task<Result<Writer>> create_on(std::shared_ptr<Device> device, drive::BlobName name) {
  DeviceCall call(std::move(device));
  if (!call) co_return Error{Code::drive_failed, "the drive is out of service"};
  auto writer = co_await call->create_blob(name);
  if (!writer) co_return Error{std::move(writer.error())};
  co_return Writer(std::move(*writer));
}

io::Task<Result<void>> append_on(std::shared_ptr<Device> device, Writer writer, io::Slice bytes) {
  DeviceCall call(std::move(device));
  if (!call) co_return Error{Code::drive_failed, "the drive is out of service"};
  drive::ShardBytes data{{bytes.bytes}, {}};
  co_return co_await writer->append(std::move(data));
}

io::Task<Result<void>> finish_on(std::shared_ptr<Device> device, Writer writer) {
  DeviceCall call(std::move(device));
  if (!call) co_return Error{Code::drive_failed, "the drive is out of service"};
  co_return co_await writer->finish();
}

io::Task<Result<io::Slice>> read_inline_on(std::shared_ptr<Device> device, model::ValueId data_id) {
  DeviceCall call(std::move(device));
  if (!call) co_return Error{Code::drive_failed, "the drive is out of service"};
  co_return co_await call->read_inline(data_id);
}

io::Task<Result<void>> quarantine_on(std::shared_ptr<Device> device, drive::BlobName name,
                                     bool is_inline) {
  DeviceCall call(std::move(device));
  if (!call) co_return Error{Code::drive_failed, "the drive is out of service"};
  co_return co_await call->quarantine(name, is_inline);
}

// What an error of a read says about the shard; none: the drive did not answer.
std::optional<ShardRebuilder::Finding> finding_of(Code code) {
  if (code == Code::not_found) return ShardRebuilder::Finding::missing;
  if (code == Code::corrupt || code == Code::io_error) return ShardRebuilder::Finding::damaged;
  return std::nullopt;
}

}  // namespace

OnDamage ShardRepair::damage_of(const model::UnitKey& unit) const {
  if (!on_damage_) return {};
  return
      [told = on_damage_, unit](unsigned slot, const model::DataPart& part, bool is_inline,
                                const Error& error) { told(unit, slot, part, is_inline, error); };
}

ReadContext ShardRepair::context(const model::UnitKey& unit,
                                 std::shared_ptr<const PartitionView> view) const {
  return ReadContext{memory_, options_, std::move(view), damage_of(unit)};
}

// As context(), but silent about the shard that is being replaced: somebody told of it would put
// the new one aside.
ReadContext ShardRepair::context_beside(const model::UnitKey& unit,
                                        std::shared_ptr<const PartitionView> view,
                                        unsigned slot) const {
  ReadContext out = context(unit, std::move(view));
  if (!out.on_damage) return out;
  out.on_damage = [told = std::move(out.on_damage), slot](unsigned s, const model::DataPart& part,
                                                          bool is_inline, const Error& error) {
    if (s != slot) told(s, part, is_inline, error);
  };
  return out;
}

// Bytes of a shard handled at once: k + 1 times this is held in memory.
std::size_t ShardRepair::step(const model::DataPart& part) const {
  const std::size_t share = options_.read_batch_bytes / part.layout.profile.data;
  return std::max(drive::kShardBlockBytes,
                  share / drive::kShardBlockBytes * drive::kShardBlockBytes);
}

io::Task<Result<void>> ShardRepair::quarantine(std::shared_ptr<Device> device, drive::BlobName name,
                                               bool is_inline) {
  return within<void>(options_.call_deadline, quarantine_on(std::move(device), name, is_inline));
}

io::Task<Result<ShardRebuilder::Checked>> ShardRepair::check_blob(std::shared_ptr<Device> device,
                                                                  model::DataPart part,
                                                                  unsigned slot) {
  const std::uint64_t size = Stripes(part.layout, part.size).shard_size();
  const drive::BlobName name{part.data_id, static_cast<std::uint8_t>(slot)};
  Checked checked;
  auto reader = co_await within<Reader>(options_.call_deadline, open_on(device, name));
  if (reader && (*reader)->size() != size) {
    checked.finding = Finding::damaged;
    co_return checked;
  }
  const std::size_t length = step(part);
  std::shared_ptr<io::Block> block;
  Code failure = reader ? Code::internal : reader.code();
  Error why = reader ? Error{Code::internal, ""} : Error{reader.error()};
  while (reader && checked.bytes < size) {
    // A block of its own for each read: one that is left behind at its deadline still writes into
    // it.
    auto room = co_await memory_.allocate(length);
    if (!room) co_return Error{std::move(room.error())};
    block = std::move(*room);
    const Stripes::Range range{checked.bytes,
                               std::min<std::uint64_t>(size, checked.bytes + length)};
    auto bytes =
        co_await within<io::Bytes>(options_.call_deadline, read_on(device, *reader, range, block));
    if (!bytes) {
      failure = bytes.code();
      why = std::move(bytes.error());
      break;
    }
    checked.bytes = range.end;
  }
  if (reader && checked.bytes == size) co_return checked;
  const auto finding = finding_of(failure);
  if (!finding) co_return why;
  checked.finding = *finding;
  co_return checked;
}

io::Task<Result<ShardRebuilder::Checked>> ShardRepair::check_inline(std::shared_ptr<Device> device,
                                                                    model::DataPart part) {
  Checked checked;
  auto bytes =
      co_await within<io::Slice>(options_.call_deadline, read_inline_on(device, part.data_id));
  if (bytes) {
    checked.bytes = bytes->bytes.size();
    if (checked.bytes != Stripes(part.layout, part.size).shard_size())
      checked.finding = Finding::damaged;
    co_return checked;
  }
  const auto finding = finding_of(bytes.code());
  if (!finding) co_return Error{std::move(bytes.error())};
  checked.finding = *finding;
  co_return checked;
}

io::Task<Result<ShardRebuilder::Checked>> ShardRepair::check(model::UnitKey unit,
                                                             model::DataPart part, bool is_inline,
                                                             unsigned slot) {
  const auto view = members_.view_of(unit);
  if (!Stripes::valid(part.layout) || slot >= view->members.size())
    co_return Error{Code::corrupt, "data " + part.data_id.hex() + " has a layout that cannot be"};
  std::shared_ptr<Device> device = view->members[slot].device;
  if (is_inline) co_return co_await check_inline(std::move(device), std::move(part));
  co_return co_await check_blob(std::move(device), std::move(part), slot);
}

io::Task<Result<void>> ShardRepair::copy(std::shared_ptr<ShardSet> set,
                                         std::shared_ptr<Device> device, unsigned slot) {
  const io::Duration limit = options_.call_deadline;
  const drive::BlobName name{set->part().data_id, static_cast<std::uint8_t>(slot)};
  CAIRN_CO_ASSIGN(Writer writer, co_await within<Writer>(limit, create_on(device, name)));
  const std::uint64_t size = set->stripes().shard_size();
  const std::size_t length = step(set->part());
  for (std::uint64_t at = 0; at < size; at += length) {
    std::vector<ShardSet::Need> need{{slot, {at, std::min<std::uint64_t>(size, at + length)}}};
    auto bytes = co_await set->fetch(std::move(need));
    if (!bytes && bytes.code() != Code::slow_down)
      co_return set->lost()
          ? Error{Code::corrupt, "fewer than k shards of data " + name.data_id.hex() + " exist"}
          : Error{Code::unavailable, std::move(bytes.error().message)};
    if (!bytes) co_return Error{std::move(bytes.error())};
    CAIRN_CO_TRY(
        co_await within<void>(limit, append_on(device, writer, std::move(bytes->front()))));
  }
  co_return co_await within<void>(limit, finish_on(device, writer));
}

io::Task<Result<void>> ShardRepair::rebuild_blob(model::UnitKey unit, model::DataPart part,
                                                 unsigned slot) {
  // 1. What is there already.
  const auto view = members_.view_of(unit);
  CAIRN_CO_ASSIGN(const Checked before, co_await check(unit, part, false, slot));
  if (before.finding == Finding::whole) co_return Result<void>{};
  const std::shared_ptr<Device> device = view->members[slot].device;
  if (before.finding == Finding::damaged) {
    CAIRN_CO_TRY(co_await replaceable(unit, part, false, slot));
    CAIRN_CO_TRY(
        co_await quarantine(device, {part.data_id, static_cast<std::uint8_t>(slot)}, false));
  }

  // 2. Computed from k others, written and synced.
  auto set = ShardSet::make(memory_, options_, view, part, false, damage_of(unit));
  if (!set) co_return Error{std::move(set.error())};
  (*set)->exclude(slot);
  CAIRN_CO_TRY(co_await copy(*set, device, slot));

  // 3. Proven by reading it back.
  CAIRN_CO_ASSIGN(const Checked after, co_await check_blob(device, part, slot));
  if (after.finding != Finding::whole)
    co_return Error{Code::io_error,
                    "the rebuilt shard of data " + part.data_id.hex() + " does not read back"};
  co_return Result<void>{};
}

// Whether k shards other than that of the member can be read, as far as their beginning tells.
io::Task<Result<void>> ShardRepair::replaceable(model::UnitKey unit, model::DataPart part,
                                                bool is_inline, unsigned slot) {
  const auto view = members_.view_of(unit);
  if (is_inline) {
    CAIRN_CO_ASSIGN(const InlineShards inlined,
                    co_await gather_inline(context_beside(unit, view, slot), part, {}, true));
    const unsigned others = inlined.have - (inlined.shards[slot].owner ? 1 : 0);
    if (others < part.layout.profile.data) co_return inlined.too_few(part);
    co_return Result<void>{};
  }
  auto set = ShardSet::make(memory_, options_, view, part, false, {});
  if (!set) co_return Error{std::move(set.error())};
  (*set)->exclude(slot);
  const std::uint64_t end =
      std::min<std::uint64_t>((*set)->stripes().shard_size(), drive::kShardBlockBytes);
  std::vector<ShardSet::Need> need{{slot, {0, end}}};
  auto bytes = co_await (*set)->fetch(std::move(need));
  if (bytes) co_return Result<void>{};
  co_return (*set)->lost() ? Error{Code::corrupt, "fewer than k shards exist"}
                           : Error{std::move(bytes.error())};
}

io::Task<Result<bool>> ShardRepair::put_aside(model::UnitKey unit, model::DataPart part,
                                              bool is_inline, unsigned slot) {
  CAIRN_CO_ASSIGN(const Checked checked, co_await check(unit, part, is_inline, slot));
  if (checked.finding == Finding::whole) co_return false;
  if (checked.finding == Finding::damaged)
    CAIRN_CO_TRY(co_await replaceable(unit, part, is_inline, slot));
  const auto view = members_.view_of(unit);
  CAIRN_CO_TRY(co_await quarantine(view->members[slot].device,
                                   {part.data_id, static_cast<std::uint8_t>(slot)}, is_inline));
  co_return true;
}

io::Task<Result<void>> ShardRepair::condemn(model::UnitKey unit, model::DataPart part,
                                            bool is_inline, unsigned slot) {
  CAIRN_CO_TRY(co_await replaceable(unit, part, is_inline, slot));
  const auto view = members_.view_of(unit);
  co_return co_await quarantine(view->members[slot].device,
                                {part.data_id, static_cast<std::uint8_t>(slot)}, is_inline);
}

io::Task<Result<io::Slice>> ShardRepair::rebuild_inline(model::UnitKey unit, model::DataPart part,
                                                        unsigned slot) {
  const auto view = members_.view_of(unit);
  if (slot >= view->members.size()) co_return Error{Code::invalid_argument, "no such slot"};
  CAIRN_CO_ASSIGN(const Checked before, co_await check(unit, part, true, slot));
  if (before.finding == Finding::damaged) {
    CAIRN_CO_TRY(co_await replaceable(unit, part, true, slot));
    CAIRN_CO_TRY(co_await quarantine(view->members[slot].device,
                                     {part.data_id, static_cast<std::uint8_t>(slot)}, true));
  }
  CAIRN_CO_ASSIGN(InlineShards inlined,
                  co_await gather_inline(context_beside(unit, view, slot), part, {}, false));
  const unsigned k = part.layout.profile.data;
  if (inlined.have < k) {
    // Those not asked are not known to be lost; then every slot was asked in vain.
    if (view->members.size() - inlined.lost < k)
      co_return Error{Code::corrupt,
                      "fewer than k shards of data " + part.data_id.hex() + " exist"};
    co_return Error{Code::unavailable, inlined.too_few(part).message};
  }
  std::vector<unsigned> wanted{slot};
  CAIRN_CO_TRY(co_await reconstruct_inline(memory_, part, inlined, std::move(wanted)));
  co_return inlined.shards[slot];
}

namespace {

using Have = erasure::Code::Have;

// Whether `present`, more than k shards, belong together.
Result<bool> belong_together(const erasure::Code& code, const std::vector<Have>& present,
                             std::size_t length, io::MutableBytes scratch) {
  const std::size_t k = code.profile().data;
  const std::span<const Have> base(present.data(), k);
  for (std::size_t i = k; i < present.size(); ++i) {
    const erasure::Code::Want want{present[i].index, scratch.data()};
    CAIRN_TRY(code.reconstruct(base, std::span(&want, 1), length));
    if (std::memcmp(scratch.data(), present[i].bytes, length) != 0) return false;
  }
  return true;
}

// The only shard without which the others belong together; none if that does not single one out.
Result<std::optional<unsigned>> odd_one(const erasure::Code& code, const std::vector<Have>& present,
                                        std::size_t length, io::MutableBytes scratch) {
  std::optional<unsigned> odd;
  if (present.size() < code.profile().data + 2u) return odd;
  for (std::size_t i = 0; i < present.size(); ++i) {
    std::vector<Have> others = present;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    CAIRN_ASSIGN(const bool together, belong_together(code, others, length, scratch));
    if (!together) continue;
    if (odd) return std::optional<unsigned>{};
    odd = present[i].index;
  }
  return odd;
}

}  // namespace

io::Task<Result<ShardRepair::Consistency>> ShardRepair::compare(model::UnitKey unit,
                                                                model::DataPart part,
                                                                bool is_inline) {
  const auto view = members_.view_of(unit);
  const unsigned n = static_cast<unsigned>(view->members.size());
  auto set = ShardSet::make(memory_, options_, view, part, false, damage_of(unit));
  if (!set) co_return Error{std::move(set.error())};
  const auto code = erasure::Code::of(part.layout.profile);
  const std::uint64_t size = (*set)->stripes().shard_size();
  const std::size_t length = is_inline ? static_cast<std::size_t>(size) : step(part);
  Consistency result;
  // To the end also when a shard stands out: another may do so further on, and then none is
  // certain.
  for (std::uint64_t at = 0; at < size && (result.consistent || result.odd); at += length) {
    const Stripes::Range range{at, std::min<std::uint64_t>(size, at + length)};
    std::vector<io::Slice> shards(n);
    if (is_inline) {
      CAIRN_CO_ASSIGN(InlineShards inlined,
                      co_await gather_inline(context(unit, view), part, {}, true));
      shards = std::move(inlined.shards);
    } else {
      std::vector<io::Task<Result<io::Slice>>> reads;
      for (unsigned slot = 0; slot < n; ++slot) reads.push_back((*set)->read_one(slot, range));
      auto outcomes = co_await io::when_all(std::move(reads));
      for (unsigned slot = 0; slot < n; ++slot)
        if (outcomes[slot]) shards[slot] = std::move(*outcomes[slot]);
    }
    std::vector<Have> present;
    for (unsigned slot = 0; slot < n; ++slot)
      if (shards[slot].owner) present.push_back({slot, shards[slot].bytes.data()});
    const auto bytes = static_cast<std::size_t>(range.length());
    result.bytes += bytes * present.size();
    if (present.size() <= part.layout.profile.data)
      co_return Error{Code::unavailable, "there are no more than k shards to compare"};
    CAIRN_CO_ASSIGN(std::shared_ptr<io::Block> scratch, co_await memory_.allocate(bytes));
    CAIRN_CO_ASSIGN(const bool together, belong_together(*code, present, bytes, scratch->bytes()));
    if (together) continue;
    CAIRN_CO_ASSIGN(const auto odd, odd_one(*code, present, bytes, scratch->bytes()));
    if (result.consistent)
      result.odd = odd;
    else if (result.odd != odd)
      result.odd.reset();
    result.consistent = false;
  }
  co_return result;
}

}  // namespace cairn::store
