// A page of a drive's index. Almost all units have nothing pending: they are read from the records
// alone, one step of the cursor each, straight into the page. Those that have are few and known
// before: the walk stops at each of them.
#include <algorithm>

#include "drive/read_unit.h"

namespace cairn::drive {
namespace {

// Rows of a unit that a scan passes over one by one before it seeks behind them.
constexpr std::size_t kRowsBeforeSeek = 8;
constexpr std::size_t kUsualUnitBytes = 320;
constexpr std::size_t kUnitHeader = 9;  // kind, bucket id

// Where the first unit not below `bound` starts. A bound just behind a unit key (`key ‖ 00`, say)
// lies among the rows of that unit, which are all below it: the walk begins, or ends, behind its
// last row.
std::string first_row_key(const std::string& bound) {
  const std::size_t length = unit_key_length(bound);
  if (length == 0 || length == bound.size()) return bound;
  return bound.substr(0, length) + std::string(33, '\xff');
}

Error corrupt(const char* what) {
  return Error{Code::corrupt, std::string("index: ") + what};
}

class Scan {
 public:
  Scan(Reader& reader, const ScanRequest& request, const PendingUnits& pendings)
      : reader_(reader),
        request_(request),
        pendings_(pendings),
        begin_(first_row_key(request.begin)),
        records_(reader.cursor(Family::records, Walk::all, first_row_key(request.end))) {
    page_.reserve(std::min(request.max_units, std::size_t{1000}) * kUsualUnitBytes);
    records_->seek(begin_);
  }

  Result<ScanReply> run() {
    CAIRN_TRY(fill());
    ScanReply reply;
    reply.exhausted = reached_end_;
    reply.resume = std::move(resume_);
    reply.units = std::move(page_);
    return reply;
  }

 private:
  bool full() const {
    return page_.size() >= request_.max_units || rows_ >= request_.max_rows ||
           page_.bytes() >= request_.max_bytes;
  }

  // Reads units that have no pendings until one that is not below `stop` (empty: to the end of the
  // range). False: the page is full, or ended at the end of the range.
  Result<bool> plain_until(std::string_view stop) {
    for (; records_->valid();) {
      const std::string_view key = records_->key();
      const std::size_t length = unit_key_length(key);
      if (length == 0) return corrupt("bad record key");
      const std::string_view unit = key.substr(0, length);
      if (!stop.empty() && unit >= stop) return true;
      if (!request_.end.empty() && unit >= request_.end) break;
      if (full()) {
        resume_ = unit;
        return false;
      }
      if (unit.find('\x01', kUnitHeader) != unit.npos) CAIRN_TRY(model::UnitKey::decode(unit));
      CAIRN_TRY(plain(key, unit));
      CAIRN_TRY(after_unit(page_.last().settled()));
    }
    CAIRN_TRY(records_->status());
    if (!stop.empty()) return true;
    reached_end_ = true;
    return false;
  }

  // Adds the unit whose first row or head the records stand at; leaves them behind what it used.
  Result<void> plain(std::string_view key, std::string_view unit) {
    std::uint64_t left = 1;
    if (key.size() == unit.size()) {
      CAIRN_ASSIGN(const HeadRow head, decode_head(records_->value()));
      page_.add(unit, head.head, true);
      left = head.summary.rows;
      if (!request_.all_rows) left = std::min<std::uint64_t>(left, 1);
      records_->next();
    } else {
      // Without a head of its own the one settled row is it (L2).
      const auto row = decode_record_key(key);
      if (!row) return corrupt("bad record key");
      page_.add(unit, row->row->stamp, true);
    }
    for (; left > 0; --left) {
      const auto row = records_->valid() ? decode_record_key(records_->key()) : std::nullopt;
      if (!row || row->unit != page_.last().key() || !row->row) {
        CAIRN_TRY(records_->status());
        return corrupt("a unit has fewer versions than its head says");
      }
      CAIRN_ASSIGN(const RowValue value, decode_row(records_->value()));
      page_.add_row(row->row->order, row->row->stamp, value.record);
      records_->next();
    }
    return {};
  }

  // Counts the last unit, and moves the records behind it and, if it shows its group, behind that.
  Result<void> after_unit(bool settled) {
    const UnitPage::Unit last = page_.last();
    const auto rows = last.rows();
    rows_ += rows.size();
    if (request_.groups && settled && !rows.empty() &&
        (request_.groups->markers || !model::is_delete_marker(rows.front().record))) {
      passed_ = group_end(*request_.groups, last.key());
      if (!passed_.empty()) {
        page_.set_passes_group();
        if (records_->valid() && records_->key() < passed_) records_->seek(passed_);
        return records_->status();
      }
    }
    for (std::size_t passed = 0; records_->valid() && records_->key().starts_with(last.key());
         ++passed) {
      if (passed < kRowsBeforeSeek) {
        records_->next();
        continue;
      }
      // No stamp is zero, so no row key is behind this.
      records_->seek(row_key(last.key(), RowId{}));
      if (records_->valid() && records_->key().starts_with(last.key())) records_->next();
    }
    return records_->status();
  }

  Result<void> fill() {
    auto next = pendings_.lower_bound(begin_);
    for (;;) {
      const bool some =
          next != pendings_.end() && (request_.end.empty() || next->first < request_.end);
      CAIRN_ASSIGN(const bool stopped, plain_until(some ? std::string_view(next->first) : ""));
      if (!stopped) return {};
      if (next->first < passed_) {
        next = pendings_.lower_bound(passed_);
      } else if (full()) {
        resume_ = next->first;
        return {};
      } else {
        CAIRN_TRY(with_pendings(next->first, next->second));
        ++next;
      }
    }
  }

  Result<void> with_pendings(const std::string& unit, const Pendings& pendings) {
    CAIRN_TRY(model::UnitKey::decode(unit));
    CAIRN_ASSIGN(UnitView view,
                 UnitView::load(reader_, unit, std::make_shared<const Pendings>(pendings)));
    page_.add(unit, view.head(), false);
    CAIRN_TRY(view.rows([&](const RowInfo& info, std::string_view record) {
      page_.add_row(info.id.order, info.id.stamp, record);
      return request_.all_rows;
    }));
    return after_unit(false);
  }

  Reader& reader_;
  const ScanRequest& request_;
  const PendingUnits& pendings_;
  const std::string begin_;
  std::unique_ptr<Cursor> records_;
  UnitPage page_{};
  std::size_t rows_ = 0;  // in the page
  std::string passed_{};  // end of the group that the last unit shows
  std::string resume_{};  // where the page was cut
  bool reached_end_ = false;
};

}  // namespace

std::string group_end(const ScanRequest::Groups& groups, std::string_view unit) {
  if (unit.size() <= std::max(groups.from, kUnitHeader)) return {};
  const std::string_view key = unit.substr(0, unit.find('\0', kUnitHeader));
  const std::size_t at = key.find(groups.delimiter, groups.from);
  if (at == key.npos) return {};
  std::string out(key.substr(0, at + groups.delimiter.size()));
  while (static_cast<unsigned char>(out.back()) == 0xFF) out.pop_back();
  out.back() = static_cast<char>(out.back() + 1);
  return out;
}

Result<ScanReply> scan_units(Reader& reader, const ScanRequest& request,
                             const PendingUnits& pendings) {
  if (request.max_units == 0) return Error{Code::invalid_argument, "a scan of no units"};
  if (request.groups && request.groups->delimiter.empty())
    return Error{Code::invalid_argument, "a scan with an empty delimiter"};
  return Scan(reader, request, pendings).run();
}

}  // namespace cairn::drive
