#include "store/decide.h"

#include <algorithm>

#include "base/assert.h"

namespace cairn::store {
namespace {

using drive::Row;
using model::Record;

Error failed(const char* condition) {
  return Error{Code::precondition_failed,
               "At least one of the pre-conditions you specified did not hold",
               {{"Condition", condition}}};
}

// Preconditions in their order (store.h). A latest delete marker counts as absent.
Result<void> check(const Precondition& wanted, const std::optional<Record>& latest) {
  const bool exists = latest && !latest->delete_marker;
  if (wanted.if_match) {
    if (!exists) return Error{Code::no_such_key, "The specified key does not exist."};
    if (*wanted.if_match != "*" && *wanted.if_match != latest->etag) return failed("If-Match");
  }
  if (wanted.if_none_match && exists) {
    if (*wanted.if_none_match == "*" || *wanted.if_none_match == latest->etag) {
      return failed("If-None-Match");
    }
  }
  // S3 lets these two hold where there is nothing to compare with.
  if (wanted.if_modified_ms && exists) {
    if (*wanted.if_modified_ms / 1000 != latest->modified_ms / 1000) {
      return failed("x-amz-if-match-last-modified-time");
    }
  }
  if (wanted.if_size && exists && *wanted.if_size != latest->size) {
    return failed("x-amz-if-match-size");
  }
  return {};
}

Result<std::optional<Record>> decoded(const Row* row) {
  if (row == nullptr) return std::optional<Record>{};
  CAIRN_ASSIGN(Record record, model::decode_record(row->record));
  return std::optional<Record>(std::move(record));
}

Effect nothing_to_do(const Current& current) {
  Effect effect;
  effect.reply.wrote = false;
  effect.rows_after = current.row_count;
  return effect;
}

Effect put(const Current& current, const std::optional<Record>& latest, const Commit& commit,
           const PutVersion& intent, Stamp stamp, std::int64_t now_ms) {
  Record record = intent.record;
  const bool named = intent.versioning == Versioning::enabled;
  record.version = named ? model::VersionId::of(stamp) : model::VersionId::null_version();
  record.value = commit.value;
  record.modified_ms = latest ? std::max(now_ms, latest->modified_ms) : now_ms;
  Effect effect;
  effect.reply = {record.version, stamp, true, false, record.modified_ms};
  effect.brings_data = record.data_kind != Record::DataKind::none;
  effect.rows_after = current.row_count + 1;
  // The null version is one: a new one takes the place of the old one, and becomes the latest.
  if (!named && current.null_row != nullptr) {
    effect.removes.push_back(current.null_row->order);
    --effect.rows_after;
  }
  Row row{stamp, stamp, model::encode_record(record), {}};
  if (record.data_kind == Record::DataKind::parts) row.parts = model::encode_parts(intent.parts);
  effect.puts.push_back(std::move(row));
  return effect;
}

Result<Effect> remove(const Current& current, const RemoveVersion& intent) {
  if (current.addressed == nullptr) {
    Effect effect = nothing_to_do(current);
    effect.reply.version = intent.version;
    return effect;
  }
  CAIRN_ASSIGN(const Record record, model::decode_record(current.addressed->record));
  Effect effect;
  effect.reply = {intent.version, current.addressed->stamp, true, record.delete_marker,
                  record.modified_ms};
  effect.removes.push_back(current.addressed->order);
  effect.rows_after = current.row_count - 1;
  return effect;
}

Result<Effect> update(const Current& current, const Commit& commit, const UpdateVersion& intent,
                      Stamp stamp) {
  if (current.addressed == nullptr) return Error{Code::not_found, "there is no such version"};
  if (current.addressed->stamp != intent.expected) {
    return Error{Code::conflict, "the version was changed meanwhile"};
  }
  CAIRN_ASSIGN(Record record, model::decode_record(current.addressed->record));
  record.meta = intent.meta;
  record.value = commit.value;
  Effect effect;
  effect.reply = {intent.version, stamp, true, false, record.modified_ms};
  effect.puts.push_back(
      {current.addressed->order, stamp, model::encode_record(record), current.addressed->parts});
  effect.rows_after = current.row_count;
  return effect;
}

}  // namespace

std::optional<model::VersionId> addressed_version(const Commit& commit) {
  if (const auto* remove = std::get_if<RemoveVersion>(&commit.intent)) return remove->version;
  if (const auto* update = std::get_if<UpdateVersion>(&commit.intent)) return update->version;
  return std::nullopt;
}

bool is_blind(const Commit& commit) {
  const auto* put = std::get_if<PutVersion>(&commit.intent);
  return put != nullptr && put->versioning == Versioning::unversioned &&
         commit.precondition.empty() && commit.guards.empty();
}

Result<std::optional<Committed>> already_done(const Current& current, const Commit& commit) {
  const bool puts = std::holds_alternative<PutVersion>(commit.intent);
  if (!puts && !std::holds_alternative<UpdateVersion>(commit.intent)) {
    return std::optional<Committed>{};  // a removal repeated finds nothing to do, or its own effect
  }
  for (const Row* row : {current.addressed, current.latest, current.null_row}) {
    if (row == nullptr) continue;
    CAIRN_ASSIGN(const Record record, model::decode_record(row->record));
    // A put is also known by its data, which stays when tags are changed later.
    const bool same = record.value == commit.value || (puts && record.data.data_id == commit.value);
    if (!same || commit.value.is_zero()) continue;
    return std::optional<Committed>(
        Committed{record.version, puts ? row->order : row->stamp, true, false, record.modified_ms});
  }
  return std::optional<Committed>{};
}

Result<Effect> decide(const Current& current, const Commit& commit, Stamp stamp,
                      std::int64_t now_ms) {
  CAIRN_ASSERT((current.row_count == 0) == (current.latest == nullptr));
  CAIRN_ASSIGN(const std::optional<Record> latest, decoded(current.latest));
  CAIRN_TRY(check(commit.precondition, latest));
  if (const auto* intent = std::get_if<PutVersion>(&commit.intent)) {
    return put(current, latest, commit, *intent, stamp, now_ms);
  }
  if (const auto* intent = std::get_if<RemoveVersion>(&commit.intent)) {
    return remove(current, *intent);
  }
  if (const auto* intent = std::get_if<UpdateVersion>(&commit.intent)) {
    return update(current, commit, *intent, stamp);
  }
  if (current.row_count == 0) return nothing_to_do(current);
  Effect effect;
  effect.all = true;
  effect.reply.stamp = stamp;
  return effect;
}

std::vector<Row> apply(std::vector<Row> rows, const std::vector<Row>& puts,
                       const std::vector<Stamp>& removes) {
  std::erase_if(rows, [&](const Row& row) {
    const auto same = [&](const Row& put) { return put.order == row.order; };
    return std::ranges::find(removes, row.order) != removes.end() ||
           std::ranges::any_of(puts, same);
  });
  rows.insert(rows.end(), puts.begin(), puts.end());
  std::ranges::sort(rows, [](const Row& a, const Row& b) { return a.order > b.order; });
  return rows;
}

}  // namespace cairn::store
