// ListParts.
#include "object/engine.h"

namespace cairn::object {

io::Task<Result<ListPartsPage>> Engine::list_parts(ListPartsRequest request) {
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  CAIRN_CO_ASSIGN(Upload upload, co_await find_upload(view.id, request.key, request.upload));
  ListPartsPage page;
  page.upload.key = request.key.text();
  page.upload.upload = request.upload;
  page.upload.initiated_ms = upload.found.record.modified_ms;
  page.upload.storage_class =
      upload.found.record.storage_class.empty() ? "STANDARD" : upload.found.record.storage_class;
  page.upload.meta = std::move(upload.meta);
  if (request.max_parts == 0 || request.after >= kMaxParts) co_return page;

  CAIRN_CO_ASSIGN(const auto parts,
                  co_await stored_parts(view.id, request.key.text(), request.upload,
                                        request.after + 1, request.max_parts + 1));
  for (const StoredPart& part : parts) {
    if (page.parts.size() == request.max_parts) {
      page.truncated = true;
      break;
    }
    page.parts.push_back(part.info());
  }
  co_return page;
}

}  // namespace cairn::object
