// The cached side of the buckets: lookups, and what the watch brings.
#include <algorithm>

#include "base/log.h"
#include "object/buckets.h"

namespace cairn::object {
namespace {

constexpr std::string_view kPrefix = "bucket/";

}  // namespace

Error no_such_bucket(const std::string& name) {
  return {Code::no_such_bucket, "The specified bucket does not exist", {{"BucketName", name}}};
}

Error bucket_busy() {
  return {Code::operation_aborted,
          "A conflicting conditional operation is currently in progress against this resource. Try "
          "again."};
}

std::optional<InFlight::Pass> InFlight::enter(unsigned slot) {
  slot %= kSlots;
  // Count first, look second: whoever closes and then finds zero knows that later ones see it
  // closed.
  inside_[slot].count.fetch_add(1);
  if (!open_.load()) {
    inside_[slot].count.fetch_sub(1);
    return std::nullopt;
  }
  return Pass(this, slot);
}

bool InFlight::empty() const {
  return std::ranges::all_of(inside_, [](const Counter& c) { return c.count.load() == 0; });
}

Buckets::Buckets(store::Store& store, control::Store& control, io::Clock& clock, io::Random& random,
                 Options options)
    : store_(store), control_(control), clock_(clock), random_(random), options_(options) {
  auto empty = std::make_shared<Snapshot>();
  empty->shards.fill(std::make_shared<const Shard>());
  current_ = empty;
  publish(empty);
}

Buckets::~Buckets() {
  watch_.reset();
}

unsigned Buckets::my_slot() {
  static std::atomic<unsigned> next{0};
  thread_local const unsigned slot = next.fetch_add(1) % kSlots;
  return slot;
}

const Buckets::Bucket* Buckets::find_in(const Snapshot& snapshot, const std::string& name) {
  const Shard& shard = *snapshot.shards[std::hash<std::string>{}(name) % kShards];
  const auto it = shard.find(name);
  return it == shard.end() ? nullptr : it->second.get();
}

std::shared_ptr<const Buckets::Snapshot> Buckets::snapshot() const {
  const Slot& slot = slots_[my_slot()];
  std::lock_guard lock(slot.mutex);
  return slot.snapshot;
}

Result<BucketView> Buckets::find(const BucketName& name) const {
  const Slot& slot = slots_[my_slot()];
  std::lock_guard lock(slot.mutex);
  const Bucket* bucket = find_in(*slot.snapshot, name.text());
  if (!bucket) return no_such_bucket(name.text());
  return BucketView{bucket->info.id, bucket->info.versioning};
}

Result<BucketInfo> Buckets::info(const BucketName& name) const {
  const Slot& slot = slots_[my_slot()];
  std::lock_guard lock(slot.mutex);
  const Bucket* bucket = find_in(*slot.snapshot, name.text());
  if (!bucket) return no_such_bucket(name.text());
  return bucket->info;
}

Result<Buckets::Entered> Buckets::enter(const BucketName& name, model::BucketId id) const {
  const unsigned index = my_slot();
  const Slot& slot = slots_[index];
  std::lock_guard lock(slot.mutex);
  const Bucket* bucket = find_in(*slot.snapshot, name.text());
  if (!bucket || bucket->info.id != id) return no_such_bucket(name.text());
  // Entered under the slot's mutex: once a removal has passed through all slots, nobody can enter
  // any more.
  auto pass = bucket->in_flight->enter(index);
  if (!pass) {
    return bucket_busy();
  }
  return Entered{std::move(*pass), {bucket->info.id, bucket->info.versioning}};
}

ListBucketsPage Buckets::list(const ListBucketsRequest& request) const {
  const auto all = snapshot();
  std::vector<const BucketInfo*> names;
  for (const auto& shard : all->shards) {
    for (const auto& [name, bucket] : *shard) {
      if (name.starts_with(request.prefix) && name > request.after) names.push_back(&bucket->info);
    }
  }
  std::ranges::sort(names, {}, [](const BucketInfo* b) -> const std::string& { return b->name; });
  ListBucketsPage page;
  page.truncated = names.size() > request.max_buckets;
  names.resize(std::min(names.size(), request.max_buckets));
  for (const BucketInfo* info : names) page.buckets.push_back(*info);
  return page;
}

void Buckets::publish(std::shared_ptr<const Snapshot> next) {
  for (Slot& slot : slots_) {
    std::lock_guard lock(slot.mutex);
    slot.snapshot = next;
  }
}

void Buckets::bury(std::shared_ptr<InFlight> in_flight) {
  std::erase_if(graveyard_, [](const auto& g) { return g->empty(); });
  in_flight->set_open(false);
  graveyard_.push_back(std::move(in_flight));
}

void Buckets::on_change(const std::string& key, const std::optional<control::Entry>& entry) {
  std::lock_guard lock(apply_mutex_);
  if (!loaded_) {
    early_.push_back({key, entry});
    return;
  }
  apply(key, entry);
}

// REQUIRES: apply_mutex_ is held.
void Buckets::apply(const std::string& key, const std::optional<control::Entry>& entry) {
  if (!key.starts_with(kPrefix)) return;
  const std::string name = key.substr(kPrefix.size());
  const std::size_t index = std::hash<std::string>{}(name) % kShards;
  auto shard = std::make_shared<Shard>(*current_->shards[index]);
  const auto it = shard->find(name);
  const std::shared_ptr<const Bucket> old = it == shard->end() ? nullptr : it->second;

  std::shared_ptr<InFlight> removed;
  if (entry) {
    if (old && old->mod_revision >= entry->mod_revision) return;
    auto decoded = decode_bucket(name, entry->value);
    if (!decoded) {
      // What cannot be read is not served, and not taken for absent either: the name stays taken in
      // the control store.
      log::error("a bucket record cannot be read",
                 {{"bucket", name}, {"error", decoded.error().message}});
      return;
    }
    auto bucket = std::make_shared<Bucket>();
    bucket->info = std::move(decoded->info);
    bucket->mod_revision = entry->mod_revision;
    if (old && old->info.id == bucket->info.id) {
      bucket->in_flight = old->in_flight;
    } else {
      bucket->in_flight = std::make_shared<InFlight>();
      if (old) removed = old->in_flight;
    }
    bucket->in_flight->set_open(!bucket->info.deleting);
    (*shard)[name] = std::move(bucket);
  } else {
    if (!old) return;
    removed = old->in_flight;
    shard->erase(name);
  }

  auto next = std::make_shared<Snapshot>(*current_);
  next->count += shard->size();
  next->count -= current_->shards[index]->size();
  next->shards[index] = std::move(shard);
  current_ = next;
  publish(next);
  if (removed) bury(std::move(removed));
}

io::Task<Result<void>> Buckets::load() {
  watch_ = control_.watch(std::string(kPrefix),
                          [this](const std::string& key, const std::optional<control::Entry>& e) {
                            on_change(key, e);
                          });
  CAIRN_CO_ASSIGN(const auto entries, co_await control_.list(std::string(kPrefix)));
  {
    std::lock_guard lock(apply_mutex_);
    for (const control::Entry& entry : entries) {
      CAIRN_CO_TRY(decode_bucket(
          entry.key, entry.value));  // unreadable: refuse to start rather than hide a bucket
      apply(entry.key, entry);
    }
    loaded_ = true;
    for (const Event& event : early_) apply(event.key, event.entry);
    early_.clear();
  }
  // A deletion that a crash interrupted is taken back; one that another node is at loses its
  // compare-and-swap.
  for (const control::Entry& entry : entries) {
    auto stored = decode_bucket(entry.key.substr(kPrefix.size()), entry.value);
    if (stored && stored->info.deleting) {
      std::string name = stored->info.name;
      co_await take_back(std::move(name), std::move(*stored), entry.mod_revision);
    }
  }
  co_return Result<void>{};
}

}  // namespace cairn::object
