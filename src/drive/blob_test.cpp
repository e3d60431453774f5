// Blob files: what is written is read, and nothing damaged is ever handed out.
#include "drive/blob_file.h"
#include "drive/open_blobs.h"
#include "drive/testing/drive_fixture.h"
#include "io/testing/faulty.h"

namespace cairn::drive {
namespace {

using testing::make_row;
using testing::unit_of;
using testing::value_of;
using Kind = model::Record::DataKind;

class BlobTest : public testing::DriveFixture {
 protected:
  const BlobName name{value_of(1), 2};

  std::string file() {
    auto text = executor.run(files.read_file(blob_path(name)));
    EXPECT_TRUE(text);
    return text ? *text : std::string{};
  }
  std::string blob_path(BlobName n) const {
    return path + "/blobs/" + n.data_id.hex().substr(30) + "/" + blob_file_name(n);
  }
  bool exists(BlobName n) { return executor.run(files.read_file(blob_path(n))).has_value(); }
  void replace(const std::string& content) {
    must(executor.run(files.replace_file(blob_path(name), content)));
  }
  std::size_t temporaries() { return executor.run(files.list(path + "/tmp"))->size(); }

  Row blob_row(Stamp s, BlobName blob, Stamp order = {}) {
    return make_row(order.is_zero() ? s : order, s, {.kind = Kind::blob, .data_id = blob.data_id});
  }
  Result<MutateReply> send(std::shared_ptr<const Mutation> m, std::uint8_t shard) {
    return executor.run(drive->mutate({fence(), shard, std::move(m), {}}));
  }
};

TEST_F(BlobTest, WritesAndReadsEverySize) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{4095}, kShardBlockBytes - 1, kShardBlockBytes,
        kShardBlockBytes + 1, 3 * kShardBlockBytes + 17}) {
    const BlobName n{value_of(100 + size), 1};
    must(write_blob(n, size));
    auto bytes = read_blob(n);
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(*bytes, blob_bytes(n, size));
  }
  EXPECT_EQ(temporaries(), 0u);
}

