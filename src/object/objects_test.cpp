// PutObject, GetObject, HeadObject, DeleteObject and tags, in buckets of every versioning state.
#include <gtest/gtest.h>

#include "io/sync.h"
#include "object/testing/world.h"

namespace cairn::object {
namespace {

using testing::bucket_name;
using testing::object_key;
using testing::TextBody;
using testing::World;

std::string detail(const Error& error, std::string_view name) {
  for (const auto& [key, value] : error.details) {
    if (key == name) return value;
  }
  return "";
}

std::string md5_hex(std::string_view text) {
  const auto md5 = crypto::md5(io::as_bytes(text));
  return crypto::to_hex(std::as_bytes(std::span(md5)));
}

std::string checksum_of(crypto::Checksum algorithm, std::string_view text) {
  const auto hasher = crypto::make_checksum(algorithm);
  hasher->update(io::as_bytes(text));
  return hasher->finish();
}

// ---- writing

TEST(Put, KeepsBodyHeadersAndChecksum) {
  World w;
  const std::string text = "a text that is longer than the buffers of the store's writer";
  TextBody body(text);
  PutRequest request{w.bucket, object_key("k")};
  request.body = &body;
  request.size = text.size();
  request.meta.system = {{"content-type", "text/plain"}};
  request.meta.user = {{"colour", "grün"}};
  request.meta.tags = {{"a", "b"}};
  request.meta.owner = "me";
  request.storage_class = "REDUCED_REDUNDANCY";
  auto put = w.run(w.objects->put(std::move(request)));
  ASSERT_TRUE(put) << put.error().message;
  EXPECT_EQ(put->etag, md5_hex(text));
  EXPECT_FALSE(put->show_version);
  EXPECT_EQ(put->size, text.size());
  ASSERT_TRUE(put->checksum);
  EXPECT_EQ(put->checksum->algorithm, crypto::Checksum::crc64nvme);
  EXPECT_EQ(put->checksum->value, checksum_of(crypto::Checksum::crc64nvme, text));

  auto got = w.get("k");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->info.etag, put->etag);
  EXPECT_EQ(got->info.size, text.size());
  EXPECT_EQ(got->info.meta.user, (Headers{{"colour", "grün"}}));
  EXPECT_EQ(got->info.meta.content_type(), "text/plain");
  EXPECT_EQ(got->info.meta.tags, (Tags{{"a", "b"}}));
  EXPECT_EQ(got->info.meta.owner, "me");
  EXPECT_EQ(got->info.storage_class, "REDUCED_REDUNDANCY");
  EXPECT_EQ(got->info.part_count, 0u);
  EXPECT_FALSE(got->partial);
  EXPECT_EQ(w.read(*got), text);
}

// Bodies that come in at the same time are hashed side by side, some of them given up half way.
TEST(Put, ManyAtOnceEachHaveTheirOwnDigest) {
  World w;
  std::vector<std::string> texts;
  std::vector<std::unique_ptr<TextBody>> bodies;
  std::vector<io::Task<Result<PutResult>>> puts;
  for (std::size_t i = 0; i < 40; ++i) {
    texts.push_back(std::string(i * i, static_cast<char>('a' + i % 26)));
    bodies.push_back(std::make_unique<TextBody>(texts.back()));
    PutRequest request{w.bucket, object_key("k" + std::to_string(i))};
    request.body = bodies.back().get();
    if (i % 2 == 0) request.size = texts.back().size();
    if (i % 5 == 3) bodies.back()->at_end = Error{Code::connection_closed, "gone"};
    puts.push_back(w.objects->put(std::move(request)));
  }
  const auto results = w.run(io::when_all(std::move(puts)));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (i % 5 == 3) {
      EXPECT_FALSE(results[i]);
      continue;
    }
    ASSERT_TRUE(results[i]) << results[i].error().message;
    EXPECT_EQ(results[i]->etag, md5_hex(texts[i]));
    EXPECT_EQ(w.text("k" + std::to_string(i)), texts[i]);
  }
}

