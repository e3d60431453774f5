#include "control/format.h"

#include <array>

#include "base/assert.h"
#include "crypto/digest.h"

namespace cairn::control::format {
namespace {

constexpr std::size_t kChecksum = 8;
constexpr std::size_t kHeader = 8 + 8 + 8 + kChecksum;  // magic, epoch, revision
constexpr std::string_view kRecordMagic = "\xC4rec";
constexpr std::size_t kRecordHeader = 4 + 4 + 8 + 8;  // magic, length, revision, durable
constexpr std::size_t kMaxPayload = kMaxCommitBytes + (1u << 20);

// "CRNCTL", what the file is, format version.
std::string magic(char kind) {
  return std::string("CRNCTL") + kind + '\x01';
}

// Numbers are little endian.
template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFF));
}
void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
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
  std::string_view text() { return bytes(number<std::uint32_t>()); }
  bool complete() const { return !failed_ && left_.empty(); }
  bool failed() const { return failed_; }

 private:
  std::string_view left_;
  bool failed_ = false;
};

Error corrupt(const char* what) {
  return Error{Code::corrupt, what};
}

void seal(std::string& out) {
  put(out, crypto::xxh3_64(as_bytes(out)));
}

// What a sealed file holds after its magic; nothing if it is not such a file or damaged.
std::optional<std::string_view> unsealed(std::string_view bytes, char kind) {
  const auto expected = magic(kind);
  if (bytes.size() < expected.size() + kChecksum || !bytes.starts_with(expected))
    return std::nullopt;
  const auto covered = bytes.substr(0, bytes.size() - kChecksum);
  Reader sum(bytes.substr(covered.size()));
  if (sum.number<std::uint64_t>() != crypto::xxh3_64(as_bytes(covered))) return std::nullopt;
  return covered.substr(expected.size());
}

struct Frame {
  std::uint64_t revision = 0;
  std::uint64_t durable = 0;
  std::string_view payload;
  std::size_t size = 0;
};

// The intact frame at the front of `bytes`, if there is one. The epoch seeds the checksum.
std::optional<Frame> frame_at(std::string_view bytes, std::uint64_t epoch) {
  if (!bytes.starts_with(kRecordMagic)) return std::nullopt;
  Reader reader(bytes.substr(kRecordMagic.size()));
  const auto length = reader.number<std::uint32_t>();
  Frame frame;
  frame.revision = reader.number<std::uint64_t>();
  frame.durable = reader.number<std::uint64_t>();
  if (length > kMaxPayload) return std::nullopt;
  frame.payload = reader.bytes(length);
  const auto sum = reader.number<std::uint64_t>();
  const std::size_t covered = kRecordHeader + length;
  if (reader.failed() || sum != crypto::xxh3_64(as_bytes(bytes.substr(0, covered)), epoch))
    return std::nullopt;
  frame.size = covered + kChecksum;
  return frame;
}

// Whether records from `missing` on had been synced: then an intact later record says so, and its
// loss is damage, not the torn end of the last write.
bool was_synced(std::string_view rest, std::uint64_t epoch, std::uint64_t missing) {
  for (std::size_t at = rest.find(kRecordMagic); at != rest.npos;
       at = rest.find(kRecordMagic, at + 1)) {
    const auto frame = frame_at(rest.substr(at), epoch);
    if (frame && frame->durable >= missing) return true;
  }
  return false;
}

std::optional<std::vector<Change>> decode_changes(std::string_view payload) {
  Reader reader(payload);
  const auto count = reader.number<std::uint32_t>();
  std::vector<Change> changes;
  for (std::uint32_t i = 0; i < count && !reader.failed(); ++i) {
    Change change{std::string(reader.text()), std::nullopt};
    const auto has_value = reader.number<std::uint8_t>();
    if (has_value > 1) return std::nullopt;
    if (has_value == 1) change.value = std::string(reader.text());
    changes.push_back(std::move(change));
  }
  if (!reader.complete()) return std::nullopt;
  return changes;
}

}  // namespace

std::string encode_promise(std::uint64_t epoch) {
  auto out = magic('E');
  put(out, epoch);
  seal(out);
  return out;
}

Result<std::uint64_t> decode_promise(std::string_view bytes) {
  const auto body = unsealed(bytes, 'E');
  if (!body) return corrupt("control store: the epoch file is damaged");
  Reader reader(*body);
  const auto epoch = reader.number<std::uint64_t>();
  if (!reader.complete() || epoch == 0)
    return corrupt("control store: the epoch file is malformed");
  return epoch;
}

