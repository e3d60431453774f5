#include "sim/sim_drive.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "drive/blob_file.h"
#include "drive/layout.h"
#include "drive/pending_journal.h"
#include "drive/unit.h"

namespace cairn::sim {

using drive::Family;
using io::testing::Fault;
using io::testing::FileOp;

namespace {

// A reader that returns wrong bytes of inline shards now and then.
class LyingReader final : public drive::Reader {
 public:
  LyingReader(std::unique_ptr<drive::Reader> inner, std::function<bool()> lies)
      : inner_(std::move(inner)), lies_(std::move(lies)) {}
  Result<bool> get(Family family, std::string_view key, std::string& into) override {
    return inner_->get(family, key, into);
  }
  Result<std::optional<io::Slice>> get_slice(Family family, std::string_view key) override {
    auto slice = inner_->get_slice(family, key);
    if (family != Family::inline_data || !slice || !*slice || !lies_()) return slice;
    std::string bytes(as_text((*slice)->bytes));
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    return std::optional<io::Slice>(io::Slice::of(std::move(bytes)));
  }
  std::unique_ptr<drive::Cursor> cursor(Family family, drive::Walk walk,
                                        std::string_view end) override {
    return inner_->cursor(family, walk, end);
  }

 private:
  std::unique_ptr<drive::Reader> inner_;
  std::function<bool()> lies_;
};

}  // namespace

class SimIndex final : public drive::Index {
 public:
  SimIndex(std::unique_ptr<drive::Index> inner, std::function<bool()> dead,
           std::function<bool()> lies, bool ignore_syncs)
      : inner_(std::move(inner)),
        dead_(std::move(dead)),
        lies_(std::move(lies)),
        ignore_syncs_(ignore_syncs) {}
  std::unique_ptr<drive::Batch> batch() override { return inner_->batch(); }
  Result<void> write(drive::Batch& batch, bool sync) override {
    if (dead_()) return Error{Code::io_error, "the process is gone"};
    return inner_->write(batch, sync && !ignore_syncs_);
  }
  Result<void> sync() override {
    if (dead_()) return Error{Code::io_error, "the process is gone"};
    return ignore_syncs_ ? Result<void>{} : inner_->sync();
  }
  std::unique_ptr<drive::Reader> latest(drive::Reads reads) override {
    return std::make_unique<LyingReader>(inner_->latest(reads), lies_);
  }
  std::unique_ptr<drive::Reader> snapshot() override {
    return std::make_unique<LyingReader>(inner_->snapshot(), lies_);
  }

