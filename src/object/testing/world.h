// An object layer over a store and a control store in memory, in virtual time: what the tests of
// this module stand on.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "control/memory.h"
#include "io/memory.h"
#include "io/testing/sim_executor.h"
#include "object/make.h"
#include "object/testing/fake_store.h"

namespace cairn::object::testing {

// A body in small pieces, that may end with an error.
class TextBody final : public io::ByteSource {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  std::optional<Error> at_end{};
  io::Task<Result<std::size_t>> read(io::MutableBytes into) override {
    co_await io::sleep_for(io::Duration{1});
    const std::size_t n = std::min({into.size(), text_.size() - at_, std::size_t{3}});
    if (n == 0 && at_end) co_return *at_end;
    std::memcpy(into.data(), text_.data() + at_, n);
    at_ += n;
    co_return n;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

inline BucketName bucket_name(std::string_view text) {
  return *BucketName::parse(text);
}
inline ObjectKey object_key(std::string_view text) {
  return *ObjectKey::parse(text);
}

struct World {
  explicit World(Options options = {.max_buckets = 100, .min_part_bytes = 8},
                 std::uint64_t seed = 1)
      : executor(seed), store(clock), options_(options) {
    open();
    EXPECT_TRUE(run(objects->create_bucket(bucket, "us-east-1", {})));
  }
  // The same stores under a new process.
  void open() {
    close();
    auto opened = executor.run(open_objects(store, control, clock, *random, *memory, options_));
    EXPECT_TRUE(opened) << opened.error().message;
    objects = std::move(*opened);
  }
  void close() {
    if (!objects) return;
    executor.run(stop(*objects));
    objects.reset();
  }
  ~World() { close(); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  static io::Task<bool> stop(Objects& o) {
    co_await o.stop();
    co_return true;
  }
  template <class T>
  T run(io::Task<T> task) {
    return executor.run(std::move(task));
  }

  Result<PutResult> put(std::string_view key, std::string text, WriteConditions conditions = {}) {
    TextBody body(text);
    PutRequest request{bucket, object_key(key)};
    request.body = &body;
    request.size = text.size();
    request.conditions = std::move(conditions);
    return run(objects->put(std::move(request)));
  }
  Result<GetResult> get(std::string_view key, std::optional<VersionId> version = {}) {
    GetRequest request{bucket, object_key(key)};
    request.version = version;
    return run(objects->get(std::move(request)));
  }
  std::string read(GetResult& result) {
    std::string out;
    while (result.body) {
      auto pieces = run(result.body->next());
      EXPECT_TRUE(pieces);
      if (!pieces || pieces->empty()) break;
      for (const io::Slice& piece : *pieces) out += io::as_text(piece.bytes);
    }
    EXPECT_EQ(out.size(), result.body ? result.length : 0);
    return out;
  }
  // The text of a version; "!" and the error's name where it cannot be read.
  std::string text(std::string_view key, std::optional<VersionId> version = {}) {
    auto result = get(key, version);
    if (!result) return "!" + std::string(name_of(result.code()));
    return read(*result);
  }
  Result<DeleteResult> remove(std::string_view key, std::optional<VersionId> version = {},
                              WriteConditions conditions = {}) {
    return run(objects->remove({bucket, object_key(key), version, std::move(conditions)}));
  }
  void set_versioning(Versioning versioning) {
    ASSERT_TRUE(run(objects->set_versioning(bucket, versioning)));
  }

  UploadId create_upload(std::string_view key, std::optional<crypto::Checksum> algorithm = {},
                         ChecksumType type = ChecksumType::composite) {
    CreateUploadRequest request{bucket, object_key(key)};
    request.meta.upload_algorithm = algorithm;
    request.meta.upload_type = type;
    auto upload = run(objects->create_upload(std::move(request)));
    EXPECT_TRUE(upload) << upload.error().message;
    return upload->upload;
  }
  Result<PartInfo> upload_part(std::string_view key, UploadId upload, std::uint32_t number,
                               std::string text, std::optional<crypto::Checksum> stated = {}) {
    TextBody body(text);
    PartRequest request{bucket, object_key(key), upload, number};
    request.body = &body;
    if (stated) {
      const auto hasher = crypto::make_checksum(*stated);
      hasher->update(io::as_bytes(text));
      request.checksum = ExpectedChecksum{*stated, hasher->finish(), {}};
    }
    request.size = text.size();
    return run(objects->upload_part(std::move(request)));
  }
  CompleteRequest completion(std::string_view key, UploadId upload,
                             const std::vector<PartInfo>& parts) {
    CompleteRequest request{bucket, object_key(key), upload};
    for (const PartInfo& part : parts) request.parts.push_back({part.number, part.etag});
    return request;
  }

  io::testing::SimExecutor executor;
  io::testing::SimClock clock{executor, 1'700'000'000'000};
  std::unique_ptr<io::Random> random = io::seeded_random(7);
  std::unique_ptr<io::MemoryBudget> memory =
      io::make_memory_budget(1 << 20, std::chrono::seconds(1));
  FakeStore store;
  control::MemoryStore control;
  BucketName bucket = bucket_name("bucket");
  Options options_;
  std::unique_ptr<Objects> objects;
};

}  // namespace cairn::object::testing
