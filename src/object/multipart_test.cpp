#include <gtest/gtest.h>

#include "object/testing/world.h"

namespace cairn::object {
namespace {

using testing::object_key;
using testing::TextBody;
using testing::World;

constexpr char kOne[] = "the first part, ";
constexpr char kTwo[] = "the second part, ";
constexpr char kEnd[] = "end";

std::string checksum_of(crypto::Checksum algorithm, std::string_view text) {
  const auto hasher = crypto::make_checksum(algorithm);
  hasher->update(io::as_bytes(text));
  return hasher->finish();
}

struct MultipartTest : ::testing::Test {
  std::vector<PartInfo> upload_all(UploadId upload, std::optional<crypto::Checksum> stated = {}) {
    std::vector<PartInfo> out;
    for (const auto& [number, text] :
         {std::pair{2, kTwo}, std::pair{1, kOne}, std::pair{5, kEnd}}) {
      auto part = w.upload_part("k", upload, static_cast<std::uint32_t>(number), text, stated);
      EXPECT_TRUE(part) << part.error().message;
      out.push_back(*part);
    }
    std::swap(out[0], out[1]);
    return out;
  }
  Result<PutResult> complete(CompleteRequest request) {
    auto done = w.run(w.objects->complete_upload(std::move(request)));
    w.executor.run_until_idle();  // parts are removed behind the answer
    return done;
  }
  Code code_of(CompleteRequest request) { return complete(std::move(request)).code(); }

  World w;
  const std::string whole = std::string(kOne) + kTwo + kEnd;
};

TEST_F(MultipartTest, CreateUploadComplete) {
  CreateUploadRequest create{w.bucket, object_key("k")};
  create.meta.user = {{"colour", "blue"}};
  create.meta.tags = {{"a", "b"}};
  create.storage_class = "REDUCED_REDUNDANCY";
  const UploadId upload = w.run(w.objects->create_upload(std::move(create)))->upload;
  const auto parts = upload_all(upload);
  EXPECT_EQ(w.text("k"), "!no_such_key");

  auto done = complete(w.completion("k", upload, parts));
  ASSERT_TRUE(done) << done.error().message;
  std::string raw;
  for (const PartInfo& part : parts) raw += *crypto::from_hex(part.etag);
  const auto md5 = crypto::md5(io::as_bytes(raw));
  EXPECT_EQ(done->etag, crypto::to_hex(std::as_bytes(std::span(md5))) + "-3");
  EXPECT_EQ(done->size, whole.size());
  // No algorithm was asked for: CRC64NVME of the whole object, as AWS keeps it.
  EXPECT_EQ(done->checksum->algorithm, crypto::Checksum::crc64nvme);
  EXPECT_EQ(done->checksum->type, ChecksumType::full_object);
  EXPECT_EQ(done->checksum->value, checksum_of(crypto::Checksum::crc64nvme, whole));

  auto got = w.get("k");
  ASSERT_TRUE(got);
  EXPECT_EQ(w.read(*got), whole);
  EXPECT_EQ(got->info.part_count, 3u);
  EXPECT_EQ(got->info.meta.user, (Headers{{"colour", "blue"}}));
  EXPECT_EQ(got->info.meta.tags, (Tags{{"a", "b"}}));
  EXPECT_EQ(got->info.storage_class, "REDUCED_REDUNDANCY");
  EXPECT_FALSE(got->info.meta.upload_algorithm);
  // Nothing of the upload is left, and no data was copied.
  EXPECT_EQ(w.store.units(model::UnitKind::upload), 0u);
  EXPECT_EQ(w.store.units(model::UnitKind::part), 0u);
  EXPECT_EQ(w.store.datas(), 3u);
  EXPECT_EQ(w.store.writers, 3u);
  ASSERT_TRUE(w.remove("k"));
  EXPECT_EQ(w.store.datas(), 0u);
}

TEST_F(MultipartTest, ReadsByPartNumberAndAcrossParts) {
  const UploadId upload = w.create_upload("k");
  ASSERT_TRUE(complete(w.completion("k", upload, upload_all(upload))));
  GetRequest request{w.bucket, object_key("k")};
  request.part_number = 2;
  auto got = w.run(w.objects->get(request));
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->partial);
  EXPECT_EQ(got->offset, std::string(kOne).size());
  EXPECT_EQ(*got->part_checksum, checksum_of(crypto::Checksum::crc64nvme, kTwo));
  EXPECT_EQ(w.read(*got), kTwo);
  request.part_number = 5;
  request.want_body = false;
  EXPECT_EQ(w.run(w.objects->get(request))->length, 3u);
  request.part_number = 3;
  EXPECT_EQ(w.run(w.objects->get(request)).code(), Code::invalid_part_number);
  request = {w.bucket, object_key("k")};
  request.range = ByteRange{10, 20};
  got = w.run(w.objects->get(request));
  EXPECT_EQ(w.read(*got), whole.substr(10, 11));