TEST(Put, AllSizesWithAndWithoutALength) {
  World w;
  for (const bool sized : {true, false}) {
    for (std::size_t n : {0, 1, 6, 7, 8, 14, 16, 17, 100}) {
      const std::string text(n, static_cast<char>('a' + n % 26));
      TextBody body(text);
      PutRequest request{w.bucket, object_key("k")};
      request.body = &body;
      if (sized) request.size = n;
      auto put = w.run(w.objects->put(std::move(request)));
      ASSERT_TRUE(put) << put.error().message;
      EXPECT_EQ(put->etag, md5_hex(text));
      EXPECT_EQ(w.text("k"), text);
      EXPECT_EQ(w.store.datas(), n > 0 ? 1u : 0u);  // what was overwritten is gone
    }
  }
}

TEST(Put, AnEmptyObjectNeedsNoWriter) {
  World w;
  ASSERT_TRUE(w.put("k", ""));
  EXPECT_EQ(w.store.writers, 0u);
  EXPECT_EQ(w.store.commits, 1u);
}

TEST(Put, ABodyOfAnotherLengthStoresNothing) {
  World w;
  for (const std::size_t declared :
       {std::size_t{0}, std::size_t{3}, std::size_t{5}, std::size_t{50}}) {
    TextBody body("text");
    PutRequest request{w.bucket, object_key("k")};
    request.body = &body;
    request.size = declared;
    EXPECT_EQ(w.run(w.objects->put(std::move(request))).code(), Code::incomplete_body) << declared;
  }
  EXPECT_EQ(w.text("k"), "!no_such_key");
  EXPECT_EQ(w.store.datas(), 0u);
  EXPECT_EQ(w.store.commits, 0u);
}

TEST(Put, AnErrorAtTheEndOfTheBodyStoresNothing) {
  World w;
  for (const bool sized : {true, false}) {
    for (const std::string text : {"", "text"}) {
      TextBody body(text);
      body.at_end = Error{Code::signature_does_not_match, "the last chunk is forged"};
      PutRequest request{w.bucket, object_key("k")};
      request.body = &body;
      if (sized) request.size = text.size();
      EXPECT_EQ(w.run(w.objects->put(std::move(request))).code(), Code::signature_does_not_match);
    }
  }
  EXPECT_EQ(w.store.commits, 0u);
  EXPECT_EQ(w.store.datas(), 0u);
}

TEST(Put, WrongDigestsStoreNothing) {
  World w;
  const auto put = [&](auto change) {
    TextBody body("text");
    PutRequest request{w.bucket, object_key("k")};
    request.body = &body;
    request.size = 4;
    change(request);
    return w.run(w.objects->put(std::move(request)));
  };
  auto wrong = put([](PutRequest& r) { r.content_md5 = std::string(16, 'x'); });
  EXPECT_EQ(wrong.code(), Code::bad_digest);
  EXPECT_EQ(detail(wrong.error(), "CalculatedDigest"),
            crypto::to_base64(io::as_bytes(*crypto::from_hex(md5_hex("text")))));
  for (const auto algorithm :
       {crypto::Checksum::crc32, crypto::Checksum::crc32c, crypto::Checksum::crc64nvme,
        crypto::Checksum::sha1, crypto::Checksum::sha256}) {
    const std::string good = checksum_of(algorithm, "text");
    std::string bad = good;
    bad[0] = static_cast<char>(bad[0] ^ 1);
    auto refused = put([&](PutRequest& r) { r.checksum = ExpectedChecksum{algorithm, bad, {}}; });
    EXPECT_EQ(refused.code(), Code::bad_digest);
    EXPECT_EQ(refused.error().message, "The " + std::string(crypto::checksum_name(algorithm)) +
                                           " you specified did not match the calculated checksum.");
    refused = put([&](PutRequest& r) {
      r.checksum = ExpectedChecksum{algorithm, {}, [&] { return Result<std::string>(bad); }};
    });
    EXPECT_EQ(refused.code(), Code::bad_digest);
    refused = put([&](PutRequest& r) {
      r.checksum =
          ExpectedChecksum{algorithm, {}, [] {
                             return Result<std::string>(Code::malformed_trailer, "no trailer came");
                           }};
    });
    EXPECT_EQ(refused.code(), Code::malformed_trailer);
    EXPECT_EQ(w.text("k"), "!no_such_key");
    EXPECT_EQ(w.store.datas(), 0u);

    auto fine = put([&](PutRequest& r) { r.checksum = ExpectedChecksum{algorithm, good, {}}; });
    ASSERT_TRUE(fine);
    EXPECT_EQ(fine->checksum->algorithm, algorithm);
    EXPECT_EQ(fine->checksum->value, good);
    EXPECT_EQ(w.get("k")->info.meta.checksum->value, good);
    ASSERT_TRUE(w.remove("k"));
  }
  EXPECT_TRUE(put([](PutRequest& r) {
    const auto md5 = crypto::md5(io::as_bytes("text"));
    r.content_md5 = std::string(reinterpret_cast<const char*>(md5.data()), md5.size());
  }));
}

