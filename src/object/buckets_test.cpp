#include "object/buckets.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "object/testing/world.h"

namespace cairn::object {
namespace {

using testing::bucket_name;
using testing::object_key;
using testing::TextBody;
using testing::World;

TEST(Buckets, CreateFindListRemove) {
  World w;
  auto made = w.run(w.objects->create_bucket(bucket_name("another"), "eu-1", {{"k", "v"}}));
  ASSERT_TRUE(made);
  EXPECT_NE(made->id.value, 0u);
  auto info = w.objects->bucket(bucket_name("another"));
  ASSERT_TRUE(info);
  EXPECT_EQ(info->region, "eu-1");
  EXPECT_EQ(info->id, made->id);
  EXPECT_EQ(info->tags, (Tags{{"k", "v"}}));
  EXPECT_EQ(w.run(w.objects->create_bucket(bucket_name("another"), "eu-1", {})).code(),
            Code::bucket_already_owned_by_you);
  auto page = w.run(w.objects->list_buckets({}));
  ASSERT_EQ(page->buckets.size(), 2u);
  EXPECT_EQ(page->buckets[0].name, "another");
  EXPECT_TRUE(w.run(w.objects->delete_bucket(bucket_name("another"))));
  EXPECT_EQ(w.objects->bucket(bucket_name("another")).code(), Code::no_such_bucket);
  EXPECT_EQ(w.run(w.objects->delete_bucket(bucket_name("another"))).code(), Code::no_such_bucket);
}

TEST(Buckets, IdsAreNotReusedWithTheName) {
  World w;
  const auto first = w.objects->bucket(w.bucket)->id;
  ASSERT_TRUE(w.run(w.objects->delete_bucket(w.bucket)));
  ASSERT_TRUE(w.run(w.objects->create_bucket(w.bucket, "", {})));
  EXPECT_NE(w.objects->bucket(w.bucket)->id, first);
}

TEST(Buckets, ListPages) {
  World w;
  for (const char* name : {"log-a", "log-b", "log-c", "zoo"}) {
    ASSERT_TRUE(w.run(w.objects->create_bucket(bucket_name(name), "", {})));
  }
  auto page = w.run(w.objects->list_buckets({"log-", "", 2}));
  ASSERT_EQ(page->buckets.size(), 2u);
  EXPECT_TRUE(page->truncated);
  page = w.run(w.objects->list_buckets({"log-", page->buckets.back().name, 2}));
  ASSERT_EQ(page->buckets.size(), 1u);
  EXPECT_EQ(page->buckets[0].name, "log-c");
  EXPECT_FALSE(page->truncated);
}

TEST(Buckets, SurviveARestart) {
  World w;
  ASSERT_TRUE(w.run(w.objects->set_bucket_tags(w.bucket, {{"a", "b"}})));
  w.set_versioning(Versioning::enabled);
  const auto before = *w.objects->bucket(w.bucket);
  w.open();
  const auto after = *w.objects->bucket(w.bucket);
  EXPECT_EQ(after.id, before.id);
  EXPECT_EQ(after.versioning, Versioning::enabled);
  EXPECT_EQ(after.tags, (Tags{{"a", "b"}}));
}

TEST(Buckets, NotEmptyWhileAnyVersionOrMarkerIsThere) {
  World w;
  w.set_versioning(Versioning::enabled);
  auto put = w.put("k", "text");
  EXPECT_EQ(w.run(w.objects->delete_bucket(w.bucket)).code(), Code::bucket_not_empty);
  auto marker = w.remove("k");
  EXPECT_TRUE(w.remove("k", put->version));
  EXPECT_EQ(w.run(w.objects->delete_bucket(w.bucket)).code(), Code::bucket_not_empty);
  // It is open again after the refusal.
  EXPECT_TRUE(w.put("other", "text"));
  EXPECT_TRUE(w.remove("k", marker->version));
  auto versions = w.run(w.objects->list_versions({w.bucket}));
  ASSERT_EQ(versions->versions.size(), 1u);
  EXPECT_TRUE(w.remove("other", versions->versions[0].version));
  EXPECT_TRUE(w.run(w.objects->delete_bucket(w.bucket)));
}

TEST(Buckets, UnfinishedUploadsDoNotKeepABucketAndAreSwept) {
  World w;
  const UploadId upload = w.create_upload("k");
  ASSERT_TRUE(w.upload_part("k", upload, 1, "some text of a part"));
  ASSERT_TRUE(w.run(w.objects->delete_bucket(w.bucket)));
  ASSERT_TRUE(w.run(w.objects->create_bucket(w.bucket, "", {})));
  const UploadId stays = w.create_upload("k");
  ASSERT_TRUE(w.upload_part("k", stays, 1, "kept"));
  std::string cursor;
  std::size_t removed = 0;
  do {
    auto step = w.run(w.objects->sweep(cursor));
    ASSERT_TRUE(step);
    removed += step->removed;
    cursor = step->next;
  } while (!cursor.empty());
  EXPECT_EQ(removed, 2u);
  EXPECT_EQ(w.store.units(model::UnitKind::upload), 1u);
  EXPECT_EQ(w.store.units(model::UnitKind::part), 1u);
  EXPECT_EQ(w.store.datas(), 1u);
}

TEST(Buckets, Limits) {
  World w({.max_buckets = 2});
  EXPECT_TRUE(w.run(w.objects->create_bucket(bucket_name("second"), "", {})));
  EXPECT_EQ(w.run(w.objects->create_bucket(bucket_name("third"), "", {})).code(),
            Code::too_many_buckets);
  EXPECT_TRUE(w.run(w.objects->delete_bucket(bucket_name("second"))));
  EXPECT_TRUE(w.run(w.objects->create_bucket(bucket_name("third"), "", {})));
}

TEST(Buckets, VersioningIsNeverTakenAway) {
  World w;
  EXPECT_EQ(w.run(w.objects->set_versioning(w.bucket, Versioning::unversioned)).code(),
            Code::invalid_argument);
  EXPECT_EQ(w.run(w.objects->set_versioning(bucket_name("nowhere"), Versioning::enabled)).code(),
            Code::no_such_bucket);
}

TEST(Buckets, AnUnknownOutcomeIsAnErrorAndChangesNothingHere) {
  World w;
  w.control.set_unavailable(true);
  EXPECT_EQ(w.run(w.objects->create_bucket(bucket_name("other"), "", {})).code(),
            Code::unavailable);
  EXPECT_EQ(w.run(w.objects->delete_bucket(w.bucket)).code(), Code::unavailable);
  w.control.set_unavailable(false);
  EXPECT_TRUE(w.put("k", "text"));
}

TEST(Buckets, AScanThatFailsIsNotAnEmptyBucket) {
  World w;
  ASSERT_TRUE(w.put("k", "text"));
  w.store.next_scan = Error{Code::unavailable, "no quorum"};
  EXPECT_EQ(w.run(w.objects->delete_bucket(w.bucket)).code(), Code::unavailable);
  EXPECT_EQ(w.text("k"), "text");
  EXPECT_TRUE(w.put("k", "again"));
}

TEST(Buckets, ADeletionThatACrashInterruptedIsTakenBack) {
  World w;
  auto entry = w.run(w.control.get("bucket/bucket"));
  auto stored = decode_bucket("bucket", (*entry)->value);
  stored->info.deleting = true;
  ASSERT_TRUE(w.run(w.control.commit({}, {{"bucket/bucket", encode_bucket(stored->info, {})}})));
  EXPECT_EQ(w.put("k", "text").code(), Code::operation_aborted);
  EXPECT_EQ(w.store.datas(), 0u);
  w.open();
  EXPECT_TRUE(w.put("k", "text"));
}

TEST(Buckets, ChangesByOthersArriveByWatch) {
  World w;
  BucketInfo info;
  info.id = model::BucketId(4711);
  ASSERT_TRUE(w.run(w.control.commit({}, {{"bucket/foreign", encode_bucket(info, {})}})));
  w.executor.run_until_idle();
  EXPECT_EQ(w.objects->bucket(bucket_name("foreign"))->id.value, 4711u);
  ASSERT_TRUE(w.run(w.control.commit({}, {{"bucket/foreign", std::nullopt}})));
  w.executor.run_until_idle();
  EXPECT_EQ(w.objects->bucket(bucket_name("foreign")).code(), Code::no_such_bucket);
}

// Whatever the order: an acknowledged object is never in a bucket that is gone.
TEST(Buckets, DeletingRacesWriting) {
  int deleted = 0, written = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    World w({.max_buckets = 10}, seed);
    struct Run {
      static io::Task<void> put(World& world, std::uint64_t turns,
                                std::optional<Result<PutResult>>& out) {
        TextBody body("text");
        PutRequest request{world.bucket, object_key("k")};
        request.body = &body;
        for (std::uint64_t i = 0; i < turns; ++i) co_await io::sleep_for(io::Duration{1000});
        out.emplace(co_await world.objects->put(std::move(request)));
      }
      static io::Task<void> remove(World& world, std::uint64_t turns,
                                   std::optional<Result<void>>& out) {
        for (std::uint64_t i = 0; i < turns; ++i) co_await io::sleep_for(io::Duration{1000});
        out.emplace(co_await world.objects->delete_bucket(world.bucket));
      }
    };
    std::optional<Result<PutResult>> put;
    std::optional<Result<void>> removed;
    io::spawn(w.executor, Run::put(w, seed % 3, put));
    io::spawn(w.executor, Run::remove(w, seed % 20, removed));
    w.executor.run_until_idle();
    ASSERT_TRUE(put && removed);
    EXPECT_FALSE(put->has_value() && removed->has_value()) << seed;
    if (*removed) {
      EXPECT_EQ(w.store.units(model::UnitKind::object), 0u) << seed;
      ++deleted;
    } else if (*put) {
      EXPECT_EQ(w.text("k"), "text") << seed;
      ++written;
    }
  }
  EXPECT_GT(deleted, 0);
  EXPECT_GT(written, 0);
}

// Lookups on other threads while buckets come and go: whoever is inside a bucket keeps it there.
TEST(Buckets, WhoIsInsideKeepsTheBucket) {
  World w;
  Buckets buckets(w.store, w.control, w.clock, *w.random, {});
  ASSERT_TRUE(w.run(buckets.load()));
  const BucketName name = bucket_name("contended");
  std::atomic<bool> stop{false};
  std::atomic<int> entered{0}, broken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop.load()) {
        const auto view = buckets.find(name);
        if (!view) continue;
        const auto inside = buckets.enter(name, view->id);
        if (!inside) continue;
        ++entered;
        for (int look = 0; look < 20; ++look) {
          const auto now = buckets.find(name);
          if (!now || now->id != view->id) ++broken;
        }
      }
    });
  }
  for (int round = 0; round < 200 || (entered.load() == 0 && round < 1'000'000); ++round) {
    static_cast<void>(w.run(buckets.create(name, "", {})));
    static_cast<void>(w.run(buckets.remove(name)));
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(entered.load(), 0);
  EXPECT_EQ(broken.load(), 0);
}

TEST(Buckets, TwoDeletionsAtOnce) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    World w({.max_buckets = 10}, seed);
    struct Run {
      static io::Task<void> remove(World& world, int& gone, int& refused) {
        auto removed = co_await world.objects->delete_bucket(world.bucket);
        if (removed) ++gone;
        if (!removed && removed.code() == Code::no_such_bucket) ++refused;
      }
    };
    int gone = 0, refused = 0;
    io::spawn(w.executor, Run::remove(w, gone, refused));
    io::spawn(w.executor, Run::remove(w, gone, refused));
    w.executor.run_until_idle();
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(refused, 1);
  }
}

}  // namespace
}  // namespace cairn::object
