// DeleteObject: what it removes, or which marker it puts, depends on the bucket's versioning.
#include "object/conditions.h"
#include "object/engine.h"

namespace cairn::object {
namespace {

// What deleting the key itself (no version named) does.
store::Commit delete_latest(model::UnitKey unit, model::ValueId value, const BucketView& view) {
  store::Commit intent{std::move(unit), value, {}};
  if (!view.versioned()) {
    intent.intent = store::RemoveVersion{VersionId::null_version()};
    return intent;
  }
  store::PutVersion marker;  // suspended: takes the place of the null version
  marker.record.delete_marker = true;
  marker.record.meta = encode_meta({});
  intent.intent = std::move(marker);
  return intent;
}

}  // namespace

// Conditions of a named version are checked before: what a version id names never changes (the
// store's preconditions speak of the latest version). AWS, as measured: If-Match where nothing is,
// is NoSuchKey; the conditions on size and time alone hold where nothing is.
io::Task<Result<DeleteResult>> Engine::remove(DeleteRequest request) {
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  const model::UnitKey unit = model::UnitKey::object(view.id, request.key.text());
  DeleteResult result;

  if (request.version) {
    if (has_conditions(request.conditions)) {
      auto found = co_await find_version(unit, request.version, false, false);
      if (!found && found.code() != Code::no_such_version) co_return found.error();
      const bool readable = found && !found->record.delete_marker;
      CAIRN_CO_TRY(check_write(request.conditions, readable ? &found->record : nullptr));
    }
    CAIRN_CO_ASSIGN(const Buckets::Entered entered, buckets_.enter(request.bucket, view.id));
    store::Commit intent{unit, new_value(), store::RemoveVersion{*request.version}};
    CAIRN_CO_ASSIGN(const store::Committed done, co_await commit(entered, std::move(intent), {}));
    result.version = request.version;
    result.delete_marker = done.removed_delete_marker;
    co_return result;
  }

  CAIRN_CO_ASSIGN(const Buckets::Entered entered, buckets_.enter(request.bucket, view.id));
  store::Commit intent = delete_latest(unit, new_value(), entered.view);
  auto done = co_await commit(entered, std::move(intent), request.conditions);
  if (!done) {
    if (done.code() != Code::precondition_failed || request.conditions.if_match)
      co_return done.error();
    CAIRN_CO_ASSIGN(const auto current, co_await find_current(unit));
    if (current) co_return done.error();
    co_return result;  // nothing is there to be deleted
  }
  if (entered.view.versioned()) {
    result.delete_marker = true;
    result.version = done->version;
  }
  co_return result;
}

}  // namespace cairn::object
