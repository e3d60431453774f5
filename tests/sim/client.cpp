#include "sim/client.h"

#include <cstring>

#include "base/bytes.h"

namespace cairn::sim {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;
using model::UnitKey;

namespace {

const model::BucketId kBucket{1};

bool is_absent(const Error& error) {
  return error.code == Code::not_found;
}

}  // namespace

Workload::Workload(World& world) : w_(world) {
  conditional_ = w_.dice.chance(700);
  multipart_ = w_.dice.chance(350);
  versions_ = w_.dice.chance(350);
  retries_ = w_.dice.chance(500);
  const auto count = 2 + w_.dice.below(2);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string name = "key" + std::to_string(i);
    keys_.push_back({UnitKey::object(kBucket, name), name, versions_ && i == 0});
    w_.units.insert(keys_.back().unit);
  }
}

std::size_t Workload::begin(Key& key, Kind kind, std::uint32_t value, std::uint32_t expected) {
  key.history.push_back({kind, value, expected, Outcome::open, tick(), 0});
  return key.history.size() - 1;
}

void Workload::end(Key& key, std::size_t at, Outcome outcome) {
  key.history[at].outcome = outcome;
  key.history[at].end = tick();
  if (outcome != Outcome::open) ++answered_;
}

std::uint32_t Workload::new_value() {
  const auto number = static_cast<std::uint32_t>(values_.size()) + 1;
  Value value;
  static constexpr std::uint64_t kMost[] = {1, 64, 64, 400, 1500};
  const auto size = w_.dice.below(kMost[w_.dice.below(5)]) + (w_.dice.chance(100) ? 0 : 1);
  value.bytes.resize(size);
  for (std::size_t i = 0; i < size; ++i)
    value.bytes[i] = static_cast<char>(number * 31 + i * 7 + i / 48);
  value.id = w_.dice.random().id<model::ValueId>();
  values_.emplace(number, std::move(value));
  return number;
}

std::optional<std::uint32_t> Workload::value_of(const std::string& etag) {
  std::uint32_t number = 0;
  if (etag.starts_with("v"))
    number = static_cast<std::uint32_t>(std::strtoul(etag.c_str() + 1, nullptr, 10));
  if (values_.contains(number)) return number;
  w_.fail("a value that nobody wrote was read: \"" + etag + "\"");
  return std::nullopt;
}

