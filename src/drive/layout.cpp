#include "drive/layout.h"

#include <cstring>

#include "base/assert.h"
#include "crypto/digest.h"
#include "drive/blob_format.h"
#include "drive/codec.h"

namespace cairn::drive {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kLoggedVersion = 2;
constexpr std::size_t kStampBytes = 16;
constexpr std::size_t kRowIdBytes = 2 * kStampBytes;
constexpr std::size_t kUnitHeaderBytes = 9;  // kind, bucket id

enum RowFlags : std::uint8_t { kNullVersion = 1 };
enum PendingFlags : std::uint8_t { kWhole = 1, kBringsData = 2, kHasBase = 4 };
enum PutFlags : std::uint8_t { kPutNull = 1, kPutFresh = 2 };
enum PartitionFlags : std::uint8_t { kRebuilding = 1, kWiping = 2 };

Error corrupt(const char* what) {
  return Error{Code::corrupt, std::string("index: bad ") + what};
}

bool valid_kind(std::uint8_t kind) {
  return kind <= static_cast<std::uint8_t>(model::Record::DataKind::parts);
}

void put_summary(Writer& w, const Summary& summary) {
  w.u64(summary.rows).u8(summary.null_row ? 1 : 0);
  if (summary.null_row) w.stamp(summary.null_row->order).stamp(summary.null_row->stamp);
}

Summary get_summary(Decoder& d) {
  Summary s;
  s.rows = d.u64();
  if (d.u8() != 0) {
    RowId id;
    id.order = d.stamp();
    id.stamp = d.stamp();
    s.null_row = id;
  }
  return s;
}

void put_info(Writer& w, const RowInfo& info, bool fresh) {
  w.stamp(info.id.order).stamp(info.id.stamp);
  w.u8(static_cast<std::uint8_t>((info.null_version ? kPutNull : 0) | (fresh ? kPutFresh : 0)));
  w.u8(static_cast<std::uint8_t>(info.kind));
  if (info.kind != model::Record::DataKind::none) w.id(info.data_id);
}

bool get_info(Decoder& d, RowInfo& info, bool& fresh) {
  info.id.order = d.stamp();
  info.id.stamp = d.stamp();
  const auto flags = d.u8();
  info.null_version = flags & kPutNull;
  fresh = flags & kPutFresh;
  const auto kind = d.u8();
  if (!d.ok() || !valid_kind(kind)) return false;
  info.kind = static_cast<model::Record::DataKind>(kind);
  if (info.kind != model::Record::DataKind::none) info.data_id = d.id<model::ValueId>();
  return d.ok();
}

std::uint64_t inline_sum(const model::ValueId& data_id, std::string_view head, io::Bytes bytes) {
  // Two passes so that the bytes need not be copied behind the head: the sum of the data is the
  // seed of the rest.
  const std::uint64_t data = crypto::xxh3_64(bytes, crypto::xxh3_64(as_bytes(data_id.raw())));
  return crypto::xxh3_64(as_bytes(head), data);
}

}  // namespace

std::string row_key(std::string_view unit, const RowId& id) {
  Writer w(unit.size() + kRowIdBytes);
  w.raw(unit).stamp_inverted(id.order).stamp_inverted(id.stamp);
  return w.take();
}

std::size_t unit_key_length(std::string_view key) {
  if (key.size() <= kUnitHeaderBytes) return 0;
  std::size_t suffix = 0;
  switch (static_cast<model::UnitKind>(key[0])) {
    case model::UnitKind::object:
      break;
    case model::UnitKind::upload:
      suffix = 16;
      break;
    case model::UnitKind::part:
      suffix = 18;
      break;
    default:
      return 0;
  }
  const auto* end = static_cast<const char*>(
      std::memchr(key.data() + kUnitHeaderBytes, 0, key.size() - kUnitHeaderBytes));
  if (end == nullptr) return 0;
  const std::size_t length = static_cast<std::size_t>(end - key.data()) + 1 + suffix;
  return length <= key.size() ? length : 0;
}

std::optional<RecordKey> decode_record_key(std::string_view key) {
  const std::size_t unit = unit_key_length(key);
  if (unit == 0) return std::nullopt;
  RecordKey out{key.substr(0, unit), std::nullopt};
  if (key.size() == unit) return out;
  if (key.size() != unit + kRowIdBytes) return std::nullopt;
  Decoder d(key.substr(unit));
  RowId id;
  id.order = d.stamp_inverted();
  id.stamp = d.stamp_inverted();
  out.row = id;
  return out;
}

std::string row_prefix(const RowInfo& info) {
  Writer w(20);
  w.u8(kVersion).u8(info.null_version ? kNullVersion : 0).u8(static_cast<std::uint8_t>(info.kind));
  if (info.kind != model::Record::DataKind::none) w.id(info.data_id);
  return w.take();
}

