// What interrupted operations leave behind: uploads of buckets that were deleted, parts whose
// upload is gone. Removing them is safe at any time, because neither comes back: ids of buckets and
// uploads are never used again, and a part is only committed while its upload stands.
#include <algorithm>
#include <map>

#include "object/engine.h"

namespace cairn::object {
namespace {

constexpr std::size_t kUnitsPerStep = 500;

std::string kind_begin(model::UnitKind kind) {
  return std::string(1, static_cast<char>(kind));
}
std::string kind_end(model::UnitKind kind) {
  return std::string(1, static_cast<char>(static_cast<char>(kind) + 1));
}

}  // namespace

// The cursor is a unit key; parts ('p') are walked before uploads ('u').
io::Task<Result<SweepStep>> Engine::sweep(std::string cursor) {
  const bool parts = cursor < kind_end(model::UnitKind::part);
  const model::UnitKind kind = parts ? model::UnitKind::part : model::UnitKind::upload;
  store::ScanRequest request;
  request.begin = std::max(cursor, kind_begin(kind));
  request.end = kind_end(kind);
  request.max_units = kUnitsPerStep;
  CAIRN_CO_ASSIGN(store::ScanPage page, co_await store_.scan(std::move(request)));
  // Asked after the scan: what was found belongs to a bucket that existed by then.
  CAIRN_CO_ASSIGN(const auto buckets, co_await buckets_.ids());

  std::vector<model::UnitKey> gone;
  std::map<model::UnitKey, bool> uploads;  // of the parts in this step: does it stand?
  for (const store::ScanUnit& found : page.units) {
    if (found.rows().empty()) continue;
    model::UnitKey unit = found.unit();
    bool stands = std::ranges::find(buckets, unit.bucket()) != buckets.end();
    if (parts && stands) {
      const auto upload =
          model::UnitKey::upload(unit.bucket(), unit.object_key(), unit.upload_id());
      auto known = uploads.find(upload);
      if (known == uploads.end()) {
        auto stored = co_await store_.find(upload, store::Selector{});
        if (!stored && stored.code() != Code::not_found) co_return stored.error();
        known = uploads.emplace(upload, stored.has_value()).first;
      }
      stands = known->second;
    }
    if (!stands) gone.push_back(std::move(unit));
  }
  SweepStep step;
  step.removed = co_await remove_units(std::move(gone));
  if (!page.exhausted) {
    step.next = std::move(page.resume);
  } else if (parts) {
    step.next = kind_begin(model::UnitKind::upload);
  }
  co_return step;
}

}  // namespace cairn::object
