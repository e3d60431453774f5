// Changes of buckets: compare-and-swap in the control store; the cache follows by watch.
#include "object/buckets.h"

#include "base/log.h"
#include "model/unit_key.h"
#include "object/engine.h"
#include "object/validate.h"

namespace cairn::object {
namespace {

std::string key_of(const std::string& name) {
  return "bucket/" + name;
}

constexpr int kConflictsBeforeGivingUp = 16;

}  // namespace

// The change has been committed at `revision`; the cache is the watch's alone to write, so that
// what it shows never goes back in time. Waiting here makes the change visible to the caller's next
// request.
io::Task<Result<void>> Buckets::wait_for(std::string name, std::uint64_t revision) {
  const io::Instant deadline = io::Executor::current().now() + options_.watch_deadline;
  io::Duration pause = std::chrono::microseconds(100);
  for (;;) {
    const auto now = snapshot();
    const Bucket* bucket = find_in(*now, name);
    if (bucket && bucket->mod_revision >= revision) co_return Result<void>{};
    if (io::Executor::current().now() >= deadline) {
      co_return Error{Code::timeout, "the change was made, but its confirmation did not arrive"};
    }
    co_await io::sleep_for(pause);
    pause = std::min<io::Duration>(pause * 2, std::chrono::milliseconds(20));
  }
}

io::Task<Result<void>> Buckets::wait_gone(std::string name, model::BucketId id) {
  const io::Instant deadline = io::Executor::current().now() + options_.watch_deadline;
  io::Duration pause = std::chrono::microseconds(100);
  for (;;) {
    const auto now = snapshot();
    const Bucket* bucket = find_in(*now, name);
    if (!bucket || bucket->info.id != id) co_return Result<void>{};
    if (io::Executor::current().now() >= deadline) {
      co_return Error{Code::timeout, "the change was made, but its confirmation did not arrive"};
    }
    co_await io::sleep_for(pause);
    pause = std::min<io::Duration>(pause * 2, std::chrono::milliseconds(20));
  }
}

io::Task<Result<control::Entry>> Buckets::read(std::string name) {
  CAIRN_CO_ASSIGN(auto entry, co_await control_.get(key_of(name)));
  if (!entry) co_return no_such_bucket(name);
  co_return std::move(*entry);
}

io::Task<Result<BucketInfo>> Buckets::create(BucketName name, std::string region, Tags tags) {
  CAIRN_CO_TRY(validate_tags(tags, kMaxBucketTags, "Bucket"));
  const Error owned{
      Code::bucket_already_owned_by_you,
      "Your previous request to create the named bucket succeeded and you already own it.",
      {{"BucketName", name.text()}}};
  if (find(name)) co_return owned;
  if (snapshot()->count >= options_.max_buckets) {
    co_return Error{Code::too_many_buckets,
                    "You have attempted to create more buckets than allowed"};
  }
  BucketInfo info;
  info.name = name.text();
  while (info.id.value == 0) info.id = model::BucketId(random_.next_u64());
  info.created_ms = clock_.unix_ms();
  info.region = std::move(region);
  info.tags = std::move(tags);

  std::vector<control::Condition> conditions{{key_of(name.text()), 0}};
  std::vector<control::Change> changes{{key_of(name.text()), encode_bucket(info, {})}};
  auto revision = co_await control_.commit(std::move(conditions), std::move(changes));
  if (!revision) {
    if (revision.code() == Code::conflict) co_return owned;
    co_return revision.error();
  }
  CAIRN_CO_TRY(co_await wait_for(name.text(), *revision));
  co_return info;
}

io::Task<Result<void>> Buckets::change(BucketName name, Change change) {
  const auto guard = co_await lock_of(name.text()).lock();
  for (int attempt = 0; attempt < kConflictsBeforeGivingUp; ++attempt) {
    CAIRN_CO_ASSIGN(const control::Entry entry, co_await read(name.text()));
    CAIRN_CO_ASSIGN(StoredBucket stored, decode_bucket(name.text(), entry.value));
    change(stored.info);
    std::vector<control::Condition> conditions{{entry.key, entry.mod_revision}};
    std::vector<control::Change> changes{{entry.key, encode_bucket(stored.info, stored.unknown)}};
    auto revision = co_await control_.commit(std::move(conditions), std::move(changes));
    if (revision) co_return co_await wait_for(name.text(), *revision);
    if (revision.code() != Code::conflict) co_return revision.error();
  }
  co_return bucket_busy();
}

io::Task<Result<void>> Buckets::drained(std::string name, model::BucketId id) {
  const io::Instant deadline = io::Executor::current().now() + options_.drain_deadline;
  io::Duration pause = std::chrono::microseconds(100);
  for (;;) {
    {
      const auto now = snapshot();
      const Bucket* bucket = find_in(*now, name);
      if (!bucket || bucket->info.id != id || !bucket->info.deleting) co_return bucket_busy();
      if (bucket->in_flight->empty()) co_return Result<void>{};
    }
    if (io::Executor::current().now() >= deadline) co_return bucket_busy();
    co_await io::sleep_for(pause);
    pause = std::min<io::Duration>(pause * 2, std::chrono::milliseconds(20));
  }
}

// No version and no delete marker of any key. Unfinished uploads do not keep a bucket, as with AWS.
io::Task<Result<void>> Buckets::prove_empty(model::BucketId id) {
  store::ScanRequest request;
  request.begin = model::range_begin(model::UnitKind::object, id, {});
  request.end = model::range_end(model::UnitKind::object, id, {});
  request.max_units = 1;
  request.all_rows = true;
  request.include_delete_markers = true;
  for (;;) {
    CAIRN_CO_ASSIGN(store::ScanPage page, co_await store_.scan(request));
    for (const store::ScanUnit& unit : page.units) {
      if (!unit.rows().empty()) {
        co_return Error{Code::bucket_not_empty, "The bucket you tried to delete is not empty"};
      }
    }
    if (page.exhausted) co_return Result<void>{};
    request.begin = std::move(page.resume);
  }
}

// Opens a bucket again whose deletion came to nothing. Best effort: the next deletion or start does
// it otherwise.
io::Task<void> Buckets::take_back(std::string name, StoredBucket bucket, std::uint64_t revision) {
  bucket.info.deleting = false;
  std::vector<control::Condition> conditions{{key_of(name), revision}};
  std::vector<control::Change> changes{{key_of(name), encode_bucket(bucket.info, bucket.unknown)}};
  auto done = co_await control_.commit(std::move(conditions), std::move(changes));
  if (!done) {
    log::warn("a bucket stays closed to writers until it is deleted again",
              {{"bucket", name}, {"error", done.error().message}});
    co_return;
  }
  if (auto seen = co_await wait_for(name, *done); !seen) {
    log::warn("a bucket's change is not visible yet", {{"bucket", name}});
  }
}

io::Task<Result<void>> Buckets::remove(BucketName name) {
  const auto guard = co_await lock_of(name.text()).lock();
  // 1. Close the bucket to mutations, durably.
  CAIRN_CO_ASSIGN(const control::Entry entry, co_await read(name.text()));
  CAIRN_CO_ASSIGN(StoredBucket stored, decode_bucket(name.text(), entry.value));
  stored.info.deleting = true;
  const model::BucketId id = stored.info.id;
  std::vector<control::Condition> at_entry{{entry.key, entry.mod_revision}};
  std::vector<control::Change> close{{entry.key, encode_bucket(stored.info, stored.unknown)}};
  auto closed = co_await control_.commit(std::move(at_entry), std::move(close));
  if (!closed) co_return closed.code() == Code::conflict ? bucket_busy() : closed.error();
  // 2. What was let in before is over; 3. nothing is there.
  auto ready = co_await wait_for(name.text(), *closed);
  if (ready) ready = co_await drained(name.text(), id);
  if (ready) ready = co_await prove_empty(id);
  if (!ready) {
    co_await take_back(name.text(), std::move(stored), *closed);
    co_return ready.error();
  }
  // 4. Remove it, unless somebody took the closing back meanwhile. Unfinished uploads are swept
  // later.
  std::vector<control::Condition> at_close{{entry.key, *closed}};
  std::vector<control::Change> gone{{entry.key, std::nullopt}};
  auto removed = co_await control_.commit(std::move(at_close), std::move(gone));
  if (!removed) co_return removed.code() == Code::conflict ? bucket_busy() : removed.error();
  co_return co_await wait_gone(name.text(), id);
}

io::Task<Result<std::vector<model::BucketId>>> Buckets::ids() {
  CAIRN_CO_ASSIGN(const auto entries, co_await control_.list("bucket/"));
  std::vector<model::BucketId> out;
  for (const control::Entry& entry : entries) {
    CAIRN_CO_ASSIGN(const StoredBucket bucket, decode_bucket(entry.key, entry.value));
    out.push_back(bucket.info.id);
  }
  co_return out;
}

// ---- the operations

io::Task<Result<BucketInfo>> Engine::create_bucket(BucketName name, std::string region, Tags tags) {
  return buckets_.create(std::move(name), std::move(region), std::move(tags));
}

io::Task<Result<void>> Engine::delete_bucket(BucketName name) {
  return buckets_.remove(std::move(name));
}

Result<BucketInfo> Engine::bucket(const BucketName& name) const {
  return buckets_.info(name);
}

io::Task<Result<ListBucketsPage>> Engine::list_buckets(ListBucketsRequest request) {
  co_return buckets_.list(request);
}

io::Task<Result<void>> Engine::set_versioning(BucketName name, Versioning versioning) {
  if (versioning == Versioning::unversioned) {
    co_return Error{Code::invalid_argument, "Versioning cannot be taken away, only suspended"};
  }
  co_return co_await buckets_.change(std::move(name),
                                     [versioning](BucketInfo& b) { b.versioning = versioning; });
}

io::Task<Result<void>> Engine::set_bucket_tags(BucketName name, Tags tags) {
  CAIRN_CO_TRY(validate_tags(tags, kMaxBucketTags, "Bucket"));
  auto shared = std::make_shared<const Tags>(std::move(tags));
  co_return co_await buckets_.change(std::move(name),
                                     [shared](BucketInfo& b) { b.tags = *shared; });
}

}  // namespace cairn::object
