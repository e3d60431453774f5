#include "drive/read_unit.h"

#include <algorithm>

#include "drive/pending_journal.h"

namespace cairn::drive {
namespace {

// Rows of a unit that a scan passes over one by one before it seeks behind them.
constexpr std::size_t kRowsBeforeSeek = 8;

Row make_row(const RowInfo& info, std::string_view record) {
  Row row;
  row.order = info.id.order;
  row.stamp = info.id.stamp;
  row.record = record;
  return row;
}

Result<void> select_rows(UnitView& view, const ReadRequest& request, ReadReply& reply) {
  switch (request.select) {
    case Select::none:
      return {};
    case Select::latest:
    case Select::all: {
      const bool all = request.select == Select::all;
      reply.latest_is_selected = true;
      return view.rows([&](const RowInfo& info, std::string_view record) {
        reply.rows.push_back(make_row(info, record));
        return all;
      });
    }
    case Select::version: {
      CAIRN_ASSIGN(auto row, view.version(request.version));
      if (!row) return {};
      CAIRN_TRY(view.rows([&](const RowInfo& info, std::string_view) {
        reply.latest_is_selected = info.id == RowId{row->order, row->stamp};
        return false;
      }));
      reply.rows.push_back(std::move(*row));
      return {};
    }
  }
  return {};
}

}  // namespace

Result<io::Slice> read_inline_shard(Reader& reader, const model::ValueId& data_id) {
  CAIRN_ASSIGN(auto value, reader.get_slice(Family::inline_data, data_id.raw()));
  if (!value) return Error{Code::not_found, "the drive has no inline shard " + data_id.hex()};
  return open_inline(data_id, std::move(*value));
}

Result<ReadReply> read_unit(Reader& reader, const ReadRequest& request,
                            std::shared_ptr<const Pendings> pendings) {
  ReadReply reply;
  CAIRN_ASSIGN(UnitView view, UnitView::load(reader, request.unit.encoded(), std::move(pendings)));
  reply.head = view.head();
  reply.settled = view.pendings().empty() && reply.head.has_value();
  const Summary summary = view.summary();
  reply.row_count = summary.rows;
  CAIRN_TRY(select_rows(view, request, reply));
  if (summary.null_row) {
    const bool selected = reply.rows.size() == 1 && reply.rows[0].order == summary.null_row->order;
    if (selected) {
      reply.null_row = reply.rows[0];
    } else {
      CAIRN_ASSIGN(reply.null_row, view.row(*summary.null_row));
    }
  }
  if (!request.want_parts && !request.want_inline) return reply;
  for (std::size_t i = 0; i < reply.rows.size(); ++i) {
    CAIRN_ASSIGN(const RowInfo info, info_of(reply.rows[i]));
    if (request.want_parts && info.kind == model::Record::DataKind::parts) {
      // A table that is missing leaves the row without: the drive is marked as lacking it.
      std::string table;
      CAIRN_ASSIGN(const bool found, reader.get(Family::parts, info.data_id.raw(), table));
      if (found) reply.rows[i].parts = std::move(table);
    }
    if (request.want_inline && i == 0 && info.kind == model::Record::DataKind::inline_) {
      auto shard = read_inline_shard(reader, info.data_id);
      if (!shard && shard.code() == Code::unavailable) return Error{std::move(shard.error())};
      reply.inline_shard = std::move(shard);
    }
  }
  return reply;
}

namespace {

// The pendings of a snapshot, unit by unit in step with the records.
class PendingWalk {
 public:
  PendingWalk(PendingUnits units, std::string_view begin)
      : units_(std::move(units)), at_(units_.lower_bound(begin)) {}
  // The unit it stands at; empty at the end.
  std::string_view unit() const {
    return at_ == units_.end() ? std::string_view{} : std::string_view(at_->first);
  }
  // The pendings of `unit`, which it must stand at or before.
  std::shared_ptr<const Pendings> take(const std::string& unit) {
    if (this->unit() != unit) return no_pendings();
    return std::make_shared<const Pendings>(std::move(at_++->second));
  }

