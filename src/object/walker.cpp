#include "object/walker.h"

#include <algorithm>

namespace cairn::object {
namespace {

constexpr std::size_t kMaxBatch = 1001;  // a full page and the proof that more follows
// With a delimiter a read may turn out to lie beneath one common prefix: begin small, grow while
// that is not so.
constexpr std::size_t kFirstBatch = 64;
constexpr std::size_t kMinBatch = 16;

}  // namespace

Walker::Walker(store::Store& store, Options options)
    : store_(store),
      options_(std::move(options)),
      begin_(model::range_begin(options_.kind, options_.bucket, options_.prefix)),
      end_(model::range_end(options_.kind, options_.bucket, options_.prefix)),
      left_(options_.wanted + 1),
      batch_(options_.delimiter.empty() ? kMaxBatch : kFirstBatch) {}

void Walker::start_at(std::string begin) {
  begin_ = std::max(begin_, std::move(begin));
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

std::optional<std::string> Walker::common_prefix(const std::string& key) const {
  if (options_.delimiter.empty() || !key.starts_with(options_.prefix)) return std::nullopt;
  const std::size_t at = key.find(options_.delimiter, options_.prefix.size());
  if (at == std::string::npos) return std::nullopt;
  return key.substr(0, at + options_.delimiter.size());
}

void Walker::skip_beneath(const std::string& common) {
  skip_until_ = model::range_end(options_.kind, options_.bucket, common);
  const auto from = units_.begin() + static_cast<std::ptrdiff_t>(at_);
  const auto next = std::partition_point(from, units_.end(), [this](const store::ScanUnit& u) {
    return u.unit.encoded() < skip_until_;
  });
  at_ = static_cast<std::size_t>(next - units_.begin());
}

std::optional<Walker::Entry> Walker::take() {
  while (at_ < units_.size()) {
    store::ScanUnit& unit = units_[at_];
    if (unit.rows.empty()) {
      ++at_;
      continue;
    }
    if (left_ > 1) --left_;
    std::string key = unit.unit.object_key();
    if (auto common = common_prefix(key)) {
      skip_beneath(*common);
      return Entry(std::move(*common));
    }
    ++at_;
    return Entry(Unit{std::move(key), std::move(unit)});
  }
  return std::nullopt;
}

io::Task<Result<bool>> Walker::refill() {
  const bool beneath = begin_ < skip_until_;  // the last read ended beneath a common prefix
  if (beneath) begin_ = skip_until_;
  if (exhausted_ || begin_ >= end_) co_return false;
  if (!options_.delimiter.empty() && !units_.empty()) {
    batch_ = beneath ? kMinBatch : std::min(batch_ * 2, kMaxBatch);
  }
  store::ScanRequest request;
  request.begin = begin_;
  request.end = end_;
  request.max_units = std::min(batch_, left_);
  request.all_rows = options_.all_rows;
  request.include_delete_markers = options_.all_rows;
  CAIRN_CO_ASSIGN(store::ScanPage page, co_await store_.scan(std::move(request)));
  units_ = std::move(page.units);
  at_ = 0;
  exhausted_ = page.exhausted;
  begin_ = std::move(page.resume);
  co_return true;
}

}  // namespace cairn::object
