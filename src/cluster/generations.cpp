#include "cluster/generations.h"

#include <charconv>

#include "base/log.h"

namespace cairn::cluster {
namespace {

struct Remembered {
  std::uint64_t number = 0;        // 0: of no mount, of no batch
  std::uint64_t mod_revision = 0;  // of the entry; 0: there is none
};

io::Task<Result<Remembered>> recall(control::Store& control, std::string key) {
  CAIRN_CO_ASSIGN(const auto entry, co_await control.get(key));
  Remembered out;
  if (!entry) co_return out;
  const char* end = entry->value.data() + entry->value.size();
  const auto parsed = std::from_chars(entry->value.data(), end, out.number);
  if (parsed.ec != std::errc{} || parsed.ptr != end)
    co_return Error{Code::corrupt, "the control store's " + key + " is no number"};
  out.mod_revision = entry->mod_revision;
  co_return out;
}

io::Task<Result<void>> remember(control::Store& control, std::vector<drive::Format> found) {
  std::vector<control::Condition> conditions;
  std::vector<control::Change> changes;
  for (const drive::Format& format : found) {
    CAIRN_CO_ASSIGN(const Remembered known, co_await recall(control, generation_key(format.drive)));
    const std::uint64_t mounted = format.generation + 1;
    if (mounted <= known.number) continue;
    conditions.push_back({generation_key(format.drive), known.mod_revision});
    changes.push_back({generation_key(format.drive), std::to_string(mounted)});
  }
  if (changes.empty()) co_return Result<void>{};
  CAIRN_CO_TRY(co_await control.commit(std::move(conditions), std::move(changes)));
  co_return Result<void>{};
}

}  // namespace

std::string generation_key(model::DriveId drive) {
  return "generation/" + drive.hex();
}

io::Task<Result<bool>> is_stale(control::Store& control, drive::Format found) {
  CAIRN_CO_ASSIGN(const Remembered known, co_await recall(control, generation_key(found.drive)));
  co_return found.generation < known.number;
}

io::Task<void> remember_mounts(control::Store& control, std::vector<drive::Format> found) {
  const auto done = co_await remember(control, std::move(found));
  if (!done)
    log::warn("the mounts of the drives cannot be remembered", {{"reason", done.error().message}});
}

std::string acked_key(model::DriveId drive) {
  return "acked/" + drive.hex();
}

namespace {

io::Task<Result<void>> raise_acked(control::Store& control, model::DriveId drive,
                                   std::uint64_t batch) {
  CAIRN_CO_ASSIGN(const Remembered known, co_await recall(control, acked_key(drive)));
  if (batch <= known.number) co_return Result<void>{};
  std::vector<control::Condition> same{{acked_key(drive), known.mod_revision}};
  std::vector<control::Change> changes{{acked_key(drive), std::to_string(batch)}};
  CAIRN_CO_TRY(co_await control.commit(std::move(same), std::move(changes)));
  co_return Result<void>{};
}

}  // namespace

io::Task<void> remember_acked(control::Store& control, model::DriveId drive, std::uint64_t batch) {
  const auto done = co_await raise_acked(control, drive, batch);
  if (!done)
    log::warn("what a drive had acknowledged cannot be remembered",
              {{"drive", drive.hex()}, {"reason", done.error().message}});
}

io::Task<Result<bool>> has_lost_batches(control::Store& control,
                                        std::shared_ptr<drive::Drive> drive) {
  CAIRN_CO_ASSIGN(const Remembered known, co_await recall(control, acked_key(drive->id())));
  CAIRN_CO_ASSIGN(const drive::SyncedBatches synced, co_await drive->synced());
  co_return synced.at_open < known.number;
}

std::string stale_reason(const std::string& path) {
  return path +
         " holds an old copy of its drive, without what was written to it since; put the drive "
         "itself back, or empty the directory to have it rebuilt";
}

}  // namespace cairn::cluster
