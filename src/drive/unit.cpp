#include "drive/unit.h"

#include <algorithm>

namespace cairn::drive {
namespace {

Error corrupt(std::string what) {
  return Error{Code::corrupt, "index: " + std::move(what)};
}

bool newer(const RowId& a, const RowId& b) {
  return a > b;
}

}  // namespace

UnitView::UnitView(Reader& reader, std::string unit, Known known)
    : reader_(&reader),
      unit_(std::move(unit)),
      pendings_(std::move(known.pendings)),
      cursor_(known.records) {
  for (const auto& pending : *pendings_)
    for (const auto& put : pending->puts)
      if (put.fresh) fresh_.push_back(put.info.id);
  std::ranges::sort(fresh_);
}

Result<UnitView> UnitView::load(Reader& reader, std::string unit, Known known) {
  const auto settled = std::move(known.settled);
  UnitView view(reader, std::move(unit), std::move(known));
  if (settled) {
    view.settled_ = *settled;
  } else {
    CAIRN_TRY(view.load_settled());
  }
  return view;
}

Cursor& UnitView::cursor() {
  if (cursor_ == nullptr) {
    own_cursor_ = reader_->cursor(Family::records, Walk::unit);
    cursor_ = own_cursor_.get();
  }
  return *cursor_;
}

bool UnitView::is_fresh(const RowId& id) const {
  return std::ranges::binary_search(fresh_, id);
}

bool UnitView::is_settled_row(const RowId& id, bool exists) const {
  return exists && !is_fresh(id);
}

Result<std::optional<UnitView::At>> UnitView::at_cursor() {
  Cursor& c = cursor();
  if (!c.valid()) {
    CAIRN_TRY(c.status());
    return std::optional<At>{};
  }
  const auto key = decode_record_key(c.key());
  if (!key) return corrupt("bad record key");
  if (key->unit != unit_ || !key->row) return std::optional<At>{};
  CAIRN_ASSIGN(RowValue value, decode_row(c.value()));
  value.info.id = *key->row;
  return std::optional<At>(At{value.info, value.record});
}

Result<void> UnitView::load_settled() {
  Cursor& c = cursor();
  c.seek(unit_);
  if (!c.valid()) return c.status();
  if (c.key() == unit_) {
    CAIRN_ASSIGN(const HeadRow head, decode_head(c.value()));
    settled_ = {head.head, head.summary, true};
    return {};
  }
  for (;; c.next()) {
    CAIRN_ASSIGN(const auto row, at_cursor());
    if (!row) return {};
    if (is_fresh(row->info.id)) continue;
    settled_.lone = row->info;
    settled_.head = row->info.id.stamp;
    settled_.summary.rows = 1;
    if (row->info.null_version) settled_.summary.null_row = row->info.id;
    return {};
  }
}

std::optional<Stamp> UnitView::head() const {
  if (const auto* p = newest()) return p->stamp;
  return settled_.head;
}

Summary UnitView::summary() const {
  if (const auto* p = newest()) return p->after;
  return settled_.summary;
}

Result<void> UnitView::settled_rows(const Visit& visit) {
  if (settled_.summary.rows == 0) return {};
  std::uint64_t left = settled_.summary.rows;
  Cursor& c = cursor();
  c.seek(unit_);
  if (c.valid() && c.key() == unit_) c.next();
  for (; left > 0; c.next()) {
    CAIRN_ASSIGN(const auto row, at_cursor());
    if (!row) return corrupt("a unit has fewer versions than its head says");
    if (is_fresh(row->info.id)) continue;
    --left;
    if (!visit(row->info, row->record)) return {};
  }
  return {};
}

Result<void> UnitView::settled_infos(const std::function<void(const RowInfo& info)>& visit) {
  if (settled_.lone) {
    visit(*settled_.lone);
    return {};
  }
  return settled_rows([&](const RowInfo& info, std::string_view) {
    visit(info);
    return true;
  });
}

Result<void> UnitView::rows(const Visit& visit) {
  const Pending* p = newest();
  if (p == nullptr) return settled_rows(visit);
  std::size_t next_put = 0;
  bool go_on = true;
  const auto visit_put = [&]() -> Result<void> {
    const auto& info = p->puts[next_put++].info;
    CAIRN_ASSIGN(const Row found, row(info.id));
    go_on = visit(info, found.record);
    return {};
  };
  if (!p->whole) {
    Result<void> inner;
    CAIRN_TRY(settled_rows([&](const RowInfo& info, std::string_view record) {
      while (go_on && next_put < p->puts.size() && newer(p->puts[next_put].info.id, info.id)) {
        inner = visit_put();
        if (!inner) return false;
      }
      if (!go_on) return false;
      const auto same = [&](const auto& other) { return other.id == info.id; };
      if (std::ranges::any_of(p->drops, same)) return true;
      if (next_put < p->puts.size() && p->puts[next_put].info.id == info.id) ++next_put;
      go_on = visit(info, record);
      return go_on;
    }));
    CAIRN_TRY(inner);
  }
  while (go_on && next_put < p->puts.size()) CAIRN_TRY(visit_put());
  return {};
}

Result<std::optional<RowInfo>> UnitView::settled_version(const Stamp& order) {
  if (settled_.lone || settled_.summary.rows == 0) {
    const bool is_it = settled_.lone && settled_.lone->id.order == order;
    return is_it ? settled_.lone : std::nullopt;
  }
  // The newest row that a version of this order can have.
  constexpr auto kMost = ~std::uint64_t{0};
  Cursor& c = cursor();
  for (c.seek(row_key(unit_, {order, {kMost, kMost}}));; c.next()) {
    CAIRN_ASSIGN(const auto row, at_cursor());
    if (!row || row->info.id.order != order) return std::optional<RowInfo>{};
    if (!is_fresh(row->info.id)) return std::optional<RowInfo>(row->info);
  }
}

Result<std::optional<Row>> UnitView::version(const model::VersionId& version) {
  std::optional<RowId> id;
  if (version.null) {
    id = summary().null_row;
  } else if (const Pending* p = newest()) {
    for (const auto& put : p->puts)
      if (put.info.id.order == version.order) id = put.info.id;
    if (!id && !p->whole) {
      CAIRN_ASSIGN(const auto settled, settled_version(version.order));
      if (settled &&
          std::ranges::none_of(p->drops, [&](const auto& d) { return d.id == settled->id; }))
        id = settled->id;
    }
  } else {
    CAIRN_ASSIGN(const auto settled, settled_version(version.order));
    if (settled) id = settled->id;
  }
  if (!id) return std::optional<Row>{};
  CAIRN_ASSIGN(Row found, row(*id));
  // The null version is asked for as "null", never by its order.
  if (!version.null && summary().null_row == id) return std::optional<Row>{};
  return std::optional<Row>(std::move(found));
}

Result<Row> UnitView::row(const RowId& id) {
  std::string value;
  CAIRN_ASSIGN(const bool found, reader_->get(Family::records, row_key(unit_, id), value));
  if (!found) return corrupt("a row that a unit has is missing");
  CAIRN_ASSIGN(const RowValue decoded, decode_row(value));
  Row out;
  out.order = id.order;
  out.stamp = id.stamp;
  out.record = std::string(decoded.record);
  return out;
}

Result<bool> UnitView::has_row(const RowId& id) {
  std::string value;
  return reader_->get(Family::records, row_key(unit_, id), value);
}

Result<std::vector<model::ValueId>> part_ids(Reader& reader, const model::ValueId& table) {
  std::string value;
  std::vector<model::ValueId> out;
  CAIRN_ASSIGN(const bool found, reader.get(Family::parts, table.raw(), value));
  if (!found) return out;
  CAIRN_ASSIGN(const auto parts, model::decode_parts(value));
  out.reserve(parts.size());
  for (const auto& part : parts) out.push_back(part.data_id);
  return out;
}

}  // namespace cairn::drive
