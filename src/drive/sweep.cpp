#include "drive/sweep.h"

#include "base/log.h"
#include "drive/blob_format.h"
#include "drive/works.h"

namespace cairn::drive {
namespace {

constexpr std::size_t kNamesAtOnce = 256;

// "<blob file name>.<number>": of which blob a temporary file is.
std::optional<BlobName> blob_of_temporary(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? std::nullopt : parse_blob_file_name(name.substr(0, dot));
}

// Which of the names nothing names, as the index stands. Blocking.
Result<std::vector<BlobName>> unnamed_of(Core& core, std::vector<BlobName> names) {
  auto reader = core.index->latest(Reads::blocking);
  auto cursor = reader->cursor(Family::refs, Walk::unit);
  std::vector<BlobName> out;
  for (const auto& name : names) {
    const auto prefix = blob_key(name);
    cursor->seek(prefix);
    CAIRN_TRY(cursor->status());
    if (!cursor->valid() || !cursor->key().starts_with(prefix)) out.push_back(name);
  }
  return out;
}

io::Task<Result<void>> sweep_names(std::shared_ptr<Core> core, std::vector<BlobName> names) {
  std::erase_if(names, [&](const BlobName& name) { return core->blobs.concerns(name); });
  if (names.empty()) co_return Result<void>{};
  Core* const c = core.get();
  auto unnamed = co_await core->pool.run([c, n = std::move(names)] { return unnamed_of(*c, n); });
  CAIRN_CO_TRY(unnamed);
  if (unnamed->empty()) co_return Result<void>{};
  core->metrics.swept.add(unnamed->size());
  // The committer looks again, in its order, before anything goes.
  auto work = std::make_unique<UnlinkWork>(std::move(*unnamed));
  auto answer = work->answer();
  core->committer->submit(std::move(work));
  CAIRN_CO_TRY(co_await answer.get());
  co_return Result<void>{};
}

io::Task<Result<void>> sweep_directory(std::shared_ptr<Core> core, std::string directory) {
  CAIRN_CO_ASSIGN(const auto entries, co_await core->files.list(directory));
  std::vector<BlobName> names;
  for (const auto& entry : entries) {
    if (core->stopping || core->failed()) co_return Result<void>{};
    const auto name = parse_blob_file_name(entry.name);
    if (!name || entry.is_directory) continue;
    names.push_back(*name);
    if (names.size() < kNamesAtOnce) continue;
    CAIRN_CO_TRY(co_await sweep_names(core, std::exchange(names, {})));
  }
  co_return co_await sweep_names(core, std::move(names));
}

io::Task<Result<void>> sweep_temporaries(std::shared_ptr<Core> core) {
  CAIRN_CO_ASSIGN(const auto entries, co_await core->files.list(core->path + "/tmp"));
  for (const auto& entry : entries) {
    if (core->stopping || core->failed()) co_return Result<void>{};
    const auto name = blob_of_temporary(entry.name);
    if (entry.is_directory || (name && core->blobs.concerns(*name))) continue;
    auto removed = co_await core->files.remove(core->path + "/tmp/" + entry.name);
    if (!removed && removed.code() != Code::not_found) co_return removed;
  }
  co_return Result<void>{};
}

io::Task<Result<void>> sweep_all(std::shared_ptr<Core> core) {
  CAIRN_CO_TRY(co_await sweep_temporaries(core));
  CAIRN_CO_ASSIGN(const auto directories, co_await core->files.list(core->path + "/blobs"));
  for (const auto& directory : directories) {
    if (core->stopping || core->failed()) break;
    if (directory.is_directory)
      CAIRN_CO_TRY(co_await sweep_directory(core, core->path + "/blobs/" + directory.name));
  }
  co_return Result<void>{};
}

// Tells the shard log what the index names. Blocking.
Result<void> count_logged(Core& core) {
  const auto reader = core.index->snapshot();
  auto cursor = reader->cursor(Family::logged, Walk::all);
  for (cursor->seek({}); cursor->valid() && !core.stopping; cursor->next()) {
    CAIRN_ASSIGN(const LoggedShard shard, decode_logged(cursor->value()));
    core.log->take(shard.place);
  }
  return cursor->status();
}

io::Task<Result<void>> reclaim_log(std::shared_ptr<Core> core) {
  Core* const c = core.get();
  auto counted = co_await core->pool.run([c] { return count_logged(*c); });
  CAIRN_CO_TRY(counted);
  if (!core->stopping) co_await core->log->reclaim();
  co_return Result<void>{};
}

io::Task<void> reclaim_in_background(std::shared_ptr<Core> core, io::Gate::Pass pass) {
  auto reclaimed = co_await reclaim_log(core);
  if (!reclaimed && !core->stopping && !core->failed())
    log::warn("what a drive's shard log holds could not be counted",
              {{"path", core->path}, {"reason", reclaimed.error().message}});
  static_cast<void>(pass);
}

io::Task<void> sweep_in_background(std::shared_ptr<Core> core, io::Gate::Pass pass) {
  co_await sweep(core);
  static_cast<void>(pass);
}

}  // namespace

io::Task<void> sweep(std::shared_ptr<Core> core) {
  auto swept = co_await sweep_all(core);
  if (!swept && !core->stopping && !core->failed())
    log::warn("the sweep of a drive's blobs ended early",
              {{"path", core->path}, {"reason", swept.error().message}});
}

void spawn_sweep(std::shared_ptr<Core> core) {
  auto pass = core->background.enter();
  if (!pass) return;
  io::Executor& executor = core->executor;
  io::spawn(executor, sweep_in_background(std::move(core), std::move(*pass)));
}

void spawn_reclaim(std::shared_ptr<Core> core) {
  auto pass = core->background.enter();
  if (!pass) return;
  io::Executor& executor = core->executor;
  io::spawn(executor, reclaim_in_background(std::move(core), std::move(*pass)));
}

}  // namespace cairn::drive
