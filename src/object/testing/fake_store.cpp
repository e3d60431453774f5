#include "object/testing/fake_store.h"

#include <algorithm>

#include "base/assert.h"
#include "io/executor.h"

namespace cairn::object::testing {
namespace {

using model::Record;
using model::VersionId;

io::Task<void> turn() {
  co_await io::sleep_for(io::Duration{1000});
}

bool is_readable(const Record& record) {
  return !record.delete_marker;
}

// Yields small pieces, so that nobody relies on their size.
class Source final : public io::SliceSource {
 public:
  explicit Source(std::string text) : text_(std::move(text)) {}
  io::Task<Result<io::Slices>> next() override {
    co_await turn();
    io::Slices out;
    for (int i = 0; i < 2 && at_ < text_.size(); ++i) {
      const std::size_t n = std::min<std::size_t>(5, text_.size() - at_);
      out.push_back(io::Slice::of(text_.substr(at_, n)));
      at_ += n;
    }
    co_return out;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

}  // namespace

class FakeStore::Writer final : public store::DataWriter {
 public:
  Writer(FakeStore& store, model::ValueId value, std::optional<std::uint64_t> size, bool blob_only)
      : store_(store), value_(value), size_(size), blob_only_(blob_only) {}

  io::Task<Result<io::MutableBytes>> buffer() override {
    co_await turn();
    std::size_t room = store_.buffer_bytes;
    if (size_) room = std::min<std::size_t>(room, *size_ - bytes_.size());
    buffer_ = std::make_shared<std::string>(std::max<std::size_t>(room, 1), '\0');
    co_return std::as_writable_bytes(std::span(*buffer_));
  }
  void arrived(std::size_t bytes) override {
    CAIRN_ASSERT(arrived_.size() + bytes <= buffer_->size());
    arrived_.append(*buffer_, arrived_.size(), bytes);
  }
  io::Task<Result<std::shared_ptr<const void>>> advance(std::size_t bytes) override {
    CAIRN_ASSERT(bytes <= buffer_->size());
    // What was said to stay as it is did so.
    CAIRN_ASSERT(arrived_.size() <= bytes && buffer_->starts_with(arrived_));
    arrived_.clear();
    bytes_.append(buffer_->data(), bytes);
    co_return std::shared_ptr<const void>(std::move(buffer_));
  }
  bool is_short_of_memory() const override { return store_.short_of_memory; }
  io::Task<Result<void>> finish(store::PutVersion& into) override {
    co_await turn();
    CAIRN_ASSERT(!size_ || *size_ == bytes_.size());
    into.record.size = bytes_.size();
    into.record.data_kind = Record::DataKind::none;
    if (bytes_.empty()) co_return Result<void>{};
    into.record.data.data_id = value_;
    into.record.data.size = bytes_.size();
    const bool small = bytes_.size() <= store_.inline_limit && !blob_only_;
    into.record.data_kind = small ? Record::DataKind::inline_ : Record::DataKind::blob;
    into.record.data.layout = {{1, 0}, 4096};
    if (small) into.inline_shards.push_back({value_, {io::Slice::of(bytes_)}});
    store_.data_[value_] = bytes_;
    store_.staged_.insert(value_);
    co_return Result<void>{};
  }

 private:
  FakeStore& store_;
  model::ValueId value_;
  std::optional<std::uint64_t> size_;
  bool blob_only_;
  std::string arrived_{};
  std::shared_ptr<std::string> buffer_;
  std::string bytes_;
};

drive::Row FakeStore::encode(const Row& row) {
  return {row.order, row.stamp, model::encode_record(row.record), {}};
}

std::size_t FakeStore::units(model::UnitKind kind) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      units_, [&](const auto& unit) { return unit.first[0] == static_cast<char>(kind); }));
}

Result<void> FakeStore::check(const Rows& rows, const store::Precondition& wanted) const {
  const Record* latest = rows.empty() || !is_readable(rows[0].record) ? nullptr : &rows[0].record;
  const Error failed{Code::precondition_failed, "a condition does not hold"};
  if (wanted.if_match) {
    if (!latest) return Error{Code::no_such_key, "nothing is there"};
    if (*wanted.if_match != "*" && *wanted.if_match != latest->etag) return failed;
  }
  if (!latest) return {};
  if (wanted.if_none_match &&
      (*wanted.if_none_match == "*" || *wanted.if_none_match == latest->etag))
    return failed;
  if (wanted.if_modified_ms && *wanted.if_modified_ms / 1000 != latest->modified_ms / 1000)
    return failed;
  if (wanted.if_size && *wanted.if_size != latest->size) return failed;
  return {};
}

