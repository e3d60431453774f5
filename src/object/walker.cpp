#include "object/walker.h"

#include <algorithm>

namespace cairn::object {
namespace {

constexpr std::size_t kMaxBatch = 1001;  // a full page and the proof that more follows
// With a delimiter that the drives are not asked to roll up by, a read may turn out to lie beneath
// one common prefix: begin small, grow while that is not so.
constexpr std::size_t kFirstBatch = 64;
constexpr std::size_t kMinBatch = 16;

// Where keys are stored, the bytes 00 and 01 are escaped by 01 01 and 01 02. A delimiter that
// begins with another byte than those of an escape is found there exactly where it is in the key.
std::optional<drive::ScanRequest::Groups> groups_of(const Walker::Options& options) {
  if (options.delimiter.empty() || static_cast<unsigned char>(options.delimiter[0]) <= 2)
    return std::nullopt;
  drive::ScanRequest::Groups out;
  out.delimiter = model::escape_key(options.delimiter);
  out.from = model::range_begin(options.kind, options.bucket, options.prefix).size();
  return out;
}

}  // namespace

Walker::Walker(store::Store& store, Options options)
    : store_(store),
      options_(std::move(options)),
      begin_(model::range_begin(options_.kind, options_.bucket, options_.prefix)),
      end_(model::range_end(options_.kind, options_.bucket, options_.prefix)),
      left_(options_.wanted + 1),
      groups_(groups_of(options_)),
      batch_(options_.delimiter.empty() || groups_ ? kMaxBatch : kFirstBatch) {}

void Walker::start_at(std::string begin) {
  if (begin > begin_) begin_ = std::move(begin);
}

void Walker::start_within(const std::string& marker, std::string begin) {
  const auto common = common_prefix(marker);
  start_at(common ? model::range_end(options_.kind, options_.bucket, *common) : std::move(begin));
}

void Walker::start_after(const std::string& marker) {
  if (marker.empty()) return;
  // A unit key is kind, bucket, escaped key and 00, and for uploads an id behind it: with 01
  // instead it is above all units of the key and below those of the next.
  std::string after = model::UnitKey::object(options_.bucket, marker).encoded();
  after[0] = static_cast<char>(options_.kind);
  after.back() = '\x01';
  start_within(marker, std::move(after));
}

std::optional<std::string> Walker::common_prefix(std::string_view key) const {
  if (options_.delimiter.empty() || !key.starts_with(options_.prefix)) return std::nullopt;
  const std::size_t at = key.find(options_.delimiter, options_.prefix.size());
  if (at == std::string_view::npos) return std::nullopt;
  return std::string(key.substr(0, at + options_.delimiter.size()));
}

std::string_view Walker::key_of(const store::ScanUnit& unit) {
  const std::string_view escaped = model::escaped_key_of(unit.key());
  if (escaped.find('\x01') == std::string_view::npos) return escaped;
  return held_->keys.emplace_back(unit.unit().object_key());
}

void Walker::skip_beneath(const std::string& common) {
  skip_until_ = model::range_end(options_.kind, options_.bucket, common);
  const auto& units = page_.units;
  const auto from = units.begin() + static_cast<std::ptrdiff_t>(at_);
  const auto next = std::partition_point(
      from, units.end(), [this](const store::ScanUnit& u) { return u.key() < skip_until_; });
  at_ = static_cast<std::size_t>(next - units.begin());
}

std::optional<Walker::Entry> Walker::take() {
  while (at_ < page_.units.size()) {
    const store::ScanUnit& unit = page_.units[at_];
    if (unit.rows().empty()) {
      ++at_;
      continue;
    }
    if (left_ > 1) --left_;
    const std::string_view key = key_of(unit);
    if (auto common = common_prefix(key)) {
      skip_beneath(*common);
      return Entry(std::move(*common));
    }
    ++at_;
    // Pages that nothing was taken from are not kept.
    for (auto& page : page_.pages) held_->pages.push_back(std::move(page));
    page_.pages.clear();
    return Entry(Unit{key, unit});
  }
  return std::nullopt;
}

io::Task<Result<bool>> Walker::refill() {
  const bool beneath = begin_ < skip_until_;  // the last read ended beneath a common prefix
  if (beneath) begin_ = skip_until_;
  if (exhausted_ || begin_ >= end_) co_return false;
  if (!options_.delimiter.empty() && !groups_ && !page_.units.empty()) {
    batch_ = beneath ? kMinBatch : std::min(batch_ * 2, kMaxBatch);
  }
  store::ScanRequest request;
  request.begin = begin_;
  request.end = end_;
  request.max_units = std::min(batch_, left_);
  request.all_rows = options_.all_rows;
  request.include_delete_markers = options_.all_rows;
  request.groups = groups_;
  CAIRN_CO_ASSIGN(page_, co_await store_.scan(std::move(request)));
  at_ = 0;
  exhausted_ = page_.exhausted;
  begin_ = std::move(page_.resume);
  co_return true;
}

}  // namespace cairn::object