  auto parts = w.run(w.objects->object_parts(w.bucket, object_key("k"), {}));
  ASSERT_EQ(parts->size(), 3u);
  EXPECT_EQ((*parts)[2].number, 5u);
  EXPECT_EQ((*parts)[2].size, 3u);
  EXPECT_EQ((*parts)[0].checksum->value, checksum_of(crypto::Checksum::crc64nvme, kOne));
  ASSERT_TRUE(w.put("plain", "text"));
  EXPECT_TRUE(w.run(w.objects->object_parts(w.bucket, object_key("plain"), {}))->empty());
}

TEST_F(MultipartTest, WhatIsWrongWithTheList) {
  const UploadId upload = w.create_upload("k");
  const auto parts = upload_all(upload);
  const CompleteRequest good = w.completion("k", upload, parts);
  CompleteRequest bad = good;
  bad.parts.clear();
  EXPECT_EQ(code_of(bad), Code::malformed_xml);
  bad = good;
  std::swap(bad.parts[0], bad.parts[1]);
  EXPECT_EQ(code_of(bad), Code::invalid_part_order);
  bad = good;
  bad.parts[1] = bad.parts[0];
  EXPECT_EQ(code_of(bad), Code::invalid_part_order);
  bad = good;
  bad.parts[1].etag = std::string(32, '0');
  EXPECT_EQ(code_of(bad), Code::invalid_part);
  bad = good;
  bad.parts[2].number = 7;
  EXPECT_EQ(code_of(bad), Code::invalid_part);
  bad = good;
  bad.parts[0].checksum = {crypto::Checksum::crc64nvme, std::string(8, 'x')};
  EXPECT_EQ(code_of(bad), Code::invalid_part);
  bad = good;
  bad.object_size = whole.size() + 1;
  EXPECT_EQ(code_of(bad), Code::invalid_request);
  bad = good;
  bad.checksum = {crypto::Checksum::crc64nvme, std::string(8, 'x')};
  EXPECT_EQ(code_of(bad), Code::bad_digest);
  bad = good;
  bad.checksum = {crypto::Checksum::crc32, std::string(4, 'x')};
  EXPECT_EQ(code_of(bad), Code::invalid_request);
  bad = good;
  bad.checksum_type = ChecksumType::composite;
  EXPECT_EQ(code_of(bad), Code::bad_digest);
  bad = good;
  bad.conditions.if_match = "*";
  EXPECT_EQ(code_of(bad), Code::no_such_key);
  EXPECT_EQ(w.text("k"), "!no_such_key");
  // After all of that the upload still stands.
  CompleteRequest fine = good;
  fine.object_size = whole.size();
  fine.checksum = {crypto::Checksum::crc64nvme, checksum_of(crypto::Checksum::crc64nvme, whole)};
  fine.conditions.if_none_match = "*";
  EXPECT_TRUE(complete(fine));
}

TEST_F(MultipartTest, PartsThatAreNotNamedAreDropped) {
  const UploadId upload = w.create_upload("k");
  auto parts = upload_all(upload);
  parts.pop_back();
  ASSERT_TRUE(complete(w.completion("k", upload, parts)));
  EXPECT_EQ(w.text("k"), std::string(kOne) + kTwo);
  EXPECT_EQ(w.store.datas(), 2u);
}

TEST_F(MultipartTest, AllPartsButTheLastHaveAMinimum) {
  const UploadId upload = w.create_upload("k");
  auto small = w.upload_part("k", upload, 1, "small");
  auto other = w.upload_part("k", upload, 2, "x");
  auto refused = complete(w.completion("k", upload, {*small, *other}));
  EXPECT_EQ(refused.code(), Code::entity_too_small);
  EXPECT_EQ(refused.error().details[0].second, "5");
  EXPECT_EQ(refused.error().details[1].second, "8");
  EXPECT_TRUE(complete(w.completion("k", upload, {*small})));
}

TEST_F(MultipartTest, AnEmptyPartAlone) {
  const UploadId upload = w.create_upload("k");
  auto part = w.upload_part("k", upload, 1, "");
  auto done = complete(w.completion("k", upload, {*part}));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(done->etag.ends_with("-1"));
  EXPECT_EQ(w.text("k"), "");
  EXPECT_EQ(w.get("k")->info.part_count, 1u);
  auto again = complete(w.completion("k", upload, {*part}));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->etag, done->etag);
}