 private:
  std::unique_ptr<drive::Index> inner_;
  std::function<bool()> dead_, lies_;
  bool ignore_syncs_;
};

Fault SimDrive::inject(const Mount& mount, FileOp op, const std::string& file) {
  Fault fault;
  if (mount.dead) {
    fault.error = Error{Code::io_error, "the process is gone"};
    return fault;
  }
  const bool data =
      file.find("/blobs/") != std::string::npos || file.find("/log/") != std::string::npos;
  if (op == FileOp::read && data && parts_.dice.chance(state_->lying)) fault.flip_bit = true;
  const bool changes = op == FileOp::write || op == FileOp::sync || op == FileOp::rename ||
                       op == FileOp::sync_directory;
  if (changes && parts_.dice.chance(state_->failing)) {
    fault.error = Error{Code::io_error, "a simulated input/output error"};
    fault.done_nevertheless = parts_.dice.chance(500);
  }
  return fault;
}

io::Task<Result<void>> SimDrive::format(model::ErasureProfile profile) {
  CAIRN_CO_TRY(co_await files_.make_directory(path));
  drive::Format format;
  format.drive = id;
  format.profile = profile;
  format.drives = profile.drives();
  format.created = "2024-01-01T00:00:00Z";
  co_return co_await drive::format_drive(files_, path, std::move(format));
}

io::Task<Result<void>> SimDrive::mount() {
  CAIRN_ASSERT(!drive_ && !destroyed_);
  auto mount = std::make_shared<Mount>();
  Mount* const m = mount.get();
  mount->files = std::make_unique<io::testing::FaultyFileSystem>(
      files_, [this, m](FileOp op, const std::string& file) { return inject(*m, op, file); });
  mounts_.push_back(mount);
  CAIRN_CO_ASSIGN(const auto mounted, co_await drive::mount_format(*mount->files, path));
  drive::CoreParts core{.files = *mount->files,
                        .pool = parts_.pool,
                        .metrics = parts_.metrics,
                        .executor = parts_.executor};
  core.id = mounted.format.drive;
  core.path = path;
  core.index = std::make_unique<SimIndex>(
      index_.open(), [m] { return m->dead; },
      [this, m] { return !m->dead && parts_.dice.chance(state_->lying); }, parts_.ignore_syncs);
  core.own_thread = false;
  core.generation = mounted.format.generation;
  core.mount = parts_.dice.random().next_u64() | 1;
  core.reserve_bytes = 1;
  core.logged_from = 30;
  core.log = {.segment_bytes = 20 * drive::kLogPage, .give_back_bytes = 2 * drive::kLogPage};
  CAIRN_CO_ASSIGN(auto opened, co_await drive::LocalDrive::open(std::move(core)));
  if (mount->dead || destroyed_) {
    opened->retire("the process is gone");
    co_return Error{Code::io_error, "killed while it was mounted"};
  }
  drive_ = std::move(opened);
  co_return Result<void>{};
}

void SimDrive::kill(bool power) {
  ++kills_;
  for (auto& mount : mounts_) mount->dead = true;
  if (drive_) drive_->retire("the process is gone");
  drive_.reset();
  if (power && !destroyed_) {
    index_.crash(parts_.dice.random());
    files_.power_cut(parts_.dice.random());
  }
}

SimDrive::Copy SimDrive::copy() const {
  CAIRN_ASSERT(!drive_);
  Copy out{index_.tables(), files_.image()};
  const auto& state = *out.tables[static_cast<std::size_t>(Family::state)];
  if (const auto it = state.find(drive::kBatchKey); it != state.end())
    out.last_batch = *drive::decode_batch_number(it->second);
  return out;
}

void SimDrive::put_back(const Copy& copy) {
  CAIRN_ASSERT(!drive_ && !destroyed_);
  index_.put_back(copy.tables);
  files_.put_back(*copy.files);
  is_old_copy_ = true;
}

void SimDrive::destroy() {
  kill(false);
  destroyed_ = true;
}

DriveUnit SimDrive::look(const model::UnitKey& unit) {
  DriveUnit out;
  const auto index = index_.open();
  const auto reader = index->snapshot();
  auto pendings = drive::load_pendings(*reader, 0, unit.encoded());
  CAIRN_ASSERT(pendings.has_value());
  for (const auto& pending : *pendings)
    out.pendings.push_back({pending->stamp, pending->value, pending->after.rows == 0});
  auto view = drive::UnitView::load(*reader, unit.encoded(),
                                    std::make_shared<const drive::Pendings>(std::move(*pendings)));
  CAIRN_ASSERT(view.has_value());
  out.settled_head = view->settled().head;
  const auto rows = view->settled_rows([&](const drive::RowInfo& info, std::string_view record) {
    const auto text = [](model::Stamp s) {
      return std::to_string(s.term) + "." + std::to_string(s.sequence);
    };
    out.rows.push_back(text(info.id.order) + "/" + text(info.id.stamp) + " " + std::string(record));
    return true;
  });
  CAIRN_ASSERT(rows.has_value());
  return out;
}

std::size_t SimDrive::missing_marks() const {
  return index_.tables()[static_cast<std::size_t>(Family::missing)]->size();
}
std::string SimDrive::describe_missing() const {
  std::string out;
  for (const auto& [key, value] : *index_.tables()[static_cast<std::size_t>(Family::missing)]) {
    const auto name = drive::decode_blob_key(key);
    if (name)
      out += " " + drive::blob_file_name(*name).substr(0, 6) +
             (value == drive::kNeverHere ? " never here" : " lost");
  }
  return out;
}
std::size_t SimDrive::pending_keys() const {
  return index_.tables()[static_cast<std::size_t>(Family::pending)]->size();
}

io::Task<std::optional<std::string>> SimDrive::check_names() {
  const auto tables = index_.tables();
  const auto& refs = *tables[static_cast<std::size_t>(Family::refs)];
  const auto& missing = *tables[static_cast<std::size_t>(Family::missing)];
  for (const auto& [key, value] : refs) {
    const auto ref = drive::decode_ref(key);
    if (!ref) co_return "a reference that cannot be read";
    const drive::BlobName name = ref->blob;
    if (missing.contains(drive::blob_key(name))) continue;
    const std::string file =
        path + "/blobs/" + name.data_id.hex().substr(30) + "/" + drive::blob_file_name(name);
    auto reader = co_await drive::BlobFileReader::open(files_, file, name);
    if (!reader && reader.code() == Code::not_found) {
      // The drive lied, the shard was put aside, and the crash came before that was written down.
      // Whoever reads it next does.
      const auto aside = co_await drive::BlobFileReader::open(
          files_, path + "/quarantine/" + drive::blob_file_name(name), name);
      if (aside) continue;
    }
    if (!reader) {
      co_return "drive " + path + " names blob " + drive::blob_file_name(name) + ": " +
          reader.error().message;
    }
    const auto size = static_cast<std::size_t>((*reader)->size());
    std::vector<std::byte> room(drive::shard_read_room(0, size));
    const auto bytes = co_await (*reader)->read(0, size, room);
    if (!bytes) co_return "drive " + path + " has a torn blob: " + bytes.error().message;
  }
  co_return std::nullopt;
}

}  // namespace cairn::sim