TEST(Put, LimitsAreCheckedBeforeTheBody) {
  World w;
  TextBody body("text");
  PutRequest request{w.bucket, object_key("k")};
  request.body = &body;
  request.size = kMaxPutBytes + 1;
  EXPECT_EQ(w.run(w.objects->put(request)).code(), Code::entity_too_large);
  request.size = 4;
  request.meta.user = {{"k", std::string(3000, 'v')}};
  EXPECT_EQ(w.run(w.objects->put(request)).code(), Code::metadata_too_large);
  request.meta.user.clear();
  request.meta.tags = {{"k", "1"}, {"k", "2"}};
  EXPECT_EQ(w.run(w.objects->put(request)).code(), Code::invalid_tag);
  request.meta.tags.clear();
  request.storage_class = "GLACIER";
  EXPECT_EQ(w.run(w.objects->put(request)).code(), Code::invalid_storage_class);
  request.storage_class.clear();
  request.bucket = bucket_name("nowhere");
  EXPECT_EQ(w.run(w.objects->put(request)).code(), Code::no_such_bucket);
}

TEST(Put, Conditions) {
  World w;
  EXPECT_EQ(w.put("k", "1", {.if_match = "*"}).code(), Code::no_such_key);
  auto first = w.put("k", "1", {.if_none_match = "*"});
  ASSERT_TRUE(first);
  EXPECT_EQ(w.put("k", "2", {.if_none_match = "*"}).code(), Code::precondition_failed);
  EXPECT_EQ(w.put("k", "2", {.if_match = "other"}).code(), Code::precondition_failed);
  EXPECT_TRUE(w.put("k", "2", {.if_match = first->etag}));
  EXPECT_EQ(w.text("k"), "2");
}

// lessons: "Precondition checked outside the lock": what the early check saw may be gone at the
// commit.
TEST(Put, TheCommitDecidesConditions) {
  World w;
  struct Rival {
    static io::Task<std::optional<Error>> put(World& world) {
      TextBody body("rival");
      PutRequest request{world.bucket, object_key("k")};
      request.body = &body;
      EXPECT_TRUE(co_await world.objects->put(std::move(request)));
      co_return std::nullopt;
    }
  };
  w.store.before_commit = [&] { return Rival::put(w); };
  EXPECT_EQ(w.put("k", "mine", {.if_none_match = "*"}).code(), Code::precondition_failed);
  EXPECT_EQ(w.text("k"), "rival");
}

// lessons: "Quorum error read as not found in a condition check".
TEST(Put, WhatCannotBeAskedIsNotAbsent) {
  World w;
  w.store.next_find = Error{Code::unavailable, "no quorum"};
  EXPECT_EQ(w.put("k", "1", {.if_none_match = "*"}).code(), Code::unavailable);
  w.store.next_find = Error{Code::timeout, "no answer"};
  EXPECT_EQ(w.get("k").code(), Code::timeout);
}

