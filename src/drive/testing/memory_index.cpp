#include "drive/testing/memory_index.h"

#include "base/assert.h"
#include "drive/layout.h"

namespace cairn::drive::testing {
namespace {

using Table = IndexDisk::Table;
using Tables = IndexDisk::Tables;

std::size_t at(Family family) {
  return static_cast<std::size_t>(family);
}

class MemoryBatch final : public Batch {
 public:
  struct Op {
    Family family{};
    std::string key{};
    std::optional<std::string> value{};
    bool once = false;
  };
  void put(Family family, std::string_view key,
           std::initializer_list<std::string_view> value) override {
    std::string all;
    for (const auto& piece : value) all.append(piece);
    bytes_ += key.size() + all.size();
    ops_.push_back({family, std::string(key), std::move(all)});
  }
  void remove(Family family, std::string_view key) override {
    bytes_ += key.size();
    ops_.push_back({family, std::string(key), std::nullopt});
  }
  void remove_once(Family family, std::string_view key) override {
    bytes_ += key.size();
    ops_.push_back({family, std::string(key), std::nullopt, true});
  }
  bool empty() const override { return ops_.empty(); }
  std::size_t bytes() const override { return bytes_; }
  void clear() override {
    ops_.clear();
    bytes_ = 0;
  }
  void save() override { saved_ = {ops_.size(), bytes_}; }
  void rollback() override {
    ops_.resize(saved_.first);
    bytes_ = saved_.second;
  }
  const std::vector<Op>& ops() const { return ops_; }

 private:
  std::vector<Op> ops_;
  std::size_t bytes_ = 0;
  std::pair<std::size_t, std::size_t> saved_{};
};

std::string_view prefix_of(Family family, std::string_view key) {
  switch (family) {
    case Family::records:
      return key.substr(0, unit_key_length(key));
    case Family::refs:
    case Family::missing:
      return key.substr(0, 16);
    default:
      return {};
  }
}

class MemoryCursor final : public Cursor {
 public:
  MemoryCursor(std::shared_ptr<const Table> table, Family family, Walk walk, std::string_view end)
      : table_(std::move(table)), family_(family), walk_(walk), end_(end), it_(table_->end()) {}
  void seek(std::string_view key) override {
    it_ = table_->lower_bound(key);
    prefix_ = prefix_of(family_, key);
    CAIRN_ASSERT(walk_ == Walk::all || !prefix_.empty());
  }
  void next() override {
    CAIRN_ASSERT(valid());
    ++it_;
  }
  bool valid() const override {
    return it_ != table_->end() && (end_.empty() || it_->first < end_) &&
           (walk_ == Walk::all || it_->first.starts_with(prefix_));
  }
  std::string_view key() const override { return it_->first; }
  std::string_view value() const override { return it_->second; }
  Result<void> status() const override { return {}; }

 private:
  std::shared_ptr<const Table> table_;
  Family family_;
  Walk walk_;
  const std::string end_;
  Table::const_iterator it_;
  std::string prefix_;
};

class MemoryReader final : public Reader {
 public:
  explicit MemoryReader(std::function<Tables()> tables) : tables_(std::move(tables)) {}
  Result<bool> get(Family family, std::string_view key, std::string& into) override {
    const auto table = tables_()[at(family)];
    const auto it = table->find(key);
    if (it == table->end()) return false;
    into = it->second;
    return true;
  }
  Result<std::optional<io::Slice>> get_slice(Family family, std::string_view key) override {
    std::string value;
    CAIRN_ASSIGN(const bool found, get(family, key, value));
    if (!found) return std::optional<io::Slice>{};
    return std::optional<io::Slice>(io::Slice::of(std::move(value)));
  }
  std::unique_ptr<Cursor> cursor(Family family, Walk walk, std::string_view end) override {
    return std::make_unique<MemoryCursor>(tables_()[at(family)], family, walk, end);
  }

 private:
  std::function<Tables()> tables_;
};

}  // namespace

class MemoryIndex final : public Index {
 public:
  explicit MemoryIndex(IndexDisk& disk) : disk_(disk) {}
  std::unique_ptr<Batch> batch() override { return std::make_unique<MemoryBatch>(); }
  Result<void> write(Batch& batch, bool sync) override {
    std::lock_guard lock(disk_.mutex_);
    CAIRN_TRY(disk_.step());
    ++disk_.writes_;
    std::array<std::shared_ptr<Table>, kFamilies> changed{};
    for (const auto& op : static_cast<MemoryBatch&>(batch).ops()) {
      auto& table = changed[at(op.family)];
      if (!table) table = std::make_shared<Table>(*disk_.now_[at(op.family)]);
      apply(*table, op);
    }
    for (std::size_t i = 0; i < kFamilies; ++i)
      if (changed[i]) disk_.now_[i] = std::move(changed[i]);
    disk_.history_.push_back(disk_.now_);
    if (sync) synced();
    return {};
  }
  Result<void> sync() override {
    std::lock_guard lock(disk_.mutex_);
    CAIRN_TRY(disk_.step());
    synced();
    return {};
  }
  std::unique_ptr<Reader> latest(Reads) override {
    return std::make_unique<MemoryReader>([this] { return disk_.tables(); });
  }
  std::unique_ptr<Reader> snapshot() override {
    return std::make_unique<MemoryReader>([tables = disk_.tables()] { return tables; });
  }

 private:
  static void apply(Table& table, const MemoryBatch::Op& op) {
    if (op.value) {
      table[op.key] = *op.value;
      return;
    }
    // RocksDB leaves the result of a SingleDelete of an absent key undefined, so it must not
    // happen.
    CAIRN_ASSERT(!op.once || table.contains(op.key));
    table.erase(op.key);
  }
  void synced() {
    disk_.history_.clear();
    disk_.history_.push_back(disk_.now_);
    ++disk_.syncs_;
  }
  IndexDisk& disk_;
};

IndexDisk::IndexDisk() {
  for (auto& table : now_) table = std::make_shared<const Table>();
  history_.push_back(now_);
}

std::unique_ptr<Index> IndexDisk::open() {
  return std::make_unique<MemoryIndex>(*this);
}

void IndexDisk::crash_to(std::size_t kept) {
  now_ = history_[kept];
  history_.assign(1, now_);
  fail_in_ = -1;
}

void IndexDisk::crash(io::Random& random) {
  std::lock_guard lock(mutex_);
  crash_to(random.next_u64() % history_.size());
}

void IndexDisk::crash_losing_all() {
  std::lock_guard lock(mutex_);
  crash_to(0);
}

void IndexDisk::fail_after(std::int64_t n, Code code) {
  std::lock_guard lock(mutex_);
  fail_in_ = n;
  fail_code_ = code;
}

Result<void> IndexDisk::step() {
  if (fail_in_ == 0) return Error{fail_code_, "the test wants it so"};
  if (fail_in_ > 0) --fail_in_;
  return {};
}

std::uint64_t IndexDisk::syncs() const {
  std::lock_guard lock(mutex_);
  return syncs_;
}
std::uint64_t IndexDisk::writes() const {
  std::lock_guard lock(mutex_);
  return writes_;
}
void IndexDisk::put_back(Tables tables) {
  std::lock_guard lock(mutex_);
  now_ = std::move(tables);
  history_.assign(1, now_);
  fail_in_ = -1;
}

IndexDisk::Tables IndexDisk::tables() const {
  std::lock_guard lock(mutex_);
  return now_;
}

}  // namespace cairn::drive::testing
