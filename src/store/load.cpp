#include "store/load.h"

#include <algorithm>

#include "base/assert.h"

namespace cairn::store {

using drive::ReadReply;
using drive::ReadRequest;
using drive::Row;
using model::Record;

bool lacks_parts(const Row& row) {
  if (!row.parts.empty()) return false;
  const auto record = model::decode_record(row.record);
  return record && lacks_parts(row, *record);
}

bool lacks_parts(const Row& row, const Record& record) {
  return row.parts.empty() && record.data_kind == Record::DataKind::parts;
}

Result<std::vector<NamedData>> data_of(const Row& row) {
  CAIRN_ASSIGN(const Record record, model::decode_record(row.record));
  std::vector<NamedData> out;
  if (record.data_kind == Record::DataKind::inline_ || record.data_kind == Record::DataKind::blob) {
    out.push_back({record.data, record.data_kind == Record::DataKind::inline_});
  } else if (record.data_kind == Record::DataKind::parts) {
    CAIRN_ASSIGN(auto parts, model::decode_parts(row.parts));
    for (auto& part : parts) out.push_back({std::move(part), false});
  }
  return out;
}

std::optional<NamedData> find_data(const std::vector<Row>& rows, const model::ValueId& id) {
  for (const Row& row : rows) {
    auto named = data_of(row);
    if (!named) continue;
    for (auto& one : *named) {
      if (one.part.data_id == id) return std::move(one);
    }
  }
  return std::nullopt;
}

io::Task<Result<ReadReply>> Loader::at_head(View view, model::Stamp head, ReadRequest shape) {
  Fanout<Result<ReadReply>> fanout(core_.deadlines);
  shape.partition = view->id;
  shape.map_epoch = view->epoch;
  const auto slots = preferred_slots(*view);
  const io::Instant deadline = core_.deadline();
  std::size_t next = 0, looked = 0, hedges = 0;
  for (;;) {
    while (next < slots.size() && fanout.started() < 1 + looked + hedges) {
      const Member& member = view->member(slots[next++]);
      shape.drive = member.id;
      core_.ask<ReadReply>(fanout, member, [&](drive::Drive& d) { return d.read(shape); });
    }
    const bool more = next < slots.size();
    const auto now = io::Executor::current().now();
    const bool arrived =
        co_await fanout.wait(looked + 1, more ? std::min(deadline, now + Core::kHedge) : deadline);
    for (; looked < fanout.arrived(); ++looked) {
      auto& answer = fanout.answers()[looked].value;
      if (!answer || answer->refusal != drive::Refusal::none || !answer->exact) continue;
      if (answer->head != head) continue;
      // One version without its table is no answer where the table is asked for; of many, the rest
      // is.
      const bool lacking =
          shape.want_parts && shape.select != drive::Select::all &&
          std::ranges::any_of(answer->rows, [](const Row& row) { return lacks_parts(row); });
      if (!lacking) co_return std::move(answer);
    }
    const bool exhausted = !more && looked == fanout.started();
    if (exhausted || (!arrived && !more)) {
      Core::note_silence(*view, fanout.silent());
      co_return Error{Code::unavailable, "no drive at hand has the current state of the key"};
    }
    if (!arrived) ++hedges;
  }
}

io::Task<Result<Row>> Loader::with_parts(View view, model::UnitKey unit, model::Stamp head,
                                         Row row) {
  if (!lacks_parts(row)) co_return row;
  CAIRN_CO_ASSIGN(const Record record, model::decode_record(row.record));
  ReadRequest request;
  request.unit = std::move(unit);
  request.select = drive::Select::version;
  request.version = record.version;
  request.want_parts = true;
  CAIRN_CO_ASSIGN(ReadReply reply, co_await at_head(view, head, std::move(request)));
  if (reply.rows.empty() || reply.rows[0].order != row.order || reply.rows[0].parts.empty()) {
    co_return Error{Code::corrupt, "the table of parts of a version is missing"};
  }
  co_return std::move(reply.rows[0]);
}

io::Task<Result<std::vector<Row>>> Loader::all_rows(View view, model::UnitKey unit,
                                                    std::shared_ptr<const Settled> settled) {
  std::vector<Row> rows;
  if (settled->row_count == 0) co_return rows;
  const model::Stamp head = settled->stamp();
  if (settled->complete) {
    rows = settled->rows;
  } else {
    ReadRequest request;
    request.unit = unit;
    request.select = drive::Select::all;
    request.want_parts = true;
    CAIRN_CO_ASSIGN(ReadReply reply, co_await at_head(view, head, std::move(request)));
    rows = std::move(reply.rows);
  }
  if (rows.size() != settled->row_count) {
    co_return Error{Code::corrupt, "a drive has another number of versions at the same head"};
  }
  for (Row& row : rows) {
    if (!lacks_parts(row)) continue;
    CAIRN_CO_ASSIGN(row, co_await with_parts(view, unit, head, std::move(row)));
  }
  co_return rows;
}

io::Task<Result<std::unique_ptr<Loader::Loaded>>> Loader::current(
    View view, model::UnitKey unit, std::shared_ptr<const Settled> settled,
    std::optional<model::VersionId> addressed, bool for_update) {
  auto out = std::make_unique<Loaded>();
  out->settled = settled;
  Current& c = out->current;
  c.row_count = settled->row_count;
  if (c.row_count == 0) co_return out;
  if (settled->complete) {
    c.latest = &settled->rows.front();
    for (const Row& row : settled->rows) {
      CAIRN_CO_ASSIGN(const Record record, model::decode_record(row.record));
      if (record.version.null) c.null_row = &row;
      if (addressed && record.version == *addressed) c.addressed = &row;
    }
  } else {
    ReadRequest request;
    request.unit = unit;
    request.select = drive::Select::latest;
    CAIRN_CO_ASSIGN(ReadReply reply, co_await at_head(view, settled->stamp(), request));
    if (reply.rows.empty())
      co_return Error{Code::corrupt, "a drive has no latest version at a head with versions"};
    out->latest = std::move(reply.rows[0]);
    c.latest = &out->latest;
    if (reply.null_row) {
      out->null_row = std::move(*reply.null_row);
      c.null_row = &out->null_row;
    }
    if (addressed) {
      request.select = drive::Select::version;
      request.version = *addressed;
      CAIRN_CO_ASSIGN(ReadReply named, co_await at_head(view, settled->stamp(), request));
      if (!named.rows.empty()) {
        out->addressed = std::move(named.rows[0]);
        c.addressed = &out->addressed;
      }
    }
  }
  if (for_update && c.addressed != nullptr && lacks_parts(*c.addressed)) {
    CAIRN_CO_ASSIGN(out->addressed,
                    co_await with_parts(view, unit, settled->stamp(), *c.addressed));
    c.addressed = &out->addressed;
  }
  co_return out;
}

}  // namespace cairn::store