TEST_F(MultipartTest, APartReplacesTheOneBefore) {
  const UploadId upload = w.create_upload("k");
  auto old = w.upload_part("k", upload, 1, "old text of it");
  auto part = w.upload_part("k", upload, 1, "new text of it");
  EXPECT_EQ(w.store.datas(), 1u);
  EXPECT_EQ(code_of(w.completion("k", upload, {*old})), Code::invalid_part);
  ASSERT_TRUE(complete(w.completion("k", upload, {*part})));
  EXPECT_EQ(w.text("k"), "new text of it");
}

TEST_F(MultipartTest, CompositeChecksums) {
  for (const auto algorithm : {crypto::Checksum::crc32, crypto::Checksum::crc32c,
                               crypto::Checksum::sha1, crypto::Checksum::sha256}) {
    const UploadId upload = w.create_upload("k", algorithm, ChecksumType::composite);
    // Every part states its checksum,
    EXPECT_EQ(w.upload_part("k", upload, 1, "text").code(), Code::invalid_request);
    const auto parts = upload_all(upload, algorithm);
    CompleteRequest request = w.completion("k", upload, parts);
    // and the completion names all of them, of the algorithm that was agreed on.
    EXPECT_EQ(code_of(request), Code::invalid_request);
    CompleteRequest other = request;
    for (auto& part : other.parts)
      part.checksum = {crypto::Checksum::crc64nvme, std::string(8, 'x')};
    EXPECT_EQ(code_of(other), Code::bad_digest);
    std::string all;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      all += parts[i].checksum->value;
      request.parts[i].checksum = {algorithm, parts[i].checksum->value};
    }
    request.checksum = {algorithm, checksum_of(algorithm, all)};
    auto done = complete(request);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->checksum->type, ChecksumType::composite);
    EXPECT_EQ(done->checksum->value, checksum_of(algorithm, all));
  }
}

TEST_F(MultipartTest, FullObjectChecksums) {
  for (const auto algorithm :
       {crypto::Checksum::crc32, crypto::Checksum::crc32c, crypto::Checksum::crc64nvme}) {
    const UploadId upload = w.create_upload("k", algorithm, ChecksumType::full_object);
    auto done = complete(w.completion("k", upload, upload_all(upload)));
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->checksum->type, ChecksumType::full_object);
    EXPECT_EQ(done->checksum->value, checksum_of(algorithm, whole));
  }
  CreateUploadRequest create{w.bucket, object_key("k")};
  create.meta.upload_algorithm = crypto::Checksum::sha256;
  create.meta.upload_type = ChecksumType::full_object;
  EXPECT_EQ(w.run(w.objects->create_upload(std::move(create))).code(), Code::invalid_request);
}

