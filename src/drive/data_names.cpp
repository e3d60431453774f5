#include "drive/data_names.h"

#include <algorithm>

#include "drive/unit.h"

namespace cairn::drive {
namespace {

using Kind = model::Record::DataKind;

// Keys that start with `prefix`, decoded one by one.
template <class F>
Result<void> each_key(Reader& reader, Family family, std::string_view prefix, F each) {
  auto cursor = reader.cursor(family, Walk::unit);
  for (cursor->seek(prefix); cursor->valid() && cursor->key().starts_with(prefix); cursor->next())
    each(cursor->key(), cursor->value());
  return cursor->status();
}

}  // namespace

std::vector<LogPlace> PreparedRows::places() const {
  std::vector<LogPlace> out;
  for (const PreparedRow& row : rows)
    if (row.logged && row.logged->place.segment != 0) out.push_back(row.logged->place);
  return out;
}

Result<PreparedRows> prepare_rows(const std::vector<Row>& rows, std::uint8_t shard) {
  PreparedRows out;
  out.rows.reserve(rows.size());
  for (const Row& row : rows) {
    PreparedRow prepared;
    CAIRN_ASSIGN(prepared.info, info_of(row));
    prepared.row = &row;
    if (prepared.info.kind == Kind::blob) {
      prepared.blobs.push_back({prepared.info.data_id, shard});
    } else if (prepared.info.kind == Kind::parts && !row.parts.empty()) {
      auto parts = model::decode_parts(row.parts);
      if (!parts) return Error{Code::invalid_argument, "a row's table of parts cannot be read"};
      for (const auto& part : *parts)
        if (part.size > 0) prepared.blobs.push_back({part.data_id, shard});
    }
    out.rows.push_back(std::move(prepared));
  }
  std::ranges::sort(out.rows, std::greater<>{}, [](const auto& r) { return r.info.id; });
  const auto same_order = [](const auto& a, const auto& b) {
    return a.info.id.order == b.info.id.order;
  };
  if (std::ranges::adjacent_find(out.rows, same_order) != out.rows.end())
    return Error{Code::invalid_argument, "two rows of one version"};
  return out;
}

Result<std::vector<MissingShard>> missing_of(Reader& reader, const MissingMarks& marks,
                                             const model::ValueId& data_id) {
  std::vector<MissingShard> out;
  if (!marks.any()) return out;
  CAIRN_TRY(each_key(reader, Family::missing, data_id.raw(),
                     [&](std::string_view key, std::string_view mark) {
                       if (const auto name = decode_blob_key(key))
                         out.push_back({name->data_id, name->shard, mark == kNeverHere});
                     }));
  return out;
}

Result<std::vector<MissingShard>> missing_of_row(Reader& reader, const MissingMarks& marks,
                                                 const RowInfo& row) {
  std::vector<MissingShard> out;
  if (!marks.any() || row.kind == Kind::none) return out;
  CAIRN_ASSIGN(out, missing_of(reader, marks, row.data_id));
  if (row.kind != Kind::parts) return out;
  CAIRN_ASSIGN(const auto parts, part_ids(reader, row.data_id));
  for (const auto& part : parts) {
    CAIRN_ASSIGN(const auto more, missing_of(reader, marks, part));
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

Result<bool> DataChanges::is_marked(const BlobName& name) {
  if (marked_.contains(name)) return true;
  if (unmarked_.contains(name) || !marks_.any()) return false;
  std::string value;
  return reader_.get(Family::missing, blob_key(name), value);
}

Result<void> DataChanges::mark(const BlobName& name, Lack lack) {
  CAIRN_ASSIGN(const bool marked, is_marked(name));
  if (marked) return {};
  const std::string_view value = lack == Lack::never_here ? kNeverHere : std::string_view{};
  batch_.put(Family::missing, blob_key(name), {value});
  marked_.insert(name);
  unmarked_.erase(name);
  ++delta_;
  return {};
}

Result<void> DataChanges::unmark(const BlobName& name) {
  CAIRN_ASSIGN(const bool marked, is_marked(name));
  if (!marked) return {};
  batch_.remove(Family::missing, blob_key(name));
  unmarked_.insert(name);
  marked_.erase(name);
  --delta_;
  return {};
}

Result<void> DataChanges::name(std::uint64_t unit, std::uint8_t shard, const PreparedRow& row,
                               bool known, const std::set<BlobName>& absent,
                               const std::vector<InlineShard>& shards,
                               std::vector<MissingShard>& missing) {
  switch (row.info.kind) {
    case Kind::none:
      return {};
    case Kind::inline_:
      return name_inline(row, shard, known, shards, missing);
    case Kind::blob:
      break;
    case Kind::parts: {
      if (!row.row->parts.empty()) {
        batch_.put(Family::parts, row.info.data_id.raw(), {row.row->parts});
        CAIRN_TRY(unmark({row.info.data_id, shard}));
        break;
      }
      // The table did not come along: it must be here.
      std::string table;
      CAIRN_ASSIGN(const bool found, reader_.get(Family::parts, row.info.data_id.raw(), table));
      if (found) {
        CAIRN_ASSIGN(const auto lacking, missing_of_row(reader_, marks_, row.info));
        missing.insert(missing.end(), lacking.begin(), lacking.end());
      } else {
        CAIRN_TRY(mark({row.info.data_id, shard}));
        missing.push_back({row.info.data_id, shard});
      }
      return {};
    }
  }
  for (const auto& blob : row.blobs)
    CAIRN_TRY(name_blob(unit, blob, absent.contains(blob), missing));
  return {};
}

Result<void> DataChanges::name_inline(const PreparedRow& row, std::uint8_t shard, bool known,
                                      const std::vector<InlineShard>& shards,
                                      std::vector<MissingShard>& missing) {
  const BlobName name{row.info.data_id, shard};
  const auto came = std::ranges::find(shards, row.info.data_id, &InlineShard::data_id);
  bool have = came != shards.end();
  if (have && row.logged) {
    if (known) CAIRN_TRY(drop_inline(name.data_id));  // of a message before this one
    batch_.put(Family::logged, name.data_id.raw(), {encode_logged(*row.logged)});
  } else if (have) {
    const io::Slice whole = io::joined(came->pieces);
    batch_.put(Family::inline_data, name.data_id.raw(),
               {inline_header(name.data_id, shard, whole.bytes), as_text(whole.bytes)});
  } else if (known) {
    CAIRN_ASSIGN(const bool marked, is_marked(name));
    have = !marked;
  } else {
    CAIRN_ASSIGN(const auto stored, reader_.get_slice(Family::inline_data, name.data_id.raw()));
    have = stored.has_value();
    if (!have) {
      std::string place;
      CAIRN_ASSIGN(have, reader_.get(Family::logged, name.data_id.raw(), place));
    }
  }
  if (have) return unmark(name);
  missing.push_back({name.data_id, shard});
  return mark(name, known ? Lack::lost : Lack::never_here);
}

Result<bool> DataChanges::drop_logged(const model::ValueId& data_id) {
  std::string value;
  CAIRN_ASSIGN(const bool found, reader_.get(Family::logged, data_id.raw(), value));
  if (!found) return false;
  CAIRN_ASSIGN(const LoggedShard shard, decode_logged(value));
  batch_.remove(Family::logged, data_id.raw());
  freed_.push_back(shard.place);
  return true;
}

Result<bool> DataChanges::drop_inline(const model::ValueId& data_id) {
  CAIRN_ASSIGN(const bool logged, drop_logged(data_id));
  std::string value;
  CAIRN_ASSIGN(const bool stored, reader_.get(Family::inline_data, data_id.raw(), value));
  if (stored) batch_.remove(Family::inline_data, data_id.raw());
  return logged || stored;
}

Result<void> DataChanges::name_blob(std::uint64_t unit, const BlobName& blob, bool absent,
                                    std::vector<MissingShard>& missing) {
  // Named before and not marked, it was here and is lost.
  bool named = named_.contains(blob);
  if (absent && !named) {
    CAIRN_TRY(each_key(
        reader_, Family::refs, blob_key(blob),
        [&](std::string_view key, std::string_view) { named |= !dropped_refs_.contains(key); }));
  }
  const std::string key = ref_key(blob, unit);
  batch_.put(Family::refs, key, {});
  dropped_refs_.erase(key);
  named_.insert(blob);
  if (!absent) return unmark(blob);
  missing.push_back({blob.data_id, blob.shard});
  return mark(blob, named ? Lack::lost : Lack::never_here);
}

Result<void> DataChanges::drop(std::uint64_t unit, const RowInfo& row) {
  switch (row.kind) {
    case Kind::none:
      return {};
    case Kind::inline_:
      batch_.remove(Family::inline_data, row.data_id.raw());
      CAIRN_TRY(drop_logged(row.data_id));
      break;
    case Kind::blob:
      return drop_blob(unit, row.data_id);
    case Kind::parts: {
      CAIRN_ASSIGN(const auto parts, part_ids(reader_, row.data_id));
      for (const auto& part : parts) CAIRN_TRY(drop_blob(unit, part));
      batch_.remove(Family::parts, row.data_id.raw());
      break;
    }
  }
  CAIRN_ASSIGN(const auto lacking, missing_of(reader_, marks_, row.data_id));
  for (const auto& one : lacking) CAIRN_TRY(unmark({one.data_id, one.shard}));
  return {};
}

Result<void> DataChanges::drop_blob(std::uint64_t unit, const model::ValueId& data_id) {
  std::set<BlobName> lost, kept;
  CAIRN_TRY(
      each_key(reader_, Family::refs, data_id.raw(), [&](std::string_view key, std::string_view) {
        const auto ref = decode_ref(key);
        // Another unit may have dropped its name in this batch: then this one is the last.
        if (!ref || dropped_refs_.contains(key)) return;
        if (ref->unit != unit) {
          kept.insert(ref->blob);
          return;
        }
        batch_.remove(Family::refs, key);
        dropped_refs_.emplace(key);
        lost.insert(ref->blob);
      }));
  for (const auto& blob : lost) {
    unnamed_.push_back(blob);
    if (!kept.contains(blob) && !named_.contains(blob)) CAIRN_TRY(unmark(blob));
  }
  return {};
}

}  // namespace cairn::drive