std::string encode_snapshot(std::uint64_t epoch, const State& state) {
  auto out = magic('S');
  put(out, epoch);
  put(out, state.revision);
  put(out, static_cast<std::uint64_t>(state.items.size()));
  for (const auto& [key, item] : state.items) {
    put_text(out, key);
    put_text(out, item.value);
    put(out, item.mod_revision);
  }
  seal(out);
  return out;
}

Result<Snapshot> decode_snapshot(std::string_view bytes) {
  const auto body = unsealed(bytes, 'S');
  if (!body) return corrupt("control store: the snapshot is damaged");
  Reader reader(*body);
  Snapshot snapshot;
  snapshot.epoch = reader.number<std::uint64_t>();
  snapshot.state.revision = reader.number<std::uint64_t>();
  const auto count = reader.number<std::uint64_t>();
  auto& items = snapshot.state.items;
  for (std::uint64_t i = 0; i < count && !reader.failed(); ++i) {
    std::string key(reader.text());
    State::Item item{std::string(reader.text()), reader.number<std::uint64_t>()};
    if (item.mod_revision == 0 || item.mod_revision > snapshot.state.revision ||
        (!items.empty() && key <= items.rbegin()->first))
      return corrupt("control store: the snapshot is malformed");
    items.emplace_hint(items.end(), std::move(key), std::move(item));
  }
  if (!reader.complete()) return corrupt("control store: the snapshot is malformed");
  return snapshot;
}

std::string log_name(std::uint64_t epoch, std::uint64_t revision) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "log-%016llx-%016llx",
                static_cast<unsigned long long>(epoch), static_cast<unsigned long long>(revision));
  return text.data();
}

bool is_log_name(std::string_view name) {
  return name.starts_with("log-");
}

std::string encode_log_header(std::uint64_t epoch, std::uint64_t revision) {
  auto out = magic('L');
  put(out, epoch);
  put(out, revision);
  seal(out);
  CAIRN_ASSERT(out.size() == kHeader);
  return out;
}

std::size_t record_bytes(const std::vector<Change>& changes) {
  std::size_t total = 0;
  for (const auto& change : changes)
    total += change.key.size() + (change.value ? change.value->size() : 0);
  return total;
}

void append_record(std::string& out, std::uint64_t epoch, std::uint64_t revision,
                   std::uint64_t durable, const std::vector<Change>& changes) {
  const std::size_t begin = out.size();
  out.append(kRecordMagic);
  put(out, std::uint32_t{0});  // length, below
  put(out, revision);
  put(out, durable);
  put(out, static_cast<std::uint32_t>(changes.size()));
  for (const auto& change : changes) {
    put_text(out, change.key);
    put(out, static_cast<std::uint8_t>(change.value ? 1 : 0));
    if (change.value) put_text(out, *change.value);
  }
  const std::size_t length = out.size() - begin - kRecordHeader;
  CAIRN_ASSERT(length <= kMaxPayload);
  std::string length_bytes;
  put(length_bytes, static_cast<std::uint32_t>(length));
  out.replace(begin + kRecordMagic.size(), length_bytes.size(), length_bytes);
  put(out, crypto::xxh3_64(as_bytes(out).subspan(begin), epoch));
}

Result<std::vector<Record>> decode_log(std::string_view bytes, std::uint64_t epoch,
                                       std::uint64_t revision) {
  // The header is written with the file's name, never torn.
  if (bytes.substr(0, kHeader) != encode_log_header(epoch, revision))
    return corrupt("control store: the log's header is damaged or another log's");
  bytes.remove_prefix(kHeader);
  std::vector<Record> records;
  while (!bytes.empty()) {
    const std::uint64_t expected = revision + records.size() + 1;
    const auto frame = frame_at(bytes, epoch);
    if (!frame) {
      if (was_synced(bytes, epoch, expected))
        return corrupt("control store: records in the middle of the log are damaged");
      break;
    }
    auto changes = decode_changes(frame->payload);
    if (!changes || frame->revision != expected)
      return corrupt("control store: a record of the log is malformed");
    records.push_back({expected, std::move(*changes)});
    bytes.remove_prefix(frame->size);
  }
  return records;
}

}  // namespace cairn::control::format