TEST_F(MultipartTest, ChecksumsOfParts) {
  const UploadId upload = w.create_upload("k", crypto::Checksum::sha256);
  const auto part = [&](UploadId id, crypto::Checksum algorithm, std::string value) {
    TextBody body("text of a part");
    PartRequest request{w.bucket, object_key("k"), id, 1};
    request.body = &body;
    request.checksum = ExpectedChecksum{algorithm, std::move(value), {}};
    return w.run(w.objects->upload_part(std::move(request)));
  };
  EXPECT_EQ(
      part(upload, crypto::Checksum::crc32, checksum_of(crypto::Checksum::crc32, "text of a part"))
          .code(),
      Code::invalid_request);
  EXPECT_EQ(part(upload, crypto::Checksum::sha256, std::string(32, 'x')).code(), Code::bad_digest);
  EXPECT_EQ(w.store.units(model::UnitKind::part), 0u);
  EXPECT_TRUE(part(upload, crypto::Checksum::sha256,
                   checksum_of(crypto::Checksum::sha256, "text of a part")));
  // An upload without an algorithm verifies any, and keeps its own.
  const UploadId plain = w.create_upload("k");
  EXPECT_EQ(part(plain, crypto::Checksum::sha1, std::string(20, 'x')).code(), Code::bad_digest);
  auto stored =
      part(plain, crypto::Checksum::sha1, checksum_of(crypto::Checksum::sha1, "text of a part"));
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->checksum->algorithm, crypto::Checksum::crc64nvme);
}

// lessons: "GC against a second Complete": completing is idempotent and exclusive.
TEST_F(MultipartTest, CompletingAgainIsTheSameSuccess) {
  w.set_versioning(Versioning::enabled);
  const UploadId upload = w.create_upload("k");
  const CompleteRequest request = w.completion("k", upload, upload_all(upload));
  auto first = complete(request);
  ASSERT_TRUE(first);
  ASSERT_TRUE(w.put("k", "newer"));
  ASSERT_TRUE(w.run(w.objects->set_tags(w.bucket, object_key("k"), first->version, {{"a", "b"}})));
  auto second = complete(request);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->etag, first->etag);
  EXPECT_EQ(second->version, first->version);
  EXPECT_EQ(w.text("k"), "newer");
  ASSERT_TRUE(w.remove("k", first->version));
  EXPECT_EQ(code_of(request), Code::no_such_upload);
}

TEST_F(MultipartTest, CompletingAfterALostAnswer) {
  const UploadId upload = w.create_upload("k");
  CompleteRequest request = w.completion("k", upload, upload_all(upload));
  request.conditions.if_none_match = "*";
  w.store.commit_took_effect = true;
  w.store.before_commit = []() -> io::Task<std::optional<Error>> {
    co_return Error{Code::unavailable, "too few holders"};
  };
  EXPECT_EQ(code_of(request), Code::unavailable);
  auto again = complete(request);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(w.text("k"), whole);
  EXPECT_EQ(w.store.units(model::UnitKind::part), 0u);
}

TEST_F(MultipartTest, Abort) {
  const UploadId upload = w.create_upload("k");
  upload_all(upload);
  ASSERT_TRUE(w.run(w.objects->abort_upload(w.bucket, object_key("k"), upload)));
  w.executor.run_until_idle();
  EXPECT_EQ(w.store.units(model::UnitKind::part), 0u);
  EXPECT_EQ(w.store.datas(), 0u);
  EXPECT_EQ(w.run(w.objects->abort_upload(w.bucket, object_key("k"), upload)).code(),
            Code::no_such_upload);
  EXPECT_EQ(w.upload_part("k", upload, 1, "text").code(), Code::no_such_upload);
  EXPECT_EQ(w.run(w.objects->list_parts({w.bucket, object_key("k"), upload})).code(),
            Code::no_such_upload);
  // An upload belongs to its key.
  const UploadId other = w.create_upload("k");
  EXPECT_EQ(w.upload_part("another", other, 1, "text").code(), Code::no_such_upload);
}