Result<RowValue> decode_row(std::string_view value) {
  Decoder d(value);
  RowValue out;
  if (d.u8() != kVersion) return corrupt("row version");
  out.info.null_version = d.u8() & kNullVersion;
  const auto kind = d.u8();
  if (!d.ok() || !valid_kind(kind)) return corrupt("row");
  out.info.kind = static_cast<model::Record::DataKind>(kind);
  if (out.info.kind != model::Record::DataKind::none) out.info.data_id = d.id<model::ValueId>();
  if (!d.ok()) return corrupt("row");
  out.record = d.rest();
  return out;
}

Result<RowInfo> info_of(const Row& row) {
  auto record = model::decode_record(row.record);
  if (!record)
    return Error{Code::invalid_argument, "a row holds no record: " + record.error().message};
  RowInfo info;
  info.id = {row.order, row.stamp};
  info.null_version = record->version.null;
  info.kind = record->data_kind;
  if (info.kind != model::Record::DataKind::none) info.data_id = record->data.data_id;
  return info;
}

std::string encode_head(const HeadRow& head) {
  Writer w(64);
  w.u8(kVersion).stamp(head.head);
  put_summary(w, head.summary);
  return w.take();
}

Result<HeadRow> decode_head(std::string_view value) {
  Decoder d(value);
  if (d.u8() != kVersion) return corrupt("head version");
  HeadRow out;
  out.head = d.stamp();
  out.summary = get_summary(d);
  if (!d.ok() || !d.at_end()) return corrupt("head");
  return out;
}

std::string encode_pending(const Pending& p) {
  Writer w(96 + 50 * (p.puts.size() + p.drops.size()));
  w.u8(kVersion);
  w.u8(static_cast<std::uint8_t>((p.whole ? kWhole : 0) | (p.brings_data ? kBringsData : 0) |
                                 (p.base ? kHasBase : 0)));
  w.id(p.value);
  if (p.base) w.stamp(*p.base);
  w.u32(static_cast<std::uint32_t>(p.puts.size()));
  for (const auto& put : p.puts) put_info(w, put.info, put.fresh);
  w.u32(static_cast<std::uint32_t>(p.drops.size()));
  for (const auto& drop : p.drops) put_info(w, drop, false);
  w.u32(static_cast<std::uint32_t>(p.removes.size()));
  for (const auto& order : p.removes) w.stamp(order);
  put_summary(w, p.after);
  return w.take();
}

Result<Pending> decode_pending(const Stamp& stamp, std::string_view value) {
  Pending p;
  p.stamp = stamp;
  Decoder d(value);
  if (d.u8() != kVersion) return corrupt("pending version");
  const auto flags = d.u8();
  p.whole = flags & kWhole;
  p.brings_data = flags & kBringsData;
  p.value = d.id<model::ValueId>();
  if (flags & kHasBase) p.base = d.stamp();
  bool fresh = false;
  // Counts are not trusted with memory: every element takes bytes that must be there.
  for (auto n = d.u32(); n > 0; --n) {
    PendingPut put;
    if (!get_info(d, put.info, put.fresh)) return corrupt("pending put");
    p.puts.push_back(put);
  }
  for (auto n = d.u32(); n > 0; --n) {
    RowInfo drop;
    if (!get_info(d, drop, fresh)) return corrupt("pending drop");
    p.drops.push_back(drop);
  }
  for (auto n = d.u32(); n > 0; --n) {
    p.removes.push_back(d.stamp());
    if (!d.ok()) return corrupt("pending remove");
  }
  p.after = get_summary(d);
  if (!d.ok() || !d.at_end()) return corrupt("pending");
  return p;
}

std::string inline_header(const model::ValueId& data_id, std::uint8_t shard, io::Bytes bytes) {
  const char head[2] = {static_cast<char>(kVersion), static_cast<char>(shard)};
  Writer w(kInlineHeaderBytes);
  w.u64(inline_sum(data_id, {head, 2}, bytes)).raw({head, 2});
  return w.take();
}

Result<io::Slice> open_inline(const model::ValueId& data_id, io::Slice value) {
  Decoder d(as_text(value.bytes));
  const auto sum = d.u64();
  const auto head = d.raw(2);
  if (!d.ok() || static_cast<std::uint8_t>(head[0]) != kVersion)
    return Error{Code::corrupt, "inline shard " + data_id.hex() + ": bad header"};
  value.bytes = value.bytes.subspan(kInlineHeaderBytes);
  if (inline_sum(data_id, head, value.bytes) != sum)
    return Error{Code::corrupt, "inline shard " + data_id.hex() + ": checksum does not match"};
  return value;
}

