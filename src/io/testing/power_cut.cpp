#include "io/testing/power_cut.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/assert.h"
#include "io/executor.h"

namespace cairn::io::testing {
namespace {

constexpr std::size_t kSector = 512;
constexpr std::uint64_t kCapacity = std::uint64_t{1} << 40;

struct Yield {
  bool await_ready() const noexcept { return Executor::current_or_null() == nullptr; }
  void await_suspend(std::coroutine_handle<> h) {
    Executor::current().post([h] { h.resume(); });
  }
  void await_resume() const noexcept {}
};

struct Write {
  std::uint64_t offset;
  std::string data;
};

void apply(std::string& content, std::uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  if (content.size() < offset + data.size()) content.resize(offset + data.size(), '\0');
  std::copy(data.begin(), data.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
}

struct Node;
using NodeRef = std::shared_ptr<Node>;

// A file or a directory: its content as running programs see it, and as the medium has it for sure.
struct Node {
  bool is_directory = false;
  std::string content{}, durable_content{};
  std::vector<Write> pending{};  // since the last sync_data
  std::map<std::string, NodeRef> names{}, durable_names{};
};

// A tree without hard links, as drives make them.
NodeRef copy_of(const Node& node) {
  auto out = std::make_shared<Node>(node);
  CAIRN_ASSERT(node.pending.empty());
  for (auto& [name, child] : out->durable_names) child = copy_of(*child);
  out->names = out->durable_names;
  return out;
}

struct NameChange {
  NodeRef directory;
  std::string name;
  NodeRef node;  // null: removed
};
// What changes together or not at all.
using NameChanges = std::vector<NameChange>;

void apply_durable(const NameChange& change) {
  if (change.node == nullptr) {
    change.directory->durable_names.erase(change.name);
  } else {
    change.directory->durable_names[change.name] = change.node;
  }
}

using NameKey = std::pair<const Node*, std::string>;

bool touches(const NameChanges& changes, const std::set<NameKey>& names) {
  return std::any_of(changes.begin(), changes.end(), [&](const NameChange& c) {
    return names.contains({c.directory.get(), c.name});
  });
}
void add_names(const NameChanges& changes, std::set<NameKey>& names) {
  for (const auto& c : changes) names.insert({c.directory.get(), c.name});
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (slash != 0) parts.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

}  // namespace

struct PowerCutFileSystem::Disk {
  mutable std::mutex mutex;
  // All guarded by mutex.
  NodeRef root = std::make_shared<Node>(Node{.is_directory = true});
  std::vector<NameChanges> pending_names;
  std::vector<SyncRecord> syncs;
  std::uint64_t generation = 0;  // power cuts so far
  std::uint64_t operations = 0;
  std::uint64_t operations_max = UINT64_MAX;
  bool powered = true;

  Result<void> check_power() const {
    if (!powered) return Error(Code::io_error, "the power is off");
    return {};
  }
  Result<void> begin_change() {
    CAIRN_TRY(check_power());
    if (operations >= operations_max) {
      powered = false;
      return check_power();
    }
    ++operations;
    return {};
  }

  NodeRef find(const std::vector<std::string>& parts, std::size_t count) const {
    NodeRef node = root;
    for (std::size_t i = 0; i < count; ++i) {
      const auto found = node->names.find(parts[i]);
      if (found == node->names.end()) return nullptr;
      node = found->second;
    }
    return node;
  }
  struct Place {
    NodeRef directory;
    std::string name;
    NodeRef node;  // null: absent
  };
  Result<Place> place(const std::string& path) const {
    const auto parts = split(path);
    if (parts.empty()) return Error(Code::io_error, "the root cannot be changed");
    NodeRef directory = find(parts, parts.size() - 1);
    if (directory == nullptr || !directory->is_directory)
      return Error(Code::not_found, "no directory for " + path);
    const auto found = directory->names.find(parts.back());
    return Place{directory, parts.back(),
                 found == directory->names.end() ? nullptr : found->second};
  }
  NodeRef directory(const std::string& path) const {
    const auto parts = split(path);
    NodeRef node = find(parts, parts.size());
    return node != nullptr && node->is_directory ? node : nullptr;
  }

  void change(NameChanges changes) {
    for (const auto& c : changes) {
      if (c.node == nullptr) {
        c.directory->names.erase(c.name);
      } else {
        c.directory->names[c.name] = c.node;
      }
    }
    pending_names.push_back(std::move(changes));
  }

  // Makes the changes in `directory` durable. A rename between two directories becomes durable with
  // either, and takes the earlier changes of its names along.
  void sync_names(const NodeRef& directory) {
    std::set<NameKey> needed;
    std::vector<NameChanges> now, later;
    for (; !pending_names.empty(); pending_names.pop_back()) {
      NameChanges& changes = pending_names.back();
      const bool here = std::any_of(changes.begin(), changes.end(),
                                    [&](const auto& c) { return c.directory == directory; });
      if (here || touches(changes, needed)) {
        add_names(changes, needed);
        now.push_back(std::move(changes));
      } else {
        later.push_back(std::move(changes));
      }
    }
    for (auto it = now.rbegin(); it != now.rend(); ++it)
      std::for_each(it->begin(), it->end(), apply_durable);
    pending_names.assign(std::make_move_iterator(later.rbegin()),
                         std::make_move_iterator(later.rend()));
  }

  // `keep(n)`: which of n possibilities, 0 being the one that loses most.
  void cut(const std::function<std::uint64_t(std::uint64_t)>& keep) {
    // What follows a lost change of the same name is lost with it: no file system forgets a rename
    // and keeps the file created in its place.
    std::set<NameKey> lost;
    for (const auto& changes : pending_names) {
      if (touches(changes, lost) || keep(2) == 0) {
        add_names(changes, lost);
      } else {
        std::for_each(changes.begin(), changes.end(), apply_durable);
      }
    }
    pending_names.clear();
    restart(*root, keep);
    ++generation;
    powered = true;
    operations_max = UINT64_MAX;
  }

  // Makes what the medium has what programs see.
  static void restart(Node& node, const std::function<std::uint64_t(std::uint64_t)>& keep) {
    node.names = node.durable_names;
    for (auto& entry : node.names) restart(*entry.second, keep);
    // 0: all lost, 1: all kept, 2: any sectors, 3: a prefix of the writes and any sectors of the
    // last one.
    const std::uint64_t fate = node.pending.empty() ? 0 : keep(4);
    const std::uint64_t whole = fate == 3 ? keep(node.pending.size()) : 0;
    for (std::size_t i = 0; i < node.pending.size(); ++i) {
      const Write& write = node.pending[i];
      if (fate == 1 || (fate == 3 && i < whole)) {
        apply(node.durable_content, write.offset, write.data);
      } else if (fate == 2 || (fate == 3 && i == whole)) {
        tear(node.durable_content, write, keep);
      }
    }
    node.pending.clear();
    node.content = node.durable_content;
  }

  static void tear(std::string& content, const Write& write,
                   const std::function<std::uint64_t(std::uint64_t)>& keep) {
    std::uint64_t at = write.offset;
    std::string_view rest = write.data;
    while (!rest.empty()) {
      const std::size_t n = std::min<std::size_t>(rest.size(), kSector - at % kSector);
      if (keep(2) == 1) apply(content, at, rest.substr(0, n));
      at += n;
      rest.remove_prefix(n);
    }
  }
};

namespace {

using Disk = PowerCutFileSystem::Disk;

class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<Disk> disk, NodeRef node, std::string path, bool writable)
      : disk_(std::move(disk)),
        node_(std::move(node)),
        path_(std::move(path)),
        writable_(writable),
        generation_(disk_->generation) {}

  Task<Result<std::size_t>> read_at(std::uint64_t offset, MutableBytes into) override {
    co_await Yield{};
    std::lock_guard lock(disk_->mutex);
    CAIRN_CO_TRY(check());
    if (offset >= node_->content.size()) co_return std::size_t{0};
    const auto from = as_bytes(node_->content).subspan(offset);
    const std::size_t n = std::min(from.size(), into.size());
    std::copy_n(from.begin(), n, into.begin());
    co_return n;
  }

  Task<Result<void>> write_at(std::uint64_t offset, std::vector<Bytes> data) override {
    co_await Yield{};
    std::lock_guard lock(disk_->mutex);
    co_return write(offset, data);
  }

  Task<Result<void>> write_synced(std::uint64_t offset, std::vector<Bytes> data) override {
    co_await Yield{};
    co_return write_synced_blocking(offset, std::move(data));
  }

  // Only these bytes: what else waits goes on waiting.
  Result<void> write_synced_blocking(std::uint64_t offset, std::vector<Bytes> data) override {
    std::lock_guard lock(disk_->mutex);
    CAIRN_TRY(write(offset, data));
    CAIRN_TRY(disk_->begin_change());  // the power may go between the write and its sync
    const std::uint64_t end = offset + node_->pending.back().data.size();
    std::vector<Write> waiting;
    for (Write& one : node_->pending) {
      const bool apart = one.offset >= end || offset >= one.offset + one.data.size();
      if (apart) {
        waiting.push_back(std::move(one));
      } else {
        apply(node_->durable_content, one.offset, one.data);
      }
    }
    node_->pending = std::move(waiting);
    disk_->syncs.push_back({SyncRecord::Kind::data, path_});
    return {};
  }

  Task<Result<void>> sync_data() override {
    co_await Yield{};
    std::lock_guard lock(disk_->mutex);
    CAIRN_CO_TRY(check());
    CAIRN_CO_TRY(disk_->begin_change());
    node_->pending.clear();
    node_->durable_content = node_->content;
    disk_->syncs.push_back({SyncRecord::Kind::data, path_});
    co_return Result<void>{};
  }

  Task<Result<void>> discard(std::uint64_t offset, std::uint64_t length) override {
    co_await Yield{};
    std::lock_guard lock(disk_->mutex);
    CAIRN_CO_TRY(check());
    CAIRN_CO_TRY(disk_->begin_change());
    if (offset >= node_->content.size()) co_return Result<void>{};
    std::string zeros(std::min<std::size_t>(length, node_->content.size() - offset), '\0');
    apply(node_->content, offset, zeros);
    node_->pending.push_back({offset, std::move(zeros)});
    co_return Result<void>{};
  }

  Task<Result<FileInfo>> info() override {
    co_await Yield{};
    std::lock_guard lock(disk_->mutex);
    CAIRN_CO_TRY(check());
    const auto parts = split(path_);
    co_return FileInfo{node_->content.size(), disk_->find(parts, parts.size()) == node_};
  }

 private:
  // REQUIRES: the lock.
  Result<void> write(std::uint64_t offset, const std::vector<Bytes>& data) {
    CAIRN_TRY(check());
    if (!writable_) return Error(Code::io_error, "write " + path_ + ": opened for reading");
    CAIRN_TRY(disk_->begin_change());
    std::string all;
    for (const Bytes& piece : data) all += as_text(piece);
    apply(node_->content, offset, all);
    node_->pending.push_back({offset, std::move(all)});
    return {};
  }
  Result<void> check() const {
    if (generation_ != disk_->generation)
      return Error(Code::io_error, path_ + ": opened before the power was cut");
    return disk_->check_power();
  }
  std::shared_ptr<Disk> disk_;
  NodeRef node_;
  std::string path_;
  bool writable_;
  std::uint64_t generation_;
};

}  // namespace

PowerCutFileSystem::PowerCutFileSystem() : disk_(std::make_shared<Disk>()) {}
PowerCutFileSystem::~PowerCutFileSystem() = default;

Task<Result<std::unique_ptr<File>>> PowerCutFileSystem::open(std::string path, Open mode) {
  co_await Yield{};
  std::lock_guard lock(disk_->mutex);
  CAIRN_CO_TRY(disk_->check_power());
  CAIRN_CO_ASSIGN(auto place, disk_->place(path));
  if (mode == Open::create_new || mode == Open::create_streamed) {
    if (place.node) co_return Error(Code::already_exists, "open " + path + ": it exists");
    CAIRN_CO_TRY(disk_->begin_change());
    place.node = std::make_shared<Node>();
    disk_->change({{place.directory, place.name, place.node}});
  }
  if (!place.node) co_return Error(Code::not_found, "open " + path + ": not found");
  if (place.node->is_directory) co_return Error(Code::io_error, "open " + path + ": a directory");
  co_return std::make_unique<MemoryFile>(disk_, place.node, path, mode != Open::read);
}

Task<Result<void>> PowerCutFileSystem::remove(std::string path) {
  co_await Yield{};
  std::lock_guard lock(disk_->mutex);
  CAIRN_CO_TRY(disk_->check_power());
  CAIRN_CO_ASSIGN(const auto place, disk_->place(path));
  if (!place.node) co_return Error(Code::not_found, "remove " + path + ": not found");
  if (!place.node->names.empty()) co_return Error(Code::io_error, "remove " + path + ": not empty");
  CAIRN_CO_TRY(disk_->begin_change());
  disk_->change({{place.directory, place.name, nullptr}});
  co_return Result<void>{};
}

Task<Result<void>> PowerCutFileSystem::rename(std::string from, std::string to) {
  co_await Yield{};
  std::lock_guard lock(disk_->mutex);
  CAIRN_CO_TRY(disk_->check_power());
  CAIRN_CO_ASSIGN(const auto source, disk_->place(from));
  CAIRN_CO_ASSIGN(const auto target, disk_->place(to));
  if (!source.node) co_return Error(Code::not_found, "rename " + from + ": not found");
  if (source.node == target.node) co_return Result<void>{};
  if (target.node &&
      (target.node->is_directory != source.node->is_directory || !target.node->names.empty()))
    co_return Error(Code::io_error, "rename to " + to + ": a directory is in the way");
  CAIRN_CO_TRY(disk_->begin_change());
  disk_->change(
      {{source.directory, source.name, nullptr}, {target.directory, target.name, source.node}});
  co_return Result<void>{};
}

Task<Result<void>> PowerCutFileSystem::make_directory(std::string path) {
  co_await Yield{};
  std::lock_guard lock(disk_->mutex);
  CAIRN_CO_TRY(disk_->check_power());
  if (disk_->directory(path)) co_return Result<void>{};
  CAIRN_CO_ASSIGN(const auto place, disk_->place(path));
  if (place.node) co_return Error(Code::already_exists, "make directory " + path + ": a file");
  CAIRN_CO_TRY(disk_->begin_change());
  disk_->change(
      {{place.directory, place.name, std::make_shared<Node>(Node{.is_directory = true})}});
  co_return Result<void>{};
}

Task<Result<void>> PowerCutFileSystem::sync_directory(std::string path) {
  co_await Yield{};
  std::lock_guard lock(disk_->mutex);
  CAIRN_CO_TRY(disk_->check_power());
  const NodeRef directory = disk_->directory(path);
  if (!directory) co_return Error(Code::not_found, "sync directory " + path + ": not found");
  CAIRN_CO_TRY(disk_->begin_change());
  disk_->sync_names(directory);
  disk_->syncs.push_back({SyncRecord::Kind::directory, path});
  co_return Result<void>{};
}

Task<Result<std::vector<DirectoryEntry>>> PowerCutFileSystem::list(std::string path) {
  co_await Yield{};
  std::lock_guard lock(disk_->mutex);
  CAIRN_CO_TRY(disk_->check_power());
  const NodeRef directory = disk_->directory(path);
  if (!directory) co_return Error(Code::not_found, "list " + path + ": not found");
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, node] : directory->names) entries.push_back({name, node->is_directory});
  co_return entries;
}

