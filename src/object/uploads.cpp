// Uploads and their parts as units: what the multipart operations share.
#include <algorithm>

#include "base/log.h"
#include "object/engine.h"

namespace cairn::object {
namespace {
// Units of one upload share a lock: a few at a time keep it busy without holding up who else wants
// it.
constexpr std::size_t kRemovalsAtOnce = 4;
// Uploads whose parts are being removed behind their answers; of those beyond, parts are left to
// the sweep.
constexpr unsigned kRemovalsBehind = 256;
}  // namespace

Error no_such_upload(const UploadId& upload) {
  return {Code::no_such_upload,
          "The specified upload does not exist. The upload ID may be invalid, or the upload may "
          "have been aborted or "
          "completed.",
          {{"UploadId", upload.hex()}}};
}

PartInfo Engine::StoredPart::info() const {
  PartInfo info;
  info.number = number;
  info.size = record.size;
  info.modified_ms = record.modified_ms;
  info.etag = record.etag;
  info.checksum = checksum;
  return info;
}

io::Task<Result<Engine::Upload>> Engine::find_upload(model::BucketId bucket, const ObjectKey& key,
                                                     UploadId upload) {
  auto found =
      co_await store_.find(model::UnitKey::upload(bucket, key.text(), upload), store::Selector{});
  if (!found) {
    if (found.code() == Code::not_found) co_return no_such_upload(upload);
    co_return found.error();
  }
  Upload out;
  CAIRN_CO_ASSIGN(out.meta, decode_meta(found->record.meta));
  out.found = std::move(*found);
  co_return out;
}

io::Task<Result<std::vector<Engine::StoredPart>>> Engine::stored_parts(model::BucketId bucket,
                                                                       std::string key,
                                                                       UploadId upload,
                                                                       std::uint32_t first,
                                                                       std::size_t limit) {
  std::vector<StoredPart> parts;
  if (first > kMaxParts || limit == 0) co_return parts;
  std::string begin =
      model::UnitKey::part(bucket, key, upload, static_cast<std::uint16_t>(first)).encoded();
  const std::string end =
      model::UnitKey::part(bucket, key, upload, static_cast<std::uint16_t>(kMaxParts)).encoded() +
      '\0';
  for (;;) {
    store::ScanRequest request;
    request.begin = std::move(begin);
    request.end = end;
    request.max_units = std::min<std::size_t>(limit - parts.size(), 1000);
    CAIRN_CO_ASSIGN(store::ScanPage page, co_await store_.scan(std::move(request)));
    for (const store::ScanUnit& unit : page.units) {
      if (unit.rows().empty()) continue;
      StoredPart part;
      part.number = unit.unit().part_number();
      CAIRN_CO_ASSIGN(part.record, model::decode_record(unit.rows().front().record));
      CAIRN_CO_ASSIGN(Meta meta, decode_meta(part.record.meta));
      part.checksum = std::move(meta.checksum);
      part.record.meta.clear();
      parts.push_back(std::move(part));
      if (parts.size() == limit) co_return parts;
    }
    if (page.exhausted) co_return parts;
    begin = std::move(page.resume);
  }
}

io::Task<std::size_t> Engine::remove_units(std::vector<model::UnitKey> units) {
  std::size_t removed = 0;
  for (std::size_t at = 0; at < units.size() && !stopping_.load(); at += kRemovalsAtOnce) {
    std::vector<io::Task<Result<store::Committed>>> batch;
    for (std::size_t i = at; i < std::min(units.size(), at + kRemovalsAtOnce); ++i) {
      batch.push_back(
          store_.commit(store::Commit{std::move(units[i]), new_value(), store::RemoveUnit{}}));
    }
    const auto results = co_await io::when_all(std::move(batch));
    for (const auto& result : results) {
      if (!result) {
        log::debug("parts were not removed and will be swept", {{"error", result.error().message}});
        co_return removed;
      }
      ++removed;
    }
  }
  co_return removed;
}

void Engine::remove_parts(model::BucketId bucket, std::string key, UploadId upload) {
  auto pass = removing_.enter();
  if (!pass) return;
  if (removals_.fetch_add(1) >= kRemovalsBehind) {
    removals_.fetch_sub(1);
    return;
  }
  io::spawn(io::Executor::current(),
            run_removal(this, std::move(*pass), bucket, std::move(key), upload));
}

io::Task<void> Engine::run_removal(Engine* self, io::Gate::Pass pass, model::BucketId bucket,
                                   std::string key, UploadId upload) {
  const io::Gate::Pass inside = std::move(pass);
  std::string begin = model::UnitKey::part(bucket, key, upload, 0).encoded();
  const std::string end = model::UnitKey::part(bucket, key, upload, UINT16_MAX).encoded();
  bool more = true;
  while (more && !self->stopping_.load()) {
    store::ScanRequest request;
    request.begin = std::move(begin);
    request.end = end;
    auto page = co_await self->store_.scan(std::move(request));
    if (!page) break;
    std::vector<model::UnitKey> units;
    for (const store::ScanUnit& unit : page->units) {
      if (!unit.rows().empty()) units.push_back(unit.unit());
    }
    const std::size_t wanted = units.size();
    const std::size_t removed = co_await self->remove_units(std::move(units));
    more = removed == wanted && !page->exhausted;
    begin = std::move(page->resume);
  }
  self->removals_.fetch_sub(1);
}

io::Task<void> Engine::stop() {
  stopping_.store(true);
  co_await removing_.close();
}

}  // namespace cairn::object
