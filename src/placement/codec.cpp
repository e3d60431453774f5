// Maps and entries as bytes: docs/format/map.md.
#include <bit>
#include <cstring>
#include <unordered_map>

#include "base/assert.h"
#include "crypto/digest.h"
#include "placement/placement.h"

namespace cairn::placement {
namespace {

constexpr char kEnvelope = 1;
constexpr std::uint8_t kRebuilding = 1;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kMaxPartitions = 65'536;
constexpr std::size_t kMaxMembers = 16;

// Numbers are little endian.
template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFF));
}

// Reads from the front; once something is missing, everything is.
class Reader {
 public:
  explicit Reader(std::string_view text) : left_(text) {}
  template <class T>
  T number() {
    const auto raw = bytes(sizeof(T));
    std::uint64_t value = 0;
    for (std::size_t i = raw.size(); i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(raw[i]);
    return static_cast<T>(value);
  }
  std::string_view bytes(std::size_t n) {
    if (left_.size() < n) {
      failed_ = true;
      left_ = {};
      return {};
    }
    const auto out = left_.substr(0, n);
    left_.remove_prefix(n);
    return out;
  }
  model::DriveId drive() { return model::DriveId::from_raw(bytes(16)).value_or(model::DriveId{}); }
  std::size_t left() const { return left_.size(); }
  bool complete() const { return !failed_ && left_.empty(); }
  bool failed() const { return failed_; }

 private:
  std::string_view left_;
  bool failed_ = false;
};

std::uint64_t checksum(std::string_view text) {
  return crypto::xxh3_64(as_bytes(text));
}

Error corrupt(const char* what) {
  return Error{Code::corrupt, what};
}

bool get_member(Reader& reader, Member& member) {
  member.since = model::MapEpoch{reader.number<std::uint64_t>()};
  const auto flags = reader.number<std::uint8_t>();
  member.rebuilding = (flags & kRebuilding) != 0;
  return !reader.failed() && (flags & ~kRebuilding) == 0;
}
void put_member(std::string& out, const Member& member) {
  put(out, member.since.value);
  put(out, member.rebuilding ? kRebuilding : std::uint8_t{0});
}

bool all_distinct(const Entry& entry) {
  for (std::size_t i = 0; i < entry.members.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (entry.members[i].drive == entry.members[j].drive) return false;
  return true;
}

Result<Map> decode_body(Reader& reader) {
  Map map;
  map.epoch = model::MapEpoch{reader.number<std::uint64_t>()};
  map.profile.data = reader.number<std::uint8_t>();
  map.profile.parity = reader.number<std::uint8_t>();
  const auto partitions = reader.number<std::uint32_t>();
  const auto drives = reader.number<std::uint16_t>();
  if (reader.failed() || !model::profile_is_allowed(map.profile.data, map.profile.parity) ||
      !std::has_single_bit(partitions) || partitions > kMaxPartitions)
    return corrupt("map: bad header");
  const std::size_t members = map.profile.drives();
  // The size is checked before memory is taken for what it claims.
  if (reader.left() != drives * std::size_t{16} + partitions * members * 11)
    return corrupt("map: its size does not fit its header");
  std::vector<model::DriveId> table(drives);
  for (auto& id : table) id = reader.drive();
  map.partitions.resize(partitions);
  for (auto& entry : map.partitions) {
    entry.members.resize(members);
    for (auto& member : entry.members) {
      const auto index = reader.number<std::uint16_t>();
      if (index >= table.size() || !get_member(reader, member)) return corrupt("map: bad member");
      member.drive = table[index];
    }
    if (!all_distinct(entry)) return corrupt("map: a drive has two slots of a partition");
  }
  if (!reader.complete()) return corrupt("map: bytes after its end");
  return map;
}

}  // namespace

std::string encode_map(const Map& map) {
  std::vector<model::DriveId> table;
  std::unordered_map<model::DriveId, std::uint16_t> index;
  for (const auto& entry : map.partitions)
    for (const auto& member : entry.members)
      if (index.try_emplace(member.drive, static_cast<std::uint16_t>(table.size())).second)
        table.push_back(member.drive);
  CAIRN_ASSERT(table.size() <= UINT16_MAX && map.partitions.size() <= kMaxPartitions);
  std::string out;
  out.push_back(kEnvelope);
  put(out, map.epoch.value);
  put(out, map.profile.data);
  put(out, map.profile.parity);
  put(out, static_cast<std::uint32_t>(map.partitions.size()));
  put(out, static_cast<std::uint16_t>(table.size()));
  for (const auto& id : table) out.append(id.raw());
  for (const auto& entry : map.partitions) {
    CAIRN_ASSERT(entry.members.size() == map.profile.drives());
    for (const auto& member : entry.members) {
      put(out, index.at(member.drive));
      put_member(out, member);
    }
  }
  put(out, checksum(out));
  return out;
}

Result<Map> decode_map(std::string_view bytes) {
  if (bytes.size() < 1 + kChecksumBytes || bytes[0] != kEnvelope)
    return corrupt("map: unknown envelope");
  const auto covered = bytes.substr(0, bytes.size() - kChecksumBytes);
  Reader tail(bytes.substr(covered.size()));
  if (tail.number<std::uint64_t>() != checksum(covered)) return corrupt("map: wrong checksum");
  Reader reader(covered.substr(1));
  return decode_body(reader);
}

std::string encode_entry(const Entry& entry) {
  CAIRN_ASSERT(entry.members.size() <= kMaxMembers);
  std::string out;
  out.push_back(kEnvelope);
  put(out, static_cast<std::uint8_t>(entry.members.size()));
  for (const auto& member : entry.members) {
    out.append(member.drive.raw());
    put_member(out, member);
  }
  return out;
}

Result<Entry> decode_entry(std::string_view bytes) {
  Reader reader(bytes);
  if (reader.number<std::uint8_t>() != kEnvelope) return corrupt("map entry: unknown envelope");
  const auto count = reader.number<std::uint8_t>();
  if (reader.failed() || count > kMaxMembers) return corrupt("map entry: bad header");
  Entry entry;
  for (unsigned i = 0; i < count; ++i) {
    auto& member = entry.members.emplace_back();
    member.drive = reader.drive();
    if (!get_member(reader, member)) return corrupt("map entry: bad member");
  }
  if (!reader.complete() || !all_distinct(entry)) return corrupt("map entry: malformed");
  return entry;
}

}  // namespace cairn::placement