Task<Result<SpaceInfo>> PowerCutFileSystem::space(std::string path) {
  co_await Yield{};
  std::lock_guard lock(disk_->mutex);
  CAIRN_CO_TRY(disk_->check_power());
  if (!disk_->directory(path)) co_return Error(Code::not_found, "space " + path + ": not found");
  co_return SpaceInfo{kCapacity, kCapacity};
}

void PowerCutFileSystem::power_cut(Random& random) {
  std::lock_guard lock(disk_->mutex);
  disk_->cut([&](std::uint64_t n) { return random.next_u64() % n; });
}

void PowerCutFileSystem::power_cut_losing_all() {
  std::lock_guard lock(disk_->mutex);
  disk_->cut([](std::uint64_t) { return std::uint64_t{0}; });
}

struct PowerCutFileSystem::Image {
  NodeRef root{};
};

std::shared_ptr<const PowerCutFileSystem::Image> PowerCutFileSystem::image() const {
  std::lock_guard lock(disk_->mutex);
  auto out = std::make_shared<Image>();
  out->root = copy_of(*disk_->root);
  return out;
}

void PowerCutFileSystem::put_back(const Image& image) {
  std::lock_guard lock(disk_->mutex);
  disk_->cut([](std::uint64_t) { return std::uint64_t{0}; });
  disk_->root = copy_of(*image.root);
}

void PowerCutFileSystem::lose_power_after(std::uint64_t operations) {
  std::lock_guard lock(disk_->mutex);
  disk_->operations_max = disk_->operations + operations;
}

std::uint64_t PowerCutFileSystem::operations() const {
  std::lock_guard lock(disk_->mutex);
  return disk_->operations;
}

std::vector<SyncRecord> PowerCutFileSystem::syncs() const {
  std::lock_guard lock(disk_->mutex);
  return disk_->syncs;
}

void PowerCutFileSystem::forget_syncs() {
  std::lock_guard lock(disk_->mutex);
  disk_->syncs.clear();
}

}  // namespace cairn::io::testing