TEST(Put, AnUnknownOutcomeIsNotSuccess) {
  World w;
  w.store.commit_took_effect = true;
  w.store.before_commit = []() -> io::Task<std::optional<Error>> {
    co_return Error{Code::unavailable, "too few holders"};
  };
  EXPECT_EQ(w.put("k", "1").code(), Code::unavailable);
}

// ---- reading

TEST(Get, Ranges) {
  World w;
  const std::string text = "0123456789abcdefghijklmnop";
  ASSERT_TRUE(w.put("k", text));
  const auto get = [&](ByteRange range) {
    GetRequest request{w.bucket, object_key("k")};
    request.range = range;
    return w.run(w.objects->get(std::move(request)));
  };
  auto got = get({2, 5});
  EXPECT_TRUE(got->partial);
  EXPECT_EQ(got->offset, 2u);
  EXPECT_EQ(w.read(*got), "2345");
  got = get({20, 999});
  EXPECT_EQ(w.read(*got), "klmnop");
  got = get({{}, 3});
  EXPECT_EQ(w.read(*got), "nop");
  auto refused = get({26, 30});
  EXPECT_EQ(refused.code(), Code::invalid_range);
  EXPECT_EQ(detail(refused.error(), "ActualObjectSize"), "26");
}

TEST(Get, HeadHasNoBody) {
  World w;
  ASSERT_TRUE(w.put("k", "text"));
  GetRequest request{w.bucket, object_key("k")};
  request.want_body = false;
  auto got = w.run(w.objects->get(std::move(request)));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->length, 4u);
  EXPECT_EQ(got->body, nullptr);
}

TEST(Get, PartNumbersOfAPlainObject) {
  World w;
  ASSERT_TRUE(w.put("k", "text"));
  GetRequest request{w.bucket, object_key("k")};
  request.part_number = 1;
  auto got = w.run(w.objects->get(request));
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->partial);
  EXPECT_EQ(w.read(*got), "text");
  request.part_number = 2;
  EXPECT_EQ(w.run(w.objects->get(request)).code(), Code::invalid_part_number);
}

TEST(Get, Conditions) {
  World w;
  auto put = w.put("k", "text");
  GetRequest request{w.bucket, object_key("k")};
  request.conditions.if_none_match = {put->etag};
  auto got = w.run(w.objects->get(request));
  EXPECT_EQ(got.code(), Code::not_modified);
  EXPECT_EQ(detail(got.error(), "ETag"), put->etag);
  request.conditions = {.if_match = {"other"}};
  EXPECT_EQ(w.run(w.objects->get(request)).code(), Code::precondition_failed);
}

TEST(Get, OverwrittenBetweenLookingUpAndOpening) {
  World w;
  ASSERT_TRUE(w.put("k", "the first text, a blob of its own"));
  struct Rival {
    static io::Task<std::optional<Error>> put(World& world) {
      TextBody body("the second text, another blob");
      PutRequest request{world.bucket, object_key("k")};
      request.body = &body;
      EXPECT_TRUE(co_await world.objects->put(std::move(request)));
      co_return std::nullopt;
    }
  };
  w.store.before_open = [&] { return Rival::put(w); };
  EXPECT_EQ(w.text("k"), "the second text, another blob");
}

TEST(Get, DataThatIsGoneIsAnErrorAndNotAbsence) {
  World w;
  ASSERT_TRUE(w.put("k", "text"));
  struct Gone {
    static io::Task<std::optional<Error>> always(World& world) {
      world.store.before_open = [&world] { return always(world); };
      co_return Error{Code::not_found, "the blob is gone"};
    }
  };
  w.store.before_open = [&] { return Gone::always(w); };
  EXPECT_EQ(w.get("k").code(), Code::unavailable);
}

