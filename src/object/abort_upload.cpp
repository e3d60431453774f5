// AbortMultipartUpload. A completion that runs at the same time wins or loses whole: both remove
// the upload unit under the lock of its key, and only who removed it goes on.
#include "object/engine.h"

namespace cairn::object {

io::Task<Result<void>> Engine::abort_upload(BucketName bucket, ObjectKey key, UploadId upload) {
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(bucket));
  CAIRN_CO_TRY(co_await find_upload(view.id, key, upload));
  CAIRN_CO_ASSIGN(const Buckets::Entered entered, buckets_.enter(bucket, view.id));
  store::Commit intent{model::UnitKey::upload(view.id, key.text(), upload), new_value(),
                       store::RemoveUnit{}};
  CAIRN_CO_ASSIGN(const store::Committed done, co_await commit(entered, std::move(intent), {}));
  if (!done.wrote) co_return no_such_upload(upload);
  remove_parts(view.id, key.text(), upload);
  co_return Result<void>{};
}

}  // namespace cairn::object