TEST_F(BlobTest, PiecesOfAnySizeMakeTheSameFile) {
  const std::string bytes = blob_bytes(name, 200'000);
  must(write_blob(name, bytes.size()));
  const std::string whole = file();
  for (const std::size_t step : {std::size_t{1000}, std::size_t{65'537}, kShardBlockBytes}) {
    auto writer = executor.run(drive->create_blob(name));
    ASSERT_TRUE(writer);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      const auto piece = std::string_view(bytes).substr(at, step);
      const auto half = piece.size() / 2;
      must(executor.run((*writer)->append(
          {{io::as_bytes(piece.substr(0, half)), io::as_bytes(piece.substr(half))}, {}})));
    }
    must(executor.run((*writer)->finish()));
    EXPECT_EQ(file(), whole);
  }
}

TEST_F(BlobTest, ReadsAnyRange) {
  const std::size_t size = 3 * kShardBlockBytes + 500;
  must(write_blob(name, size));
  const std::string bytes = blob_bytes(name, size);
  auto reader = executor.run(drive->open_blob(name));
  ASSERT_TRUE(reader);
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{65'535}, std::uint64_t{65'536},
        std::uint64_t{196'000}, std::uint64_t{size - 1}, std::uint64_t{size}}) {
    for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{70'000}, size}) {
      if (offset + length > size) continue;
      std::vector<std::byte> room(shard_read_room(offset, length));
      auto read = executor.run((*reader)->read(offset, length, room));
      ASSERT_TRUE(read) << offset << " " << length;
      EXPECT_EQ(io::as_text(*read), bytes.substr(offset, length));
    }
  }
  std::vector<std::byte> room(kShardBlockBytes);
  EXPECT_FALSE(executor.run((*reader)->read(size, 1, room)));
  EXPECT_FALSE(executor.run((*reader)->read(0, 70'000, room)));
}

TEST_F(BlobTest, AnUnfinishedBlobHasNoName) {
  auto writer = executor.run(drive->create_blob(name));
  ASSERT_TRUE(writer);
  const std::string bytes = blob_bytes(name, 100'000);
  must(executor.run((*writer)->append({{io::as_bytes(bytes)}, {}})));
  auto open = executor.run(drive->open_blob(name));
  ASSERT_FALSE(open);
  EXPECT_EQ(open.code(), Code::not_found);
  writer->reset();
  executor.run_until_idle();
  EXPECT_EQ(temporaries(), 0u);
}

TEST_F(BlobTest, ATornFileIsNeverABlob) {
  must(write_blob(name, 150'000));
  const std::string whole = file();
  for (std::size_t cut = 0; cut < whole.size(); cut += (cut + 500 > whole.size() ? 1 : 997)) {
    replace(whole.substr(0, cut));
    auto bytes = read_blob(name);
    ASSERT_FALSE(bytes) << cut;
    EXPECT_EQ(bytes.code(), Code::corrupt);
  }
  replace(whole + "x");
  EXPECT_FALSE(read_blob(name));
}

TEST_F(BlobTest, AFlippedBitInAnyBlockIsNoticed) {
  const std::size_t size = 4 * kShardBlockBytes + 100;
  must(write_blob(name, size));
  const std::string whole = file();
  // Within the data, the table and the trailer. The header's padding is no data.
  for (std::size_t at = kBlobDataOffset; at < whole.size();
       at += at < whole.size() - 120 ? 7001 : 1) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    replace(damaged);
    auto bytes = read_blob(name);
    ASSERT_FALSE(bytes) << at;
    EXPECT_EQ(bytes.code(), Code::corrupt);
  }
}

TEST_F(BlobTest, OnlyTheDamagedBlockIsLost) {
  must(write_blob(name, 3 * kShardBlockBytes));
  std::string damaged = file();
  damaged[kBlobDataOffset + kShardBlockBytes + 5] ^= 1;
  replace(damaged);
  auto reader = executor.run(drive->open_blob(name));
  ASSERT_TRUE(reader);
  std::vector<std::byte> room(kShardBlockBytes);
  EXPECT_TRUE(executor.run((*reader)->read(0, kShardBlockBytes, room)));
  EXPECT_FALSE(executor.run((*reader)->read(kShardBlockBytes, 10, room)));
  EXPECT_TRUE(executor.run((*reader)->read(2 * kShardBlockBytes, kShardBlockBytes, room)));
}

TEST_F(BlobTest, BlocksAndBlobsThatChangedPlacesAreNoticed) {
  must(write_blob(name, 2 * kShardBlockBytes));
  std::string swapped = file();
  const auto first = swapped.substr(kBlobDataOffset, kShardBlockBytes);
  swapped.replace(kBlobDataOffset, kShardBlockBytes,
                  swapped.substr(kBlobDataOffset + kShardBlockBytes, kShardBlockBytes));
  swapped.replace(kBlobDataOffset + kShardBlockBytes, kShardBlockBytes, first);
  replace(swapped);
  EXPECT_FALSE(read_blob(name));
  const BlobName other{value_of(2), 2};
  must(write_blob(other, 2 * kShardBlockBytes));
  replace(*executor.run(files.read_file(blob_path(other))));
  EXPECT_FALSE(read_blob(name));
}

TEST_F(BlobTest, AFinishedBlobSurvivesAPowerCutAndTheSweepTakesItUnnamed) {
  must(write_blob(name, 100'000));
  drive.reset();
  files.power_cut_losing_all();
  disk.crash_losing_all();
  executor.run_until_idle();
  EXPECT_TRUE(exists(name));
  mount();
  executor.run_until_idle();
  EXPECT_FALSE(exists(name));
}

TEST_F(BlobTest, ANamedBlobSurvivesTheSweepAndGoesWithItsLastName) {
  must(write_blob(name, 100'000));
  const Stamp s1 = next(), s2 = next();
  auto reply = send(whole(a, s1, {blob_row(s1, name)}), name.shard);
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->held());
  crash_losing_all();
  executor.run_until_idle();
  ASSERT_TRUE(exists(name));
  EXPECT_EQ(*read_blob(name), blob_bytes(name, 100'000));
  // Overwritten: it goes when the settle is synced, not before.
  promise(2);
  settle(a, s1);
  accept(whole(a, {2, s2.sequence}, {}));
  EXPECT_TRUE(exists(name));
  settle(a, {2, s2.sequence});
  EXPECT_TRUE(exists(name));
  executor.run_until_idle();
  EXPECT_FALSE(exists(name));
  EXPECT_TRUE(keys(Family::refs).empty());
}

TEST_F(BlobTest, AReaderKeepsAnUnlinkedBlob) {
  must(write_blob(name, 100'000));
  const Stamp s1 = next(), s2 = next();
  ASSERT_TRUE(send(whole(a, s1, {blob_row(s1, name)}), name.shard));
  settle(a, s1);
  auto reader = executor.run(drive->open_blob(name));
  ASSERT_TRUE(reader);
  accept(whole(a, s2, {}));
  settle(a, s2);
  executor.run_until_idle();
  EXPECT_FALSE(exists(name));
  std::vector<std::byte> room(shard_read_room(0, 100'000));
  auto bytes = executor.run((*reader)->read(0, 100'000, room));
  ASSERT_TRUE(bytes);
  EXPECT_EQ(io::as_text(*bytes), blob_bytes(name, 100'000));
}

TEST_F(BlobTest, AnOpenBlobIsKeptUntilItsFileGoes) {
  must(write_blob(name, 100'000));
  ASSERT_TRUE(read_blob(name));
  ASSERT_TRUE(read_blob(name));
  // Somebody takes the file away: it is missing, not served from what is open.
  must(executor.run(files.remove(blob_path(name))));
  EXPECT_EQ(read_blob(name).code(), Code::not_found);
  // Nor is what was replaced or discarded.
  must(write_blob(name, 50'000));
  ASSERT_TRUE(read_blob(name));
  must(write_blob(name, 70'000));
  EXPECT_EQ(executor.run(drive->open_blob(name)).value()->size(), 70'000u);
  must(executor.run(drive->discard_blob(name)));
  executor.run_until_idle();
  EXPECT_EQ(read_blob(name).code(), Code::not_found);
}

TEST(OpenBlobsTest, KeepsWhatWasUsedLastAndNotForLong) {
  io::testing::SimExecutor executor(1);
  io::testing::PowerCutFileSystem files;
  const auto open = [&](BlobName n) {
    const std::string path = "/" + blob_file_name(n);
    if (!executor.run(files.read_file(path))) {
      auto writer = executor.run(BlobFileWriter::create(files, n, path + ".t", path, "/"));
      EXPECT_TRUE(executor.run((*writer)->finish()));
    }
    return std::shared_ptr<const BlobFileReader>(
        std::move(*executor.run(BlobFileReader::open(files, path, n))));
  };
  const BlobName a{value_of(1), 0}, b{value_of(2), 0}, c{value_of(3), 0};
  OpenBlobs kept({.files = 2, .bytes = 1 << 20, .age = std::chrono::seconds(10)});
  const io::Instant start{};
  kept.keep(a, open(a), start);
  kept.keep(b, open(b), start);
  EXPECT_TRUE(kept.find(a, start));
  kept.keep(c, open(c), start);
  EXPECT_FALSE(kept.find(b, start));
  EXPECT_TRUE(kept.find(a, start + std::chrono::seconds(9)));
  EXPECT_FALSE(kept.find(a, start + std::chrono::seconds(10)));
  EXPECT_EQ(kept.files(), 1u);
  OpenBlobs narrow({.files = 2, .bytes = 1, .age = std::chrono::seconds(10)});
  narrow.keep(a, open(a), start);
  EXPECT_EQ(narrow.files(), 0u);
}

TEST_F(BlobTest, ARowWithoutItsBlobIsHeldIncomplete) {
  const Stamp s1 = next();
  auto reply = send(whole(a, s1, {blob_row(s1, name)}), name.shard);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->refusal, Refusal::none);
  ASSERT_EQ(reply->missing.size(), 1u);
  EXPECT_EQ(reply->missing[0].data_id, name.data_id);
  EXPECT_FALSE(reply->held());
  UnitState state = inspect(a);
  ASSERT_EQ(state.pendings.size(), 1u);
  EXPECT_EQ(state.pendings[0].missing.size(), 1u);
  // Settled all the same: then the settled state lacks it, also after a crash.
  settle(a, s1);
  crash();
  promise(2);
  settle(a, s1);
  state = inspect(a);
  EXPECT_EQ(state.missing.size(), 1u);
  // A repair writes it.
  must(write_blob(name, 1000));
  EXPECT_TRUE(inspect(a).missing.empty());
  crash_losing_all();
  EXPECT_TRUE(read_blob(name));
}

TEST_F(BlobTest, ARepetitionFindsTheBlobThatCameMeanwhile) {
  const Stamp s1 = next();
  const auto m = whole(a, s1, {blob_row(s1, name)});
  EXPECT_FALSE(send(m, name.shard)->held());
  EXPECT_FALSE(send(m, name.shard)->held());
  must(write_blob(name, 1000));
  EXPECT_TRUE(send(m, name.shard)->held());
}

TEST_F(BlobTest, ADamagedOrForeignFileUnderTheNameIsNoShard) {
  replace("garbage");
  const Stamp s1 = next();
  EXPECT_FALSE(send(whole(a, s1, {blob_row(s1, name)}), name.shard)->held());
}

// protocol.md 9.2: a completed upload names its parts' blobs, and the parts may go.
TEST_F(BlobTest, CompletingAnUploadKeepsTheBlobsOfItsParts) {
  model::UploadId upload;
  std::vector<model::DataPart> parts;
  std::vector<model::UnitKey> units;
  std::vector<Stamp> stamps;
  for (std::uint16_t i = 1; i <= 3; ++i) {
    const BlobName blob{value_of(10u + i), 0};
    must(write_blob(blob, 1000));
    units.push_back(model::UnitKey::part(model::BucketId{7}, "big", upload, i));
    const Stamp s = next();
    stamps.push_back(s);
    auto reply = send(whole(units.back(), s, {blob_row(s, blob)}), 0);
    ASSERT_TRUE(reply->held());
    settle(units.back(), s);
    model::DataPart part;
    part.data_id = blob.data_id;
    part.size = 1000;
    part.part_number = i;
    part.layout.profile = {1, 0};
    part.layout.chunk_bytes = 4096;
    parts.push_back(part);
  }
  crash();  // so that nothing but the index knows the blobs
  promise(2);
  const Stamp s = next();
  Row row = make_row(s, s, {.kind = Kind::parts, .data_id = value_of(50)});
  row.parts = model::encode_parts(parts);
  const model::UnitKey big = unit_of("big");
  auto completed = send(whole(big, s, {row}), 0);
  ASSERT_TRUE(completed);
  EXPECT_TRUE(completed->held());
  settle(big, s);
  for (std::size_t i = 0; i < units.size(); ++i) {
    settle(units[i], stamps[i]);
    const Stamp gone = next();
    accept(whole(units[i], gone, {}));
    settle(units[i], gone);
  }
  executor.run_until_idle();
  for (const auto& part : parts) EXPECT_TRUE(exists({part.data_id, 0}));
  EXPECT_EQ(inspect(big).rows.at(0).parts, row.parts);
  const Stamp end = next();
  accept(whole(big, end, {}));
  settle(big, end);
  executor.run_until_idle();
  for (const auto& part : parts) EXPECT_FALSE(exists({part.data_id, 0}));
  EXPECT_TRUE(keys(Family::parts).empty());
  EXPECT_TRUE(keys(Family::refs).empty());
}

TEST_F(BlobTest, ACompletionThatLacksAPartIsIncomplete) {
  std::vector<model::DataPart> parts(2);
  for (std::size_t i = 0; i < 2; ++i) {
    parts[i].data_id = value_of(10 + i);
    parts[i].size = 1000;
    parts[i].part_number = static_cast<std::uint32_t>(i + 1);
    parts[i].layout.profile = {1, 0};
    parts[i].layout.chunk_bytes = 4096;
  }
  must(write_blob({parts[0].data_id, 0}, 1000));
  const Stamp s = next();
  Row row = make_row(s, s, {.kind = Kind::parts, .data_id = value_of(50)});
  row.parts = model::encode_parts(parts);
  auto reply = send(whole(a, s, {row}), 0);
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->missing.size(), 1u);
  EXPECT_EQ(reply->missing[0].data_id, parts[1].data_id);
}

TEST_F(BlobTest, DiscardingTakesOnlyWhatNothingNames) {
  const BlobName other{value_of(2), 2};
  must(write_blob(name, 1000));
  must(write_blob(other, 1000));
  const Stamp s1 = next();
  ASSERT_TRUE(send(whole(a, s1, {blob_row(s1, name)}), name.shard));
  must(executor.run(drive->discard_blob(name)));
  must(executor.run(drive->discard_blob(other)));
  executor.run_until_idle();
  EXPECT_TRUE(exists(name));
  EXPECT_FALSE(exists(other));
}

TEST_F(BlobTest, QuarantineMovesADamagedBlobAsideAndMarksItMissing) {
  must(write_blob(name, 1000));
  const Stamp s1 = next();
  ASSERT_TRUE(send(whole(a, s1, {blob_row(s1, name)}), name.shard));
  settle(a, s1);
  must(executor.run(drive->quarantine(name, false)));
  EXPECT_FALSE(exists(name));
  EXPECT_EQ(executor.run(files.list(path + "/quarantine"))->size(), 1u);
  EXPECT_EQ(inspect(a).missing.size(), 1u);
  must(write_blob(name, 1000));
  EXPECT_TRUE(inspect(a).missing.empty());
}

TEST_F(BlobTest, ARepairReplacesADamagedBlobInPlace) {
  must(write_blob(name, 1000));
  const Stamp s1 = next();
  ASSERT_TRUE(send(whole(a, s1, {blob_row(s1, name)}), name.shard));
  std::string damaged = file();
  damaged[kBlobDataOffset] ^= 1;
  replace(damaged);
  EXPECT_FALSE(read_blob(name));
  must(write_blob(name, 1000));
  EXPECT_EQ(*read_blob(name), blob_bytes(name, 1000));
}

// The sender's sums, where it has them, are what is kept: damage on the way here is noticed.
TEST_F(BlobTest, SumsOfTheSenderMakeTheSameFile) {
  const std::string bytes = blob_bytes(name, 200'000);
  const auto write = [&](std::uint64_t error) {
    auto writer = executor.run(drive->create_blob(name));
    ASSERT_TRUE(writer);
    std::uint64_t block = 0;
    for (const auto& [at, end] : {std::pair{0u, 131'072u}, std::pair{131'072u, 200'000u}}) {
      ShardBytes data;
      for (std::size_t i = at; i < end; i += kShardBlockBytes) {
        const std::size_t length = std::min<std::size_t>(end - i, kShardBlockBytes);
        data.pieces.push_back(io::as_bytes(std::string_view(bytes).substr(i, length)));
        data.sums.push_back(block_sum(name, block++, data.pieces.back()) + error);
      }
      must(executor.run((*writer)->append(std::move(data))));
    }
    must(executor.run((*writer)->finish()));
  };
  must(write_blob(name, bytes.size()));
  const std::string expected = file();
  write(0);
  EXPECT_EQ(file(), expected);
  EXPECT_EQ(*read_blob(name), bytes);
  write(1);
  EXPECT_EQ(read_blob(name).code(), Code::corrupt);
}

}  // namespace
}  // namespace cairn::drive
