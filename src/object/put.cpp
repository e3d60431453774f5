// PutObject: the body goes straight into the store's buffers; one value id, one commit.
#include "object/engine.h"
#include "object/validate.h"

namespace cairn::object {

io::Task<Result<PutResult>> Engine::put(PutRequest request) {
  // 1. What can be refused before a byte is read.
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  CAIRN_CO_TRY(validate_meta(request.meta));
  store::PutVersion put;
  CAIRN_CO_ASSIGN(put.record.storage_class, validate_storage_class(request.storage_class));
  const model::UnitKey unit = model::UnitKey::object(view.id, request.key.text());
  CAIRN_CO_TRY(co_await advise(unit, request.conditions));

  // 2. The body: staged, hashed, compared with what the client claims.
  const model::ValueId value = new_value();
  BodyClaims claims{request.size, std::move(request.content_md5), std::move(request.checksum)};
  if (claims.checksum) claims.keep = claims.checksum->algorithm;
  BodyTarget target{store_, hashing_, unit, value};
  CAIRN_CO_ASSIGN(StagedBody body, co_await receive_body(target, *request.body, std::move(claims)));

  // 3. Durable data, then the commit, which decides conditions and versions.
  request.meta.checksum = body.digest.checksum;
  put.record.meta = encode_meta(request.meta);
  CAIRN_CO_ASSIGN(const Buckets::Entered entered, buckets_.enter(request.bucket, view.id));
  CAIRN_CO_TRY(co_await body.finish(put));
  store::Commit intent{unit, value, std::move(put)};
  CAIRN_CO_ASSIGN(const store::Committed done,
                  co_await commit(entered, std::move(intent), request.conditions));

  PutResult result;
  result.etag = body.digest.etag();
  result.version = done.version;
  result.show_version = entered.view.shows(result.version);
  result.size = body.digest.size;
  result.checksum = std::move(body.digest.checksum);
  co_return result;
}

}  // namespace cairn::object
