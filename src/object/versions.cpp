// Finding and committing versions: what the operations on objects share.
#include "object/conditions.h"
#include "object/engine.h"

namespace cairn::object {

Error no_such_key(const std::string& key) {
  return {Code::no_such_key, "The specified key does not exist.", {{"Key", key}}};
}

Error no_such_version(const std::string& key, const VersionId& version) {
  return {Code::no_such_version,
          "The specified version does not exist.",
          {{"Key", key}, {"VersionId", version.text()}}};
}

ObjectInfo make_info(const BucketView& view, std::string key, const model::Record& record,
                     Meta meta, bool is_latest) {
  ObjectInfo info;
  info.key = std::move(key);
  info.version = record.version;
  info.bucket_versioned = view.versioned();
  info.delete_marker = record.delete_marker;
  info.is_latest = is_latest;
  info.size = record.size;
  info.modified_ms = record.modified_ms;
  info.etag = record.etag;
  if (!record.storage_class.empty()) info.storage_class = record.storage_class;
  info.part_count = record.part_count;
  info.meta = std::move(meta);
  return info;
}

Result<ListedObject> listed(std::string_view key, const drive::UnitPage::Row& row, bool is_latest) {
  CAIRN_ASSIGN(const model::ListedRecord record, model::decode_listed(row.record));
  ListedObject out;
  CAIRN_ASSIGN(out.meta, decode_listed_meta(record.meta));
  out.key = key;
  out.version = record.version;
  out.delete_marker = record.delete_marker;
  out.is_latest = is_latest;
  out.size = record.size;
  out.modified_ms = record.modified_ms;
  out.etag = record.etag;
  out.storage_class = record.storage_class;
  return out;
}

namespace {

store::Versioning to_store(Versioning versioning) {
  switch (versioning) {
    case Versioning::enabled:
      return store::Versioning::enabled;
    case Versioning::suspended:
      return store::Versioning::suspended;
    case Versioning::unversioned:
      break;
  }
  return store::Versioning::unversioned;
}

}  // namespace

model::ValueId Engine::new_value() {
  std::array<std::uint8_t, 16> random;
  random_.fill(std::as_writable_bytes(std::span(random)));
  return model::make_value_id(clock_.unix_ms(), random);
}

io::Task<Result<store::Found>> Engine::find_version(model::UnitKey unit,
                                                    std::optional<VersionId> version,
                                                    bool want_parts, bool want_inline) {
  store::Selector selector;
  selector.latest = !version;
  if (version) selector.version = *version;
  selector.want_parts = want_parts;
  selector.want_inline = want_inline;
  auto found = co_await store_.find(unit, selector);
  if (!found && found.code() == Code::not_found) {
    if (version) co_return no_such_version(unit.object_key(), *version);
    co_return no_such_key(unit.object_key());
  }
  co_return found;
}

io::Task<Result<store::Found>> Engine::find_readable(BucketView view, model::UnitKey unit,
                                                     std::optional<VersionId> version,
                                                     bool want_parts, bool want_inline) {
  auto found = co_await find_version(unit, version, want_parts, want_inline);
  if (!found || !found->record.delete_marker) co_return found;
  const model::Record& marker = found->record;
  if (version) {
    co_return Error{Code::method_not_allowed,
                    "The specified method is not allowed against this resource.",
                    {{"Method", "GET"},
                     {"ResourceType", "DeleteMarker"},
                     {"DeleteMarker", "true"},
                     {"VersionId", marker.version.text()},
                     {"LastModifiedMs", std::to_string(marker.modified_ms)}}};
  }
  Error error = no_such_key(unit.object_key());
  error.details.emplace_back("DeleteMarker", "true");
  if (view.versioned()) error.details.emplace_back("VersionId", marker.version.text());
  co_return error;
}

io::Task<Result<std::optional<model::Record>>> Engine::find_current(model::UnitKey unit) {
  auto found = co_await store_.find(std::move(unit), store::Selector{});
  if (!found) {
    if (found.code() == Code::not_found) co_return std::optional<model::Record>{};
    co_return found.error();  // "cannot reach" is not "does not exist"
  }
  if (found->record.delete_marker) co_return std::optional<model::Record>{};
  co_return std::optional<model::Record>(std::move(found->record));
}

io::Task<Result<void>> Engine::advise(model::UnitKey unit, WriteConditions conditions) {
  if (!has_conditions(conditions)) co_return Result<void>{};
  CAIRN_CO_ASSIGN(const auto current, co_await find_current(std::move(unit)));
  co_return check_write(conditions, current ? &*current : nullptr);
}

io::Task<Result<store::Committed>> Engine::commit(const Buckets::Entered& entered,
                                                  store::Commit commit,
                                                  const WriteConditions& conditions) {
  if (auto* put = std::get_if<store::PutVersion>(&commit.intent)) {
    if (commit.unit.kind() == model::UnitKind::object)
      put->versioning = to_store(entered.view.versioning);
    put->record.value = commit.value;
    if (put->record.modified_ms == 0) put->record.modified_ms = clock_.unix_ms();
  }
  if (!has_conditions(conditions)) co_return co_await store_.commit(std::move(commit));

  commit.precondition = to_precondition(conditions);
  const model::UnitKey unit = commit.unit;
  auto done = co_await store_.commit(std::move(commit));
  if (!done && done.code() == Code::precondition_failed)
    co_return co_await explain(unit, conditions);
  co_return done;
}

io::Task<Error> Engine::explain(model::UnitKey unit, WriteConditions conditions) {
  const auto found = co_await find_current(std::move(unit));
  if (found) {
    const auto& current = *found;
    const auto checked = check_write(conditions, current ? &*current : nullptr);
    if (!checked) co_return checked.error();
  }
  // Not to be found out, or true by now: it was false when it was decided.
  co_return Error{Code::precondition_failed,
                  "At least one of the pre-conditions you specified did not hold"};
}

}  // namespace cairn::object
