#include "drive/read_unit.h"

namespace cairn::drive {
namespace {

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

Result<StoredShard> find_inline_shard(Reader& reader, const model::ValueId& data_id) {
  StoredShard out;
  out.data_id = data_id;
  CAIRN_ASSIGN(auto value, reader.get_slice(Family::inline_data, data_id.raw()));
  if (value) {
    CAIRN_ASSIGN(out.bytes, open_inline(data_id, std::move(*value)));
    return out;
  }
  std::string place;
  CAIRN_ASSIGN(const bool logged, reader.get(Family::logged, data_id.raw(), place));
  if (!logged) return Error{Code::not_found, "the drive has no inline shard " + data_id.hex()};
  CAIRN_ASSIGN(out.logged, decode_logged(place));
  return out;
}

Result<ReadReply> read_unit(Reader& reader, const ReadRequest& request, UnitView::Known known) {
  ReadReply reply;
  CAIRN_ASSIGN(UnitView view, UnitView::load(reader, request.unit.encoded(), std::move(known)));
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
      auto shard = find_inline_shard(reader, info.data_id);
      if (!shard && shard.code() == Code::unavailable) return Error{std::move(shard.error())};
      if (!shard)
        reply.inline_shard = Error{std::move(shard.error())};
      else if (!shard->logged)
        reply.inline_shard = std::move(shard->bytes);
    }
  }
  return reply;
}

}  // namespace cairn::drive