io::Task<void> Workload::client(unsigned operations) {
  for (unsigned i = 0; i < operations && !w_.failure; ++i) {
    co_await io::sleep_for(
        std::chrono::microseconds(w_.dice.below(w_.dice.chance(200) ? 2'000'000 : 50'000)));
    LeaderPtr leader = w_.some_leader();
    for (unsigned tries = 0; !leader && tries < 100; ++tries) {
      co_await io::sleep_for(std::chrono::milliseconds(100));
      leader = w_.some_leader();
    }
    if (!leader) continue;
    Key* const key = &keys_[w_.dice.below(keys_.size())];
    const io::Instant from = w_.executor.now();
    switch (w_.dice.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        if (key->versioned) {
          co_await put_version(leader, key);
        } else {
          co_await put(leader, key);
        }
        break;
      case 4:
        if (key->versioned) {
          co_await remove_version(leader, key);
        } else {
          co_await remove(leader, key);
        }
        break;
      case 5:
      case 6: {
        const bool listed = co_await list(leader, false);
        static_cast<void>(listed);
        break;
      }
      case 7:
        if (!key->versioned && multipart_) {
          co_await multipart(leader, key);
          break;
        }
        if (!key->versioned) {
          co_await update(leader, key);
          break;
        }
        [[fallthrough]];
      default: {
        const bool seen = co_await read(leader, key, false);
        static_cast<void>(seen);
      }
    }
    longest_ = std::max(longest_, w_.executor.now() - from);
  }
  --w_.busy;
}

io::Task<Result<void>> Workload::stage(LeaderPtr leader, UnitKey unit, model::ValueId id,
                                       std::string bytes, bool blob_only, store::PutVersion* into) {
  std::optional<std::uint64_t> size;
  if (w_.dice.chance(500)) size = bytes.size();
  CAIRN_CO_ASSIGN(auto writer, co_await leader->store->write(unit, id, size, blob_only));
  std::size_t at = 0;
  while (at < bytes.size()) {
    CAIRN_CO_ASSIGN(const io::MutableBytes room, co_await writer->buffer());
    const std::size_t n = std::min(room.size(), bytes.size() - at);
    std::memcpy(room.data(), bytes.data() + at, n);
    CAIRN_CO_TRY(co_await writer->advance(n));
    at += n;
  }
  co_return co_await writer->finish(*into);
}

io::Task<void> Workload::put(LeaderPtr leader, Key* key) {
  const std::uint32_t number = new_value();
  store::Commit commit;
  commit.unit = key->unit;
  commit.value = values_[number].id;
  store::PutVersion put;
  put.record.etag = "v" + std::to_string(number);
  const auto staged =
      co_await stage(leader, key->unit, commit.value, values_[number].bytes, false, &put);
  if (!staged) co_return;  // no leader heard of it
  commit.intent = std::move(put);
  Kind kind = Kind::put;
  std::uint32_t expected = 0;
  if (conditional_ && w_.dice.chance(500)) {
    kind = Kind::put_if_absent;
    commit.precondition.if_none_match = "*";
    for (const auto& o : key->history)
      if (o.kind == Kind::read && o.outcome == Outcome::done && o.value != 0) expected = o.value;
    if (expected != 0 && w_.dice.chance(500)) {
      kind = Kind::put_if_match;
      commit.precondition = {};
      commit.precondition.if_match = "v" + std::to_string(expected);
    } else {
      expected = 0;
    }
  }
  const store::Commit again = commit;
  const std::size_t at = begin(*key, kind, number, expected);
  const auto done = co_await leader->store->commit(std::move(commit));
  const bool refused =
      !done && (done.code() == Code::precondition_failed || done.code() == Code::no_such_key);
  if (done || refused) {
    if (refused && kind == Kind::put) w_.fail("an unconditional put was refused");
    end(*key, at, done ? Outcome::done : Outcome::refused);
    co_return;
  }
  const LeaderPtr other = w_.some_leader();
  if (!retries_ || !other || w_.dice.chance(300)) co_return;
  // 3.6: the same commit again, which is one more operation: the first may take effect, be undone
  // by others, and this one take effect too. Of a conditional one nothing is concluded: it is
  // answered from what the first did, if that is still there.
  const std::size_t second = begin(*key, kind, number, expected);
  const auto repeated = co_await other->store->commit(again);
  if (repeated && kind == Kind::put) end(*key, second, Outcome::done);
}

io::Task<void> Workload::remove(LeaderPtr leader, Key* key) {
  store::Commit commit;
  commit.unit = key->unit;
  commit.value = w_.dice.random().id<model::ValueId>();
  commit.intent = store::RemoveVersion{};
  const std::size_t at = begin(*key, Kind::remove, 0);
  const auto done = co_await leader->store->commit(std::move(commit));
  if (done) end(*key, at, Outcome::done);
}

// New tags for the value that is there: a conditional write of the same value.
io::Task<void> Workload::update(LeaderPtr leader, Key* key) {
  store::Selector selector;
  const auto found = co_await leader->store->find(key->unit, selector);
  if (!found) co_return;
  const auto value = value_of(found->record.etag);
  if (!value) co_return;
  store::Commit commit;
  commit.unit = key->unit;
  commit.value = w_.dice.random().id<model::ValueId>();
  commit.intent = store::UpdateVersion{found->record.version, found->stamp, "tags"};
  const std::size_t at = begin(*key, Kind::put_if_match, *value, *value);
  const auto done = co_await leader->store->commit(std::move(commit));
  // A refusal says that the row changed, which other tags do too: it stays open and says nothing.
  if (done) end(*key, at, Outcome::done);
}

io::Task<void> Workload::put_version(LeaderPtr leader, Key* key) {
  const bool marker = w_.dice.chance(200);
  const std::uint32_t number = marker ? 0 : new_value();
  store::Commit commit;
  commit.unit = key->unit;
  commit.value = marker ? w_.dice.random().id<model::ValueId>() : values_[number].id;
  store::PutVersion put;
  put.versioning = store::Versioning::enabled;
  put.record.delete_marker = marker;
  if (!marker) {
    put.record.etag = "v" + std::to_string(number);
    const auto staged =
        co_await stage(leader, key->unit, commit.value, values_[number].bytes, false, &put);
    if (!staged) co_return;
  }
  commit.intent = std::move(put);
  const std::size_t at = begin(*key, marker ? Kind::remove : Kind::put, number);
  const std::size_t version = key->versions.size();
  key->versions.push_back({number, false, tick()});
  const auto done = co_await leader->store->commit(std::move(commit));
  if (!done) co_return;
  end(*key, at, Outcome::done);
  auto& tried = key->versions[version];
  tried.done = true;
  tried.end = tick();
  tried.order = done->stamp;
}

// Purges a version that is not the latest, and will not be: one written after it stays.
io::Task<void> Workload::remove_version(LeaderPtr leader, Key* key) {
  model::Stamp newest{};
  for (const auto& v : key->versions)
    if (v.done) newest = std::max(newest, v.order);
  std::vector<std::size_t> old;
  for (std::size_t i = 0; i < key->versions.size(); ++i) {
    const auto& v = key->versions[i];
    if (v.done && v.order < newest && !v.removed) old.push_back(i);
  }
  if (old.empty()) co_return;
  const std::size_t at = old[w_.dice.below(old.size())];
  key->versions[at].removing = true;
  store::Commit commit;
  commit.unit = key->unit;
  commit.value = w_.dice.random().id<model::ValueId>();
  commit.intent = store::RemoveVersion{model::VersionId::of(key->versions[at].order)};
  const auto done = co_await leader->store->commit(std::move(commit));
  if (done) key->versions[at].removed = true;
}

io::Task<void> Workload::multipart(LeaderPtr leader, Key* key) {
  const std::uint32_t number = new_value();
  const auto upload = w_.dice.random().id<model::UploadId>();
  const UnitKey upload_unit = UnitKey::upload(kBucket, key->name, upload);
  w_.units.insert(upload_unit);
  store::Commit create;
  create.unit = upload_unit;
  create.value = w_.dice.random().id<model::ValueId>();
  create.intent = store::PutVersion{};
  const auto created = co_await leader->store->commit(std::move(create));
  std::vector<UnitKey> made{upload_unit};
  store::PutVersion whole;
  const std::string& bytes = values_[number].bytes;
  bool good = created.has_value();
  const std::size_t parts = 1 + w_.dice.below(3);
  for (std::size_t i = 0; i < parts && good; ++i) {
    const std::size_t from = bytes.size() * i / parts, to = bytes.size() * (i + 1) / parts;
    if (from == to) continue;
    const UnitKey unit =
        UnitKey::part(kBucket, key->name, upload, static_cast<std::uint16_t>(i + 1));
    w_.units.insert(unit);
    made.push_back(unit);
    store::Commit part;
    part.unit = unit;
    part.value = w_.dice.random().id<model::ValueId>();
    store::PutVersion put;
    const auto staged =
        co_await stage(leader, unit, part.value, bytes.substr(from, to - from), true, &put);
    if (!staged) {
      good = false;
      break;
    }
    put.record.data.part_number = static_cast<std::uint32_t>(i + 1);
    whole.parts.push_back(put.record.data);
    part.intent = std::move(put);
    const auto stored = co_await leader->store->commit(std::move(part));
    good = stored.has_value();
  }
  if (good && !whole.parts.empty()) {
    whole.record.etag = "v" + std::to_string(number);
    whole.record.size = bytes.size();
    whole.record.data_kind = model::Record::DataKind::parts;
    whole.record.part_count = static_cast<std::uint32_t>(whole.parts.size());
    store::Commit complete;
    complete.unit = key->unit;
    complete.value = model::value_id_of_upload(upload);
    whole.record.data.data_id = complete.value;
    complete.intent = std::move(whole);
    complete.guards.push_back({upload_unit, created->stamp, true});
    const LeaderPtr other = w_.some_leader();
    if (other) {
      const store::Commit again = complete;
      const std::size_t at = begin(*key, Kind::put, number);
      const auto done = co_await other->store->commit(std::move(complete));
      if (done) end(*key, at, Outcome::done);
      const LeaderPtr third = w_.some_leader();
      if (!done && retries_ && third) {
        const std::size_t second = begin(*key, Kind::put, number);
        const auto repeated = co_await third->store->commit(again);
        if (repeated) end(*key, second, Outcome::done);
      }
      if (!done && done.code() != Code::conflict && !w_.dice.chance(500))
        co_return;  // left to the sweep
    }
  }
  co_await remove_units(std::move(made));
}

io::Task<void> Workload::remove_units(std::vector<UnitKey> units) {
  for (const auto& unit : units) {
    const LeaderPtr leader = w_.some_leader();
    if (!leader) co_return;
    store::Commit removal;
    removal.unit = unit;
    removal.value = w_.dice.random().id<model::ValueId>();
    removal.intent = store::RemoveUnit{};
    const auto removed = co_await leader->store->commit(std::move(removal));
    static_cast<void>(removed);
  }
}

io::Task<void> Workload::check_body(LeaderPtr leader, Key* key, store::Found found,
                                    std::uint32_t value, bool must) {
  const std::string& wanted = values_[value].bytes;
  if (found.record.size != wanted.size()) {
    w_.fail("value " + std::to_string(value) + " of " + key->name + " has a wrong size");
    co_return;
  }
  const std::uint64_t offset = must ? 0 : w_.dice.below(wanted.size() + 1);
  const std::uint64_t length = must ? wanted.size() : w_.dice.below(wanted.size() - offset + 1);
  auto body = co_await leader->store->open_data(key->unit, std::move(found), offset, length);
  std::string got;
  std::string why = body ? "" : body.error().message;
  while (body) {
    auto slices = co_await (*body)->next();
    if (!slices) {
      why = slices.error().message;
      break;
    }
    if (slices->empty()) break;
    for (const auto& slice : *slices) got += as_text(slice.bytes);
  }
  if (!why.empty()) {
    if (must)
      w_.fail("value " + std::to_string(value) + " of " + key->name + " cannot be read: " + why);
    co_return;
  }
  if (got != wanted.substr(offset, length)) {
    w_.fail("value " + std::to_string(value) + " of " + key->name + " was read with wrong bytes");
  }
}

io::Task<bool> Workload::read(LeaderPtr leader, Key* key, bool must) {
  store::Selector selector;
  selector.want_parts = selector.want_inline = true;
  const std::size_t at = begin(*key, Kind::read, 0);
  auto found = co_await leader->store->find(key->unit, selector);
  if (!found) {
    if (is_absent(found.error())) {
      end(*key, at, Outcome::done);
      co_return true;
    }
    if (must) w_.fail(key->name + " cannot be read: " + found.error().message);
    co_return false;
  }
  if (found->record.delete_marker) {
    end(*key, at, Outcome::done);
    co_return true;
  }
  const auto value = value_of(found->record.etag);
  if (!value) co_return false;
  key->history[at].value = *value;
  end(*key, at, Outcome::done);
  co_await check_body(leader, key, std::move(*found), *value, must);
  co_return true;
}

// Every key is read by it, present or not.
io::Task<bool> Workload::list(LeaderPtr leader, bool must) {
  store::ScanRequest request;
  request.begin = model::range_begin(model::UnitKind::object, kBucket, "");
  request.end = model::range_end(model::UnitKind::object, kBucket, "");
  request.max_units = 1 + w_.dice.below(4);
  std::map<std::string, std::string> seen;
  std::vector<std::size_t> at;
  for (auto& key : keys_) at.push_back(begin(key, Kind::read, 0));
  for (;;) {
    const auto page = co_await leader->store->scan(request);
    if (!page) {
      if (must) w_.fail("the keys cannot be listed: " + page.error().message);
      co_return false;
    }
    for (const auto& unit : page->units) {
      const auto rows = unit.rows();
      const std::string name = unit.unit().object_key();
      const auto record = rows.empty() ? Result<model::Record>(Error{Code::corrupt, "no row"})
                                       : model::decode_record(rows.front().record);
      if (!record || !seen.emplace(name, record->etag).second) {
        w_.fail("a listing shows " + name + " twice or without a record");
        co_return false;
      }
    }
    if (page->exhausted) break;
    request.begin = page->resume;
  }
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const auto it = seen.find(keys_[i].name);
    if (it != seen.end()) {
      const auto value = value_of(it->second);
      if (!value) co_return false;
      keys_[i].history[at[i]].value = *value;
      seen.erase(it);
    }
    end(keys_[i], at[i], Outcome::done);
  }
  if (!seen.empty()) w_.fail("a listing shows a key that nobody wrote: " + seen.begin()->first);
  co_return true;
}

}  // namespace cairn::sim