LoggedShard logged_shard(std::uint8_t shard, const InlineShard& from) {
  return {shard, {}, block_table({from.data_id, shard}, from.pieces, from.sums), std::nullopt};
}

std::string encode_logged(const LoggedShard& shard) {
  CAIRN_ASSERT(!shard.whole_sum);
  Writer w(22 + shard.sums.size());
  w.u8(kLoggedVersion).u8(shard.shard).u64(shard.place.segment).u64(shard.place.offset);
  w.u32(shard.place.bytes).raw(shard.sums);
  return w.take();
}

Result<LoggedShard> decode_logged(std::string_view value) {
  Decoder d(value);
  const auto version = d.u8();
  LoggedShard shard;
  shard.shard = d.u8();
  shard.place.segment = d.u64();
  shard.place.offset = d.u64();
  shard.place.bytes = d.u32();
  if (version == kVersion)
    shard.whole_sum = d.u64();
  else
    shard.sums = d.raw(static_cast<std::size_t>(blob_blocks(shard.place.bytes)) * kBlockSumBytes);
  const bool known = version == kVersion || version == kLoggedVersion;
  if (!d.ok() || !d.at_end() || !known || shard.place.bytes == 0) return corrupt("logged shard");
  return shard;
}

bool matches(const model::ValueId& data_id, const LoggedShard& shard, std::uint64_t first,
             io::Bytes bytes) {
  if (!shard.whole_sum)
    return !damaged_block({data_id, shard.shard}, shard.sums, first, bytes).has_value();
  const char head[2] = {static_cast<char>(kVersion), static_cast<char>(shard.shard)};
  return inline_sum(data_id, {head, 2}, bytes) == *shard.whole_sum;
}

std::uint64_t unit_hash(std::string_view unit) {
  return crypto::xxh3_64(as_bytes(unit));
}

std::string ref_key(const BlobName& blob, std::uint64_t unit) {
  Writer w(25);
  w.id(blob.data_id).u8(blob.shard).u64(unit);
  return w.take();
}

std::optional<Ref> decode_ref(std::string_view key) {
  if (key.size() != 25) return std::nullopt;
  Decoder d(key);
  Ref ref;
  ref.blob.data_id = d.id<model::ValueId>();
  ref.blob.shard = d.u8();
  ref.unit = d.u64();
  return ref;
}

std::string blob_key(const BlobName& blob) {
  Writer w(17);
  w.id(blob.data_id).u8(blob.shard);
  return w.take();
}

std::optional<BlobName> decode_blob_key(std::string_view key) {
  if (key.size() != 17) return std::nullopt;
  Decoder d(key);
  BlobName blob;
  blob.data_id = d.id<model::ValueId>();
  blob.shard = d.u8();
  return blob;
}

std::string partition_key(model::PartitionId partition) {
  Writer w(5);
  w.u8('p').u32(partition.value);
  return w.take();
}

std::string encode_batch_number(std::uint64_t number) {
  Writer w(9);
  w.u8(kVersion).u64(number);
  return w.take();
}

Result<std::uint64_t> decode_batch_number(std::string_view value) {
  Decoder d(value);
  if (d.u8() != kVersion) return corrupt("version of the batch number");
  const std::uint64_t number = d.u64();
  if (!d.ok() || !d.at_end()) return corrupt("batch number");
  return number;
}

std::string encode_partition(const StoredPartition& p) {
  Writer w(48 + p.state.map_entry.size());
  w.u8(kVersion);
  w.u8(
      static_cast<std::uint8_t>((p.state.rebuilding ? kRebuilding : 0) | (p.wiping ? kWiping : 0)));
  w.u64(p.state.promised.value).u64(p.state.leader).u64(p.state.since.value);
  w.u64(p.state.map_epoch.value).text(p.state.map_entry);
  return w.take();
}

Result<StoredPartition> decode_partition(std::string_view key, std::string_view value) {
  if (key.size() != 5 || key[0] != 'p') return corrupt("partition key");
  StoredPartition p;
  p.state.partition = model::PartitionId{Decoder(key.substr(1)).u32()};
  Decoder d(value);
  if (d.u8() != kVersion) return corrupt("partition version");
  const auto flags = d.u8();
  p.state.rebuilding = flags & kRebuilding;
  p.wiping = flags & kWiping;
  p.state.promised = model::Term{d.u64()};
  p.state.leader = d.u64();
  p.state.since = model::MapEpoch{d.u64()};
  p.state.map_epoch = model::MapEpoch{d.u64()};
  p.state.map_entry = d.text();
  if (!d.ok() || !d.at_end()) return corrupt("partition");
  return p;
}

}  // namespace cairn::drive