TEST_F(MultipartTest, APartThatArrivesAfterTheAbortIsRefused) {
  const UploadId upload = w.create_upload("k");
  struct Rival {
    static io::Task<std::optional<Error>> abort(World& world, UploadId id) {
      EXPECT_TRUE(co_await world.objects->abort_upload(world.bucket, object_key("k"), id));
      co_return std::nullopt;
    }
  };
  w.store.before_commit = [&] { return Rival::abort(w, upload); };
  EXPECT_EQ(w.upload_part("k", upload, 1, "text").code(), Code::no_such_upload);
  EXPECT_EQ(w.store.units(model::UnitKind::part), 0u);
}

// Completing races aborting: exactly one of them happened.
TEST_F(MultipartTest, CompletingRacesAborting) {
  int completed = 0, aborted = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    World world({.max_buckets = 10, .min_part_bytes = 8}, seed);
    const UploadId upload = world.create_upload("k");
    auto part = world.upload_part("k", upload, 1, "the only part");
    struct Run {
      static io::Task<void> complete(World& v, CompleteRequest request,
                                     std::optional<Result<PutResult>>& out) {
        out.emplace(co_await v.objects->complete_upload(std::move(request)));
      }
      static io::Task<void> abort(World& v, UploadId id, std::uint64_t turns,
                                  std::optional<Result<void>>& out) {
        for (std::uint64_t i = 0; i < turns; ++i) co_await io::sleep_for(io::Duration{1000});
        out.emplace(co_await v.objects->abort_upload(v.bucket, object_key("k"), id));
      }
    };
    std::optional<Result<PutResult>> done;
    std::optional<Result<void>> gone;
    io::spawn(world.executor, Run::complete(world, world.completion("k", upload, {*part}), done));
    io::spawn(world.executor, Run::abort(world, upload, seed % 5, gone));
    world.executor.run_until_idle();
    EXPECT_NE(done->has_value(), gone->has_value()) << seed;
    EXPECT_EQ(world.text("k"), *done ? "the only part" : "!no_such_key");
    EXPECT_EQ(world.store.units(model::UnitKind::part), 0u);
    EXPECT_EQ(world.store.datas(), *done ? 1u : 0u);
    ++(*done ? completed : aborted);
  }
  EXPECT_GT(completed, 0);
  EXPECT_GT(aborted, 0);
}

TEST_F(MultipartTest, TwoCompletionsAtOnceAreOneObject) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    World world({.max_buckets = 10, .min_part_bytes = 8}, seed);
    world.set_versioning(Versioning::enabled);
    const UploadId upload = world.create_upload("k");
    auto part = world.upload_part("k", upload, 1, "the only part");
    struct Run {
      static io::Task<void> complete(World& v, CompleteRequest request,
                                     std::vector<VersionId>& out) {
        auto done = co_await v.objects->complete_upload(std::move(request));
        EXPECT_TRUE(done);
        if (done) out.push_back(done->version);
      }
    };
    std::vector<VersionId> versions;
    for (int i = 0; i < 3; ++i) {
      io::spawn(world.executor,
                Run::complete(world, world.completion("k", upload, {*part}), versions));
    }
    world.executor.run_until_idle();
    ASSERT_EQ(versions.size(), 3u);
    EXPECT_EQ(versions[0], versions[1]);
    EXPECT_EQ(versions[0], versions[2]);
    EXPECT_EQ(world.run(world.objects->list_versions({world.bucket}))->versions.size(), 1u);
  }
}