 private:
  PendingUnits units_;
  PendingUnits::iterator at_;
};

// Where the first unit not below `begin` starts. A bound just behind a unit key (`key ‖ 00`, say)
// lies among the rows of that unit, which does not belong to the range: the walk begins behind its
// last row.
std::string first_row_key(const std::string& begin) {
  const std::size_t length = unit_key_length(begin);
  if (length == 0 || length == begin.size()) return begin;
  return begin.substr(0, length) + std::string(33, '\xff');
}

class Scan {
 public:
  Scan(Reader& reader, const ScanRequest& request, PendingUnits pendings)
      : reader_(reader),
        request_(request),
        records_(reader.cursor(Family::records, Walk::all)),
        pendings_(std::move(pendings), first_row_key(request.begin)) {
    records_->seek(first_row_key(request.begin));
  }

  Result<ScanReply> run() {
    ScanReply reply;
    std::size_t rows = 0;
    for (;;) {
      CAIRN_ASSIGN(const std::string unit, next_unit());
      if (unit.empty() || (!request_.end.empty() && unit >= request_.end)) {
        reply.exhausted = true;
        return reply;
      }
      if (reply.units.size() >= request_.max_units || rows >= request_.max_rows) {
        reply.resume = unit;
        return reply;
      }
      CAIRN_ASSIGN(ScanUnit one, read_one(unit));
      rows += one.rows.size();
      reply.units.push_back(std::move(one));
    }
  }

 private:
  // The lower of the units that records and pendings stand at; empty when both are at their end.
  Result<std::string> next_unit() const {
    std::string_view record;
    if (records_->valid()) {
      record = records_->key().substr(0, unit_key_length(records_->key()));
      if (record.empty()) return Error{Code::corrupt, "index: bad record key"};
    } else {
      CAIRN_TRY(records_->status());
    }
    const auto pending = pendings_.unit();
    if (record.empty() || (!pending.empty() && pending < record)) return std::string(pending);
    return std::string(record);
  }

  Result<ScanUnit> read_one(const std::string& unit) {
    ScanUnit out;
    CAIRN_ASSIGN(out.unit, model::UnitKey::decode(unit));
    auto pendings = pendings_.take(unit);
    if (pendings->empty() && !request_.all_rows) {
      CAIRN_TRY(read_plain(unit, out));
      return out;
    }
    CAIRN_ASSIGN(UnitView view, UnitView::load(reader_, unit, std::move(pendings)));
    out.head = view.head();
    out.settled = view.pendings().empty();
    CAIRN_TRY(view.rows([&](const RowInfo& info, std::string_view record) {
      out.rows.push_back(make_row(info, record));
      return request_.all_rows;
    }));
    return leave(unit, out);
  }

  // The usual unit: nothing pending, and only the newest row is wanted. No second cursor.
  Result<void> read_plain(const std::string& unit, ScanUnit& out) {
    out.settled = true;
    bool has_rows = true;
    if (records_->key() == unit) {
      CAIRN_ASSIGN(const HeadRow head, decode_head(records_->value()));
      out.head = head.head;
      has_rows = head.summary.rows > 0;
      records_->next();
    }
    if (has_rows) {
      const auto key = records_->valid() ? decode_record_key(records_->key()) : std::nullopt;
      if (!key || key->unit != unit || !key->row) {
        CAIRN_TRY(records_->status());
        return Error{Code::corrupt, "index: a unit has fewer versions than its head says"};
      }
      CAIRN_ASSIGN(RowValue value, decode_row(records_->value()));
      value.info.id = *key->row;
      if (!out.head) out.head = key->row->stamp;
      out.rows.push_back(make_row(value.info, value.record));
    }
    CAIRN_ASSIGN(out, leave(unit, out));
    return {};
  }

  // Moves the records behind `unit`.
  Result<ScanUnit> leave(const std::string& unit, ScanUnit& out) {
    for (std::size_t passed = 0; records_->valid() && records_->key().starts_with(unit); ++passed) {
      if (passed < kRowsBeforeSeek) {
        records_->next();
        continue;
      }
      // No stamp is zero, so no row key is behind this.
      records_->seek(row_key(unit, RowId{}));
      if (records_->valid() && records_->key().starts_with(unit)) records_->next();
    }
    CAIRN_TRY(records_->status());
    return std::move(out);
  }

  Reader& reader_;
  const ScanRequest& request_;
  std::unique_ptr<Cursor> records_;
  PendingWalk pendings_;
};

}  // namespace

Result<ScanReply> scan_units(Reader& reader, const ScanRequest& request) {
  if (request.max_units == 0) return Error{Code::invalid_argument, "a scan of no units"};
  CAIRN_ASSIGN(PendingUnits pendings, load_pendings(reader));
  return Scan(reader, request, std::move(pendings)).run();
}

}  // namespace cairn::drive