// ---- versions

TEST(Versions, EnabledKeepsAll) {
  World w;
  ASSERT_TRUE(w.put("k", "before"));
  w.set_versioning(Versioning::enabled);
  auto first = w.put("k", "first");
  auto second = w.put("k", "second");
  EXPECT_TRUE(first->show_version);
  EXPECT_FALSE(first->version.null);
  EXPECT_NE(first->version, second->version);
  EXPECT_EQ(w.text("k"), "second");
  EXPECT_EQ(w.text("k", first->version), "first");
  EXPECT_EQ(w.text("k", VersionId::null_version()), "before");
  EXPECT_TRUE(w.get("k")->info.is_latest);
  EXPECT_FALSE(w.get("k", first->version)->info.is_latest);
  EXPECT_EQ(w.text("k", VersionId::of({9, 9})), "!no_such_version");
  EXPECT_EQ(w.text("other", VersionId::of({9, 9})), "!no_such_version");
}

TEST(Versions, DeleteMarkers) {
  World w;
  w.set_versioning(Versioning::enabled);
  auto put = w.put("k", "text");
  auto marker = w.remove("k");
  ASSERT_TRUE(marker);
  EXPECT_TRUE(marker->delete_marker);
  ASSERT_TRUE(marker->version);

  auto latest = w.get("k");
  EXPECT_EQ(latest.code(), Code::no_such_key);
  EXPECT_EQ(detail(latest.error(), "DeleteMarker"), "true");
  EXPECT_EQ(detail(latest.error(), "VersionId"), marker->version->text());
  auto named = w.get("k", marker->version);
  EXPECT_EQ(named.code(), Code::method_not_allowed);
  EXPECT_EQ(detail(named.error(), "DeleteMarker"), "true");
  EXPECT_FALSE(detail(named.error(), "LastModifiedMs").empty());
  EXPECT_EQ(w.text("k", put->version), "text");

  // A marker counts as absent for conditions; removing it brings the object back.
  EXPECT_EQ(w.put("k", "x", {.if_match = "*"}).code(), Code::no_such_key);
  auto gone = w.remove("k", marker->version);
  ASSERT_TRUE(gone);
  EXPECT_TRUE(gone->delete_marker);
  EXPECT_EQ(gone->version, marker->version);
  EXPECT_EQ(w.text("k"), "text");
  // Deleting what was never there puts a marker too.
  EXPECT_TRUE(w.remove("never")->delete_marker);
}

TEST(Versions, Suspended) {
  World w;
  w.set_versioning(Versioning::enabled);
  auto kept = w.put("k", "kept");
  w.set_versioning(Versioning::suspended);
  auto null = w.put("k", "null one");
  EXPECT_TRUE(null->version.null);
  EXPECT_FALSE(null->show_version);
  EXPECT_TRUE(w.put("k", "null two")->version.null);
  EXPECT_EQ(w.text("k", VersionId::null_version()), "null two");
  EXPECT_EQ(w.text("k", kept->version), "kept");
  auto marker = w.remove("k");
  EXPECT_TRUE(marker->delete_marker);
  EXPECT_TRUE(marker->version->null);
  EXPECT_EQ(w.text("k"), "!no_such_key");
  EXPECT_EQ(w.text("k", VersionId::null_version()), "!method_not_allowed");
  EXPECT_EQ(w.text("k", kept->version), "kept");
  auto page = w.run(w.objects->list_versions({w.bucket}));
  EXPECT_EQ(page->versions.size(), 2u);
}

// ---- removing

TEST(Remove, Unversioned) {
  World w;
  ASSERT_TRUE(w.put("k", "text"));
  auto removed = w.remove("k");
  ASSERT_TRUE(removed);
  EXPECT_FALSE(removed->delete_marker);
  EXPECT_FALSE(removed->version);
  EXPECT_EQ(w.text("k"), "!no_such_key");
  EXPECT_EQ(w.store.datas(), 0u);
  EXPECT_TRUE(w.remove("k"));
  EXPECT_TRUE(w.remove("k", VersionId::of({1, 999})));
  ASSERT_TRUE(w.put("k", "again"));
  EXPECT_TRUE(w.remove("k", VersionId::null_version()));
  EXPECT_EQ(w.text("k"), "!no_such_key");
}