TEST_F(MultipartTest, ListParts) {
  const UploadId upload = w.create_upload("k");
  upload_all(upload);
  ListPartsRequest request{w.bucket, object_key("k"), upload};
  request.max_parts = 2;
  auto page = w.run(w.objects->list_parts(request));
  ASSERT_TRUE(page);
  ASSERT_EQ(page->parts.size(), 2u);
  EXPECT_TRUE(page->truncated);
  EXPECT_EQ(page->parts[0].number, 1u);
  EXPECT_EQ(page->parts[0].size, std::string(kOne).size());
  EXPECT_EQ(page->parts[0].checksum->algorithm, crypto::Checksum::crc64nvme);
  request.after = page->parts[1].number;
  page = w.run(w.objects->list_parts(request));
  ASSERT_EQ(page->parts.size(), 1u);
  EXPECT_EQ(page->parts[0].number, 5u);
  EXPECT_FALSE(page->truncated);
  EXPECT_EQ(page->upload.upload, upload);
  EXPECT_EQ(page->upload.storage_class, "STANDARD");
  request.max_parts = 0;
  EXPECT_TRUE(w.run(w.objects->list_parts(request))->parts.empty());
}

TEST_F(MultipartTest, ManyPartsUpToTheLastNumber) {
  World many({.max_buckets = 10, .min_part_bytes = 1});
  const UploadId upload = many.create_upload("k");
  std::vector<PartInfo> parts;
  std::string text;
  for (std::uint32_t n = 1; n <= 1500; ++n) {
    const std::uint32_t number = n * 6;  // up to 9000
    text += std::to_string(n) + ";";
    parts.push_back(*many.upload_part("k", upload, number, std::to_string(n) + ";"));
  }
  parts.push_back(*many.upload_part("k", upload, 10000, "last"));
  EXPECT_EQ(many.upload_part("k", upload, 10001, "x").code(), Code::invalid_argument);
  auto done = many.run(many.objects->complete_upload(many.completion("k", upload, parts)));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(many.text("k"), text + "last");
  many.executor.run_until_idle();
  EXPECT_EQ(many.store.units(model::UnitKind::part), 0u);
}

TEST_F(MultipartTest, StoppingLeavesPartsToTheSweep) {
  const UploadId upload = w.create_upload("k");
  std::vector<PartInfo> parts;
  for (std::uint32_t n = 1; n <= 100; ++n)
    parts.push_back(*w.upload_part("k", upload, n, "more than enough"));
  ASSERT_TRUE(w.run(w.objects->complete_upload(w.completion("k", upload, parts))));
  w.open();  // stops the one before
  EXPECT_GT(w.store.units(model::UnitKind::part), 50u);
  std::string cursor;
  do {
    auto step = w.run(w.objects->sweep(cursor));
    ASSERT_TRUE(step);
    cursor = step->next;
  } while (!cursor.empty());
  EXPECT_EQ(w.store.units(model::UnitKind::part), 0u);
  EXPECT_EQ(w.text("k").size(), 1600u);
}

// What a crash in the middle of completing leaves.
TEST_F(MultipartTest, PartsWithoutUploadAreSwept) {
  const UploadId upload = w.create_upload("k");
  upload_all(upload);
  const UploadId stands = w.create_upload("k");
  ASSERT_TRUE(w.upload_part("k", stands, 1, "kept"));
  const auto id = w.objects->bucket(w.bucket)->id;
  ASSERT_TRUE(
      w.run(w.store.commit({model::UnitKey::upload(id, "k", upload), {}, store::RemoveUnit{}})));
  w.store.max_page_units = 2;
  std::string cursor;
  std::size_t removed = 0;
  do {
    auto step = w.run(w.objects->sweep(cursor));
    ASSERT_TRUE(step);
    removed += step->removed;
    cursor = step->next;
  } while (!cursor.empty());
  EXPECT_EQ(removed, 3u);
  EXPECT_EQ(w.store.units(model::UnitKind::part), 1u);
  EXPECT_EQ(w.store.units(model::UnitKind::upload), 1u);
}

}  // namespace
}  // namespace cairn::object
