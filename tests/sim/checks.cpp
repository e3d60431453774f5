// What must hold when everything is quiet again, and of the whole history.
#include <algorithm>

#include "sim/client.h"

namespace cairn::sim {

io::Task<void> Workload::finish() {
  const LeaderPtr leader = w_.newest();
  if (!leader) {
    w_.fail("nobody leads at the end");
    co_return;
  }
  // What uploads left behind goes, as the sweep does it.
  std::vector<model::UnitKey> leftovers;
  for (const auto& unit : w_.units)
    if (unit.kind() != model::UnitKind::object) leftovers.push_back(unit);
  co_await remove_units(std::move(leftovers));
  for (Key& key : keys_) {
    const bool seen = co_await read(leader, &key, true);
    if (!seen) co_return;
    if (key.versioned) co_await check_versions(&key);
  }
  const bool listed = co_await list(leader, true);
  if (!listed) co_return;
  // Settles are synced with the next batch, within a second. A drive that is still held suspect was
  // not waited for by the removals above: whoever looks after repairs comes by.
  co_await io::sleep_for(std::chrono::seconds(3));
  const bool whole = co_await w_.make_whole(40);
  if (!whole) w_.fail("not whole after the leftovers were removed");
  co_await io::sleep_for(std::chrono::seconds(3));
  check_drives();
  w_.check_settled();
  check_histories();
}

void Workload::check_histories() {
  for (const Key& key : keys_) {
    if (const auto wrong = linearizable(key.history))
      w_.fail("assertion 10: " + key.name + ": " + *wrong);
  }
}

// All that was acknowledged and not purged is there, in an order that respects time; nothing else
// is.
io::Task<void> Workload::check_versions(Key* key) {
  store::ScanRequest request;
  request.begin = key->unit.encoded();
  request.end = model::range_end(model::UnitKind::object, key->unit.bucket(), key->name);
  request.all_rows = true;
  const LeaderPtr leader = w_.newest();
  const auto page = co_await leader->store->scan(request);
  if (!page) {
    w_.fail("versions cannot be listed: " + page.error().message);
    co_return;
  }
  std::vector<drive::UnitPage::Row> rows;
  if (!page->units.empty()) {
    for (const auto row : page->units[0].rows()) rows.push_back(row);
  }
  for (const auto& tried : key->versions) {
    if (!tried.done) continue;
    const bool there =
        std::ranges::any_of(rows, [&](const auto& row) { return row.order == tried.order; });
    const std::string name = key->name + " version " + std::to_string(tried.order.term) + "." +
                             std::to_string(tried.order.sequence) + " of value " +
                             std::to_string(tried.value);
    if (!there && !tried.removing) w_.fail(name + " was acknowledged and is gone");
    if (there && tried.removed) w_.fail(name + " was purged and is there");
    for (const auto& later : key->versions) {
      if (later.done && tried.end < later.begin && later.order < tried.order)
        w_.fail(name + " is out of order");
    }
  }
  for (const auto& row : rows) {
    const auto record = model::decode_record(row.record);
    if (!record) {
      w_.fail("a version without a record");
      co_return;
    }
    if (record->delete_marker) continue;
    const auto value = value_of(record->etag);
    if (!value) co_return;
    store::Selector selector;
    selector.latest = false;
    selector.version = record->version;
    selector.want_parts = selector.want_inline = true;
    auto found = co_await leader->store->find(key->unit, selector);
    if (!found) {
      w_.fail("a version of " + key->name + " cannot be found: " + found.error().message);
      co_return;
    }
    co_await check_body(leader, key, std::move(*found), *value, true);
  }
}

// Every member reports the same settled state of every unit, and nothing else.
void Workload::check_drives() {
  const auto map = w_.stored_map();
  for (const auto& unit : w_.units) {
    std::optional<DriveUnit> first;
    for (const auto& member : map->entry(map->partition_of(unit)).members) {
      DriveUnit one;
      for (const auto& drive : w_.drives)
        if (drive->id == member.drive) one = drive->look(unit);
      const std::string name = text_of(unit) + " on " + member.drive.hex().substr(0, 2);
      if (!one.pendings.empty()) w_.fail(name + " has pending mutations at the end");
      // Heads of empty units go one by one.
      if (first && (one.rows != first->rows ||
                    (!one.rows.empty() && one.settled_head != first->settled_head)))
        w_.fail(name + " differs from its neighbour");
      if (!first) first = std::move(one);
    }
  }
  for (const SimDrive* drive : w_.slots) {
    if (drive->missing_marks() != 0) w_.fail(drive->path + " lacks shards at the end");
  }
}

}  // namespace cairn::sim