TEST(Remove, Conditions) {
  World w;
  EXPECT_EQ(w.remove("k", {}, {.if_match = "*"}).code(), Code::no_such_key);
  EXPECT_TRUE(w.remove("k", {}, {.if_match_size = 3}));
  auto put = w.put("k", "text");
  EXPECT_EQ(w.remove("k", {}, {.if_match = "other"}).code(), Code::precondition_failed);
  EXPECT_EQ(w.remove("k", {}, {.if_match_size = 3}).code(), Code::precondition_failed);
  EXPECT_EQ(w.text("k"), "text");
  EXPECT_TRUE(w.remove("k", {}, {.if_match = put->etag}));
  EXPECT_EQ(w.text("k"), "!no_such_key");
}

TEST(Remove, ConditionsOfANamedVersionAreAboutThatVersion) {
  World w;
  w.set_versioning(Versioning::enabled);
  auto first = w.put("k", "first");
  auto second = w.put("k", "second");
  EXPECT_EQ(w.remove("k", first->version, {.if_match = second->etag}).code(),
            Code::precondition_failed);
  EXPECT_EQ(w.text("k", first->version), "first");
  EXPECT_TRUE(w.remove("k", first->version, {.if_match = first->etag}));
  EXPECT_EQ(w.remove("k", first->version, {.if_match = first->etag}).code(), Code::no_such_key);
}

// ---- tags

TEST(Tags, ReplaceAndRemove) {
  World w;
  w.set_versioning(Versioning::enabled);
  auto first = w.put("k", "first");
  auto second = w.put("k", "second");
  auto tagged = w.run(w.objects->set_tags(w.bucket, object_key("k"), first->version, {{"a", "b"}}));
  ASSERT_TRUE(tagged);
  EXPECT_EQ(tagged->version, first->version);
  EXPECT_EQ(w.get("k", first->version)->info.meta.tags, (Tags{{"a", "b"}}));
  EXPECT_TRUE(w.get("k")->info.meta.tags.empty());
  EXPECT_EQ(w.text("k", first->version), "first");
  EXPECT_EQ(w.get("k", first->version)->info.modified_ms, tagged->modified_ms);
  ASSERT_TRUE(w.run(w.objects->set_tags(w.bucket, object_key("k"), first->version, {})));
  EXPECT_TRUE(w.get("k", first->version)->info.meta.tags.empty());
  EXPECT_EQ(w.run(w.objects->set_tags(w.bucket, object_key("x"), {}, {})).code(),
            Code::no_such_key);
  EXPECT_EQ(w.run(w.objects->set_tags(w.bucket, object_key("k"), {}, {{"", "v"}})).code(),
            Code::invalid_tag);
}

TEST(Tags, ALostRaceIsTriedAgain) {
  World w;
  ASSERT_TRUE(w.put("k", "text"));
  struct Rival {
    static io::Task<std::optional<Error>> overwrite(World& world) {
      TextBody body("newer");
      PutRequest request{world.bucket, object_key("k")};
      request.body = &body;
      EXPECT_TRUE(co_await world.objects->put(std::move(request)));
      co_return std::nullopt;
    }
  };
  w.store.before_commit = [&] { return Rival::overwrite(w); };
  ASSERT_TRUE(w.run(w.objects->set_tags(w.bucket, object_key("k"), {}, {{"a", "b"}})));
  EXPECT_EQ(w.text("k"), "newer");
  EXPECT_EQ(w.get("k")->info.meta.tags, (Tags{{"a", "b"}}));
}

}  // namespace
}  // namespace cairn::object