Result<store::Committed> FakeStore::put(Rows& rows, store::Commit& commit, store::PutVersion& put) {
  for (const model::DataPart& part : put.parts) {
    if (part.size > 0 && !data_.contains(part.data_id))
      return Error{Code::unavailable, "a part has no data"};
  }
  const model::Stamp stamp{1, ++sequence_};
  Row row{stamp, stamp, put.record, put.parts};
  row.record.value = commit.value;
  row.record.modified_ms = clock_.unix_ms();
  if (!rows.empty())
    row.record.modified_ms = std::max(row.record.modified_ms, rows[0].record.modified_ms);
  const bool named = put.versioning == store::Versioning::enabled;
  row.record.version = named ? VersionId::of(stamp) : VersionId::null_version();
  if (!named) std::erase_if(rows, [](const Row& r) { return r.record.version.null; });
  staged_.erase(row.record.data.data_id);
  store::Committed done{row.record.version, stamp, true, false, row.record.modified_ms};
  rows.insert(rows.begin(), std::move(row));
  return done;
}

Result<store::Committed> FakeStore::remove(Rows& rows, const store::RemoveVersion& remove) {
  const auto it =
      std::ranges::find(rows, remove.version, [](const Row& r) { return r.record.version; });
  if (it == rows.end()) return store::Committed{remove.version, {}, false};
  store::Committed done{remove.version, it->stamp, true, it->record.delete_marker,
                        it->record.modified_ms};
  rows.erase(it);
  return done;
}

Result<store::Committed> FakeStore::update(Rows& rows, const store::Commit& commit,
                                           const store::UpdateVersion& update) {
  const auto it =
      std::ranges::find(rows, update.version, [](const Row& r) { return r.record.version; });
  if (it == rows.end()) return Error{Code::not_found, "no such version"};
  if (it->stamp != update.expected) return Error{Code::conflict, "changed meanwhile"};
  it->stamp = {1, ++sequence_};
  it->record.meta = update.meta;
  it->record.value = commit.value;
  return store::Committed{update.version, it->stamp, true, false, it->record.modified_ms};
}

Result<store::Committed> FakeStore::apply(store::Commit& commit) {
  Rows rows;
  if (const auto it = units_.find(commit.unit.encoded()); it != units_.end()) rows = it->second;
  auto* put_intent = std::get_if<store::PutVersion>(&commit.intent);
  if (put_intent) {
    for (const Row& row : rows) {
      if (row.record.value != commit.value && row.record.data.data_id != commit.value) continue;
      return store::Committed{row.record.version, row.order, true, false, row.record.modified_ms};
    }
  }
  for (const store::Guard& guard : commit.guards) {
    const auto it = units_.find(guard.unit.encoded());
    if (it == units_.end() || it->second[0].stamp != guard.stamp)
      return Error{Code::conflict, "a guard does not stand"};
    CAIRN_ASSERT(guard.unit.lock_key() == commit.unit.lock_key());
  }
  CAIRN_TRY(check(rows, commit.precondition));

  Result<store::Committed> done = store::Committed{{}, {}, !rows.empty()};
  if (put_intent) {
    done = put(rows, commit, *put_intent);
  } else if (const auto* removal = std::get_if<store::RemoveVersion>(&commit.intent)) {
    done = remove(rows, *removal);
  } else if (const auto* change = std::get_if<store::UpdateVersion>(&commit.intent)) {
    done = update(rows, commit, *change);
  } else {
    rows.clear();
  }
  if (!done) return done;
  if (rows.empty()) {
    units_.erase(commit.unit.encoded());
  } else {
    units_[commit.unit.encoded()] = std::move(rows);
  }
  for (const store::Guard& guard : commit.guards) {
    if (guard.remove) units_.erase(guard.unit.encoded());
  }
  forget_unnamed_data();
  return done;
}

void FakeStore::forget_unnamed_data() {
  std::set<model::ValueId> named = staged_;
  for (const auto& [key, rows] : units_) {
    for (const Row& row : rows) {
      named.insert(row.record.data.data_id);
      for (const model::DataPart& part : row.parts) named.insert(part.data_id);
    }
  }
  std::erase_if(data_, [&](const auto& data) { return !named.contains(data.first); });
}

