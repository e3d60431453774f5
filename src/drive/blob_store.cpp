#include "drive/blob_store.h"

#include "base/log.h"
#include "drive/blob_file.h"
#include "drive/inline_shards.h"
#include "drive/works.h"

namespace cairn::drive {
namespace {

io::Task<Result<bool>> submit(std::shared_ptr<Core> core, std::unique_ptr<Answering<bool>> work) {
  auto answer = work->answer();
  core->committer->submit(std::move(work));
  co_return co_await answer.get();
}

class StoredBlobWriter final : public BlobWriter {
 public:
  StoredBlobWriter(std::shared_ptr<Core> core, BlobName name, std::unique_ptr<BlobFileWriter> file)
      : core_(std::move(core)), name_(name), file_(std::move(file)) {}
  ~StoredBlobWriter() override {
    if (file_) abandon();
  }
  io::Task<Result<void>> append(ShardBytes data) override {
    if (core_->failed()) co_return core_->failure();
    if (core_->space.full()) co_return Error{Code::no_space, "the drive is full"};
    std::uint64_t bytes = 0;
    for (const auto& piece : data.pieces) bytes += piece.size();
    core_->space.wrote(bytes);
    auto written = co_await file_->append(std::move(data));
    if (!written) co_return write_error(*core_, std::move(written.error()));
    core_->metrics.blob_bytes_written.add(bytes);
    co_return Result<void>{};
  }
  io::Task<Result<void>> finish() override {
    if (core_->failed()) co_return core_->failure();
    auto finished = co_await file_->finish();
    if (!finished) co_return write_error(*core_, std::move(finished.error()));
    core_->blobs.end_write(name_, true);
    core_->open_blobs.forget(name_);  // a damaged one that this one replaced
    file_.reset();
    if (core_->marks.any()) {
      // Perhaps it was missing: a repair.
      auto done = co_await submit(
          core_, std::make_unique<ShardMarkWork>(name_, ShardMarkWork::What::blob_here));
      CAIRN_CO_TRY(done);
    }
    co_return Result<void>{};
  }

 private:
  static io::Task<void> remove(std::shared_ptr<Core> core, io::Gate::Pass pass, std::string path,
                               std::unique_ptr<BlobFileWriter> file) {
    file.reset();
    auto removed = co_await core->files.remove(std::move(path));  // else the next sweep
    static_cast<void>(removed);
    static_cast<void>(pass);
  }
  void abandon() {
    core_->blobs.end_write(name_, false);
    auto pass = core_->background.enter();
    if (!pass) return;
    std::string path = file_->temporary();
    io::Executor& executor = core_->executor;
    io::spawn(executor,
              remove(std::move(core_), std::move(*pass), std::move(path), std::move(file_)));
  }
  std::shared_ptr<Core> core_;
  BlobName name_;
  std::unique_ptr<BlobFileWriter> file_;
};

class StoredBlobReader final : public ShardReader {
 public:
  StoredBlobReader(std::shared_ptr<Core> core, BlobName name,
                   std::shared_ptr<const BlobFileReader> file)
      : core_(std::move(core)), name_(name), file_(std::move(file)) {}
  std::uint64_t size() const override { return file_->size(); }
  io::Task<Result<io::Bytes>> read(std::uint64_t offset, std::size_t length,
                                   io::MutableBytes into) override {
    if (core_->failed()) co_return core_->failure();
    auto bytes = co_await file_->read(offset, length, into);
    if (bytes)
      core_->metrics.blob_bytes_read.add(bytes->size());
    else
      core_->open_blobs.forget(name_);
    co_return bytes;
  }

