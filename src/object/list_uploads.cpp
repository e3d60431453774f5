// ListMultipartUploads: by key, then by initiation (upload ids are ordered by time).
#include "object/engine.h"
#include "object/walker.h"

namespace cairn::object {
namespace {

Result<UploadInfo> listed(const Walker::Unit& unit) {
  CAIRN_ASSIGN(const model::Record record, model::decode_record(unit.unit.rows().front().record));
  UploadInfo info;
  info.key = unit.key;
  info.upload = unit.unit.unit().upload_id();
  info.initiated_ms = record.modified_ms;
  info.storage_class = record.storage_class.empty() ? "STANDARD" : record.storage_class;
  CAIRN_ASSIGN(info.meta, decode_meta(record.meta));
  return info;
}

}  // namespace

io::Task<Result<ListUploadsPage>> Engine::list_uploads(ListUploadsRequest request) {
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  ListUploadsPage page;
  if (request.max_uploads == 0) co_return page;
  Walker walker(store_, {model::UnitKind::upload, view.id, request.prefix, request.delimiter, false,
                         request.max_uploads});
  if (request.upload_marker && !request.key_marker.empty()) {
    const auto marker = model::UnitKey::upload(view.id, request.key_marker, *request.upload_marker);
    walker.start_within(request.key_marker, marker.encoded() + '\0');
  } else {
    walker.start_after(request.key_marker);
  }
  for (;;) {
    while (auto entry = walker.take()) {
      if (page.uploads.size() + page.common_prefixes.size() == request.max_uploads) {
        page.truncated = true;
        co_return page;
      }
      if (auto* common = std::get_if<std::string>(&*entry)) {
        page.next_key = *common;
        page.next_upload.reset();
        page.common_prefixes.push_back(std::move(*common));
        continue;
      }
      CAIRN_CO_ASSIGN(UploadInfo info, listed(std::get<Walker::Unit>(*entry)));
      page.next_key = info.key;
      page.next_upload = info.upload;
      page.uploads.push_back(std::move(info));
    }
    CAIRN_CO_ASSIGN(const bool more, co_await walker.refill());
    if (!more) co_return page;
  }
}

}  // namespace cairn::object