io::Task<Result<store::Committed>> FakeStore::commit(store::Commit commit) {
  co_await turn();
  ++commits;
  if (auto hook = std::exchange(before_commit, {})) {
    auto error = co_await hook();
    if (error && commit_took_effect) static_cast<void>(apply(commit));
    if (error) co_return std::move(*error);
  }
  co_return apply(commit);
}

io::Task<Result<store::Found>> FakeStore::find(model::UnitKey unit, store::Selector selector) {
  co_await turn();
  if (auto error = std::exchange(next_find, std::nullopt)) co_return std::move(*error);
  const auto it = units_.find(unit.encoded());
  if (it == units_.end()) co_return Error{Code::not_found, "nothing is there"};
  for (const Row& row : it->second) {
    if (!selector.latest && row.record.version != selector.version) continue;
    store::Found found{row.record, row.order, row.stamp, &row == &it->second[0]};
    if (selector.want_parts) found.parts = row.parts;
    if (selector.want_inline && row.record.data_kind == Record::DataKind::inline_) {
      found.inline_shards.emplace_back(0u, io::Slice::of(data_.at(row.record.data.data_id)));
    }
    co_return found;
  }
  co_return Error{Code::not_found, "no such version"};
}

io::Task<Result<std::unique_ptr<store::DataWriter>>> FakeStore::write(
    model::UnitKey, model::ValueId value, std::optional<std::uint64_t> size, bool blob_only) {
  co_await turn();
  ++writers;
  co_return std::unique_ptr<store::DataWriter>(
      std::make_unique<Writer>(*this, value, size, blob_only));
}

io::Task<Result<std::unique_ptr<io::SliceSource>>> FakeStore::open_data(model::UnitKey,
                                                                        store::Found found,
                                                                        std::uint64_t offset,
                                                                        std::uint64_t length) {
  co_await turn();
  if (auto hook = std::exchange(before_open, {})) {
    if (auto error = co_await hook()) co_return std::move(*error);
  }
  CAIRN_ASSERT(offset + length <= found.record.size);
  std::vector<model::DataPart> parts = found.parts;
  if (found.record.data_kind != Record::DataKind::parts) parts = {found.record.data};
  std::string whole;
  for (const model::DataPart& part : parts) {
    if (part.size == 0) continue;
    const auto it = data_.find(part.data_id);
    if (it == data_.end()) co_return Error{Code::not_found, "the data is gone"};
    whole += it->second;
  }
  CAIRN_ASSERT(whole.size() == found.record.size);
  co_return std::unique_ptr<io::SliceSource>(
      std::make_unique<Source>(whole.substr(offset, length)));
}

io::Task<Result<store::ScanPage>> FakeStore::scan(store::ScanRequest request) {
  co_await turn();
  if (auto error = std::exchange(next_scan, std::nullopt)) co_return std::move(*error);
  CAIRN_ASSERT(request.begin < request.end && request.max_units > 0);
  ++scans;
  store::ScanPage page;
  auto units = std::make_shared<drive::UnitPage>();
  const auto done = [&] {
    for (const auto unit : *units) page.units.push_back(unit);
    page.pages = {units};
    return std::move(page);
  };
  std::size_t looked_at = 0;
  auto it = units_.lower_bound(request.begin);
  for (; it != units_.end() && it->first < request.end; ++it) {
    if (looked_at == std::min(request.max_units, max_page_units)) {
      page.resume = it->first;
      co_return done();
    }
    ++looked_at;
    ++scanned_units;
    const auto add_row = [&](const drive::Row& row) {
      units->add_row(row.order, row.stamp, row.record);
    };
    if (request.all_rows) {
      units->add(it->first, std::nullopt, true);
      for (const Row& row : it->second) add_row(encode(row));
    } else if (request.include_delete_markers || is_readable(it->second[0].record)) {
      units->add(it->first, std::nullopt, true);
      add_row(encode(it->second[0]));
    } else {
      continue;
    }
    // Most of the time what follows in the group of a unit that is shown is left out.
    const std::string group =
        request.groups ? drive::group_end(*request.groups, it->first) : std::string();
    if (!group.empty() && ++grouped_ % 5 != 0) it = std::prev(units_.lower_bound(group));
  }
  page.exhausted = true;
  co_return done();
}

io::Task<Result<std::vector<store::DriveStatus>>> FakeStore::drives() {
  co_return std::vector<store::DriveStatus>{};
}

}  // namespace cairn::object::testing
