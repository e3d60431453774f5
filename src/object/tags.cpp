// PutObjectTagging and DeleteObjectTagging: the meta of a version is replaced where nobody changed
// it meanwhile.
#include "object/engine.h"
#include "object/validate.h"

namespace cairn::object {
namespace {
constexpr int kTries = 16;
}

io::Task<Result<ObjectInfo>> Engine::set_tags(BucketName bucket, ObjectKey key,
                                              std::optional<VersionId> version, Tags tags) {
  CAIRN_CO_TRY(validate_tags(tags, kMaxObjectTags, "Object"));
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(bucket));
  const model::UnitKey unit = model::UnitKey::object(view.id, key.text());
  for (int attempt = 0; attempt < kTries; ++attempt) {
    CAIRN_CO_ASSIGN(const store::Found found,
                    co_await find_readable(view, unit, version, false, false));
    CAIRN_CO_ASSIGN(Meta meta, decode_meta(found.record.meta));
    meta.tags = tags;
    CAIRN_CO_ASSIGN(const Buckets::Entered entered, buckets_.enter(bucket, view.id));
    store::UpdateVersion update{found.record.version, found.stamp, encode_meta(meta)};
    store::Commit intent{unit, new_value(), std::move(update)};
    auto done = co_await commit(entered, std::move(intent), {});
    if (done)
      co_return make_info(entered.view, key.text(), found.record, std::move(meta), found.is_latest);
    // Changed or removed meanwhile: look again, which also says what is there now.
    if (done.code() != Code::conflict && done.code() != Code::not_found) co_return done.error();
  }
  co_return bucket_busy();
}

}  // namespace cairn::object