 private:
  std::shared_ptr<Core> core_;
  BlobName name_;
  std::shared_ptr<const BlobFileReader> file_;
};

io::Task<bool> is_still_there(std::shared_ptr<const BlobFileReader> file) {
  const auto there = co_await file->still_there();
  co_return there && *there;
}

using OpenedFile = Result<std::shared_ptr<const BlobFileReader>>;

io::Task<OpenedFile> open_file(std::shared_ptr<Core> core, BlobName name) {
  auto file = co_await BlobFileReader::open(core->files, core->blob_path(name), name);
  if (!file && file.code() == Code::slow_down) {
    // Too many files are open in this process: those that nobody reads are closed.
    core->open_blobs.forget_all();
    file = co_await BlobFileReader::open(core->files, core->blob_path(name), name);
  }
  if (!file) co_return Error{std::move(file.error())};
  std::shared_ptr<const BlobFileReader> opened(std::move(*file));
  core->open_blobs.keep(name, opened, io::Executor::current().now());
  // Whoever removes it forgets it afterwards; if that was before it was kept, it shows now.
  if (!co_await is_still_there(opened)) core->open_blobs.forget(name);
  co_return opened;
}

// Blobs that units of this drive name and that are not marked missing were checked when they were
// named.
Result<std::vector<BlobName>> not_known(Core& core, std::vector<BlobName> names) {
  auto reader = core.index->latest(Reads::blocking);
  auto refs = reader->cursor(Family::refs, Walk::unit);
  std::vector<BlobName> out;
  for (const auto& name : names) {
    const auto prefix = blob_key(name);
    refs->seek(prefix);
    CAIRN_TRY(refs->status());
    bool known = refs->valid() && refs->key().starts_with(prefix);
    if (known && core.marks.any()) {
      std::string value;
      CAIRN_ASSIGN(const bool missing, reader->get(Family::missing, prefix, value));
      known = !missing;
    }
    if (!known) out.push_back(name);
  }
  return out;
}

// False: there was nothing.
io::Task<Result<bool>> move_away(std::shared_ptr<Core> core, BlobName name) {
  const std::string directory = core->path + "/quarantine";
  CAIRN_CO_TRY(co_await core->files.make_directory(directory));
  auto moved =
      co_await core->files.rename(core->blob_path(name), directory + "/" + blob_file_name(name));
  core->open_blobs.forget(name);
  if (!moved && moved.code() != Code::not_found) co_return Error{std::move(moved.error())};
  CAIRN_CO_TRY(co_await core->files.sync_directory(directory));
  CAIRN_CO_TRY(co_await core->files.sync_directory(core->blob_directory(name)));
  co_return moved.has_value();
}

// False: there is nothing to keep, or it cannot be read.
io::Task<Result<bool>> keep_inline_copy(std::shared_ptr<Core> core, BlobName name) {
  Core* const c = core.get();
  auto value = co_await core->pool.run([c, name] {
    return c->index->latest(Reads::blocking)->get_slice(Family::inline_data, name.data_id.raw());
  });
  if (value && !*value) value = co_await read_logged_as_it_is(core, name.data_id);
  if (!value) co_return false;
  const auto& slice = *value;
  if (!slice) co_return false;
  const std::string directory = core->path + "/quarantine";
  CAIRN_CO_TRY(co_await core->files.make_directory(directory));
  CAIRN_CO_TRY(co_await core->files.replace_file(directory + "/" + blob_file_name(name) + ".inline",
                                                 std::string(as_text(slice->bytes))));
  co_return true;
}

}  // namespace

Error write_error(Core& core, Error error) {
  if (error.code == Code::no_space) {
    core.space.seen({core.space.total(), 0});
    return error;
  }
  core.fail("a shard cannot be written: " + error.message);
  return core.failure();
}

io::Task<void> refresh_space(std::shared_ptr<Core> core) {
  if (!core->space.is_stale(io::Executor::current().now())) co_return;
  auto space = co_await core->files.space(core->path);
  if (!space) {
    log::warn("the free space of a drive cannot be read",
              {{"path", core->path}, {"reason", space.error().message}});
    co_return;
  }
  core->space.seen(*space);
  core->metrics.available.set(static_cast<double>(core->space.available()));
  core->metrics.full.set(core->space.full() ? 1 : 0);
}

io::Task<Result<std::unique_ptr<BlobWriter>>> create_blob(std::shared_ptr<Core> core,
                                                          BlobName name) {
  co_await refresh_space(core);
  if (core->space.full()) co_return Error{Code::no_space, "the drive is full"};
  if (!core->blobs.begin_write(name)) co_return Error{Code::conflict, "the blob is being removed"};
  auto file = co_await BlobFileWriter::create(core->files, name, core->temporary_path(name),
                                              core->blob_path(name), core->blob_directory(name));
  if (!file) {
    core->blobs.end_write(name, false);
    co_return write_error(*core, std::move(file.error()));
  }
  co_return std::unique_ptr<BlobWriter>(
      std::make_unique<StoredBlobWriter>(core, name, std::move(*file)));
}

io::Task<Result<std::unique_ptr<ShardReader>>> open_blob(std::shared_ptr<Core> core,
                                                         BlobName name) {
  auto file = core->open_blobs.find(name, io::Executor::current().now());
  if (!file || !co_await is_still_there(file)) {
    CAIRN_CO_ASSIGN(file, co_await open_file(core, name));
  }
  co_return std::unique_ptr<ShardReader>(
      std::make_unique<StoredBlobReader>(core, name, std::move(file)));
}

io::Task<Result<void>> discard_blob(std::shared_ptr<Core> core, BlobName name) {
  core->blobs.given_up(name);
  auto done = co_await submit(core, std::make_unique<UnlinkWork>(std::vector<BlobName>{name}));
  CAIRN_CO_TRY(done);
  co_return Result<void>{};
}

io::Task<Result<void>> quarantine(std::shared_ptr<Core> core, BlobName name, bool is_inline) {
  // The copy is for people; that it fails must not keep the damage in place.
  Result<bool> kept = false;
  if (is_inline) {
    kept = co_await keep_inline_copy(core, name);
  } else {
    kept = co_await move_away(core, name);
  }
  if (!kept && !is_inline) co_return Error{std::move(kept.error())};
  const auto what = is_inline ? ShardMarkWork::What::inline_gone : ShardMarkWork::What::blob_gone;
  auto done = co_await submit(core, std::make_unique<ShardMarkWork>(name, what));
  CAIRN_CO_TRY(done);
  if (kept && !*kept) {  // a crash came between the shard and its name elsewhere, as a rule
    log::info("a shard that is not there is noted as missing",
              {{"path", core->path}, {"shard", blob_file_name(name)}, {"inline", is_inline}});
    co_return Result<void>{};
  }
  log::warn("a damaged shard was put aside",
            {{"path", core->path}, {"shard", blob_file_name(name)}, {"inline", is_inline}});
  co_return Result<void>{};
}

io::Task<void> find_absent(std::shared_ptr<Core> core, BlobPins* pins, PreparedRows* rows) {
  std::vector<BlobName> unknown;
  for (const auto& row : rows->rows) {
    for (const auto& blob : row.blobs) {
      const auto known = pins->pin(blob);
      if (known == BlobRegistry::Known::removing) rows->absent.insert(blob);
      if (known == BlobRegistry::Known::unknown) unknown.push_back(blob);
    }
  }
  if (unknown.empty()) co_return;
  Core* const c = core.get();
  const auto& all = unknown;
  auto looked = co_await core->pool.run([c, n = all] { return not_known(*c, n); });
  if (looked) unknown = std::move(*looked);
  for (const auto& blob : unknown) {
    auto file = co_await BlobFileReader::open(core->files, core->blob_path(blob), blob);
    if (!file) rows->absent.insert(blob);
  }
}

void release_blobs(Core& core, BlobPins& pins, const std::vector<BlobName>& names, bool committed) {
  if (committed)
    for (const auto& name : names) core.blobs.named(name);
  auto again = pins.release();
  if (!again.empty()) core.committer->submit(std::make_unique<UnlinkWork>(std::move(again)));
}

}  // namespace cairn::drive
