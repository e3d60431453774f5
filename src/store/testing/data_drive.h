// A drive in memory for tests of the data path: blobs and inline shards only, with faults to switch
// on.
#pragma once

#include <map>
#include <set>
#include <string>

#include "drive/drive.h"
#include "io/executor.h"

namespace cairn::store::testing {

struct DataFaults {
  bool out_of_service = false;
  bool full = false;                                  // appends fail with no_space
  std::optional<std::uint64_t> append_fails_after{};  // bytes of a blob
  bool finish_fails = false;
  io::Duration write_delay{};  // of each append, and of finish
  io::Duration read_delay{};   // of each open and read
};

class DataDrive : public drive::Drive {
 public:
  explicit DataDrive(std::uint8_t number) { id_.bytes[0] = number; }

  DataFaults faults{};
  std::map<drive::BlobName, std::string> blobs{};                // finished ones
  std::map<drive::BlobName, std::vector<std::uint64_t>> sums{};  // of their blocks, as they came
  std::map<model::ValueId, std::string> inlined{};
  std::set<std::pair<drive::BlobName, std::uint64_t>> bad_blocks{};  // fail their checksum
  std::set<model::ValueId> bad_inline{};
  std::uint64_t bytes_read = 0, blobs_opened = 0, writers_open = 0, quarantined = 0;

  model::DriveId id() const override { return id_; }
  bool failed() const override { return faults.out_of_service; }

  io::Task<Result<std::unique_ptr<drive::BlobWriter>>> create_blob(drive::BlobName name) override {
    if (failed()) co_return gone();
    co_return std::make_unique<Writer>(*this, name);
  }
  io::Task<Result<std::unique_ptr<drive::ShardReader>>> open_blob(drive::BlobName name) override {
    co_await io::sleep_for(faults.read_delay);
    if (failed()) co_return gone();
    const auto it = blobs.find(name);
    if (it == blobs.end()) co_return Error{Code::not_found, "no such blob"};
    ++blobs_opened;
    co_return std::make_unique<Reader>(*this, name, it->second);
  }
  io::Task<Result<void>> discard_blob(drive::BlobName name) override {
    blobs.erase(name);
    co_return Result<void>{};
  }
  io::Task<Result<void>> quarantine(drive::BlobName name, bool is_inline) override {
    ++quarantined;
    if (is_inline) {
      inlined.erase(name.data_id);
      bad_inline.erase(name.data_id);
    } else {
      blobs.erase(name);
      std::erase_if(bad_blocks, [&](const auto& b) { return b.first == name; });
    }
    co_return Result<void>{};
  }
  io::Task<Result<io::Slice>> read_inline(model::ValueId data_id) override {
    co_await io::sleep_for(faults.read_delay);
    if (failed()) co_return gone();
    const auto it = inlined.find(data_id);
    if (it == inlined.end()) co_return Error{Code::not_found, "no such shard"};
    if (bad_inline.contains(data_id)) co_return Error{Code::corrupt, "checksum"};
    co_return io::Slice::of(it->second);
  }
  io::Task<Result<std::unique_ptr<drive::ShardReader>>> open_inline(
      model::ValueId data_id) override {
    co_await io::sleep_for(faults.read_delay);
    if (failed()) co_return gone();
    const auto it = inlined.find(data_id);
    if (it == inlined.end()) co_return Error{Code::not_found, "no such shard"};
    if (bad_inline.contains(data_id)) co_return Error{Code::corrupt, "checksum"};
    ++blobs_opened;
    co_return std::make_unique<Reader>(*this, drive::BlobName{data_id, 0}, it->second);
  }

  // Not of the data path.
  io::Task<Result<drive::SyncedBatches>> synced() override { co_return drive::SyncedBatches{}; }
  io::Task<Result<drive::PromiseReply>> promise(drive::PromiseRequest) override {
    co_return none();
  }
  io::Task<Result<drive::PartitionState>> partition_state(model::PartitionId) override {
    co_return none();
  }
  io::Task<Result<drive::Refusal>> mark_rebuilt(drive::Fence) override { co_return none(); }
  io::Task<Result<drive::MutateReply>> mutate(drive::MutateRequest) override { co_return none(); }
  io::Task<Result<drive::MutateReply>> install(drive::InstallRequest) override { co_return none(); }
  io::Task<Result<SettleReplies>> settle_all(std::vector<drive::SettleRequest>) override {
    co_return none();
  }
  io::Task<Result<drive::Refusal>> forget(drive::Fence, model::UnitKey, model::Stamp) override {
    co_return none();
  }
  io::Task<Result<drive::ReadReply>> read(drive::ReadRequest) override { co_return none(); }
  io::Task<Result<drive::ScanReply>> scan(drive::ScanRequest) override { co_return none(); }
  io::Task<Result<std::pair<drive::Refusal, drive::UnitState>>> inspect(drive::Fence,
                                                                        model::UnitKey,
                                                                        bool) override {
    co_return none();
  }
  io::Task<Result<std::vector<model::UnitKey>>> pending_units(std::string, std::size_t) override {
    co_return none();
  }
  io::Task<Result<void>> repair_add(std::vector<model::UnitKey>) override { co_return none(); }
  io::Task<Result<std::vector<model::UnitKey>>> repair_list(std::string, std::size_t) override {
    co_return none();
  }
  io::Task<Result<void>> repair_remove(std::vector<model::UnitKey>) override { co_return none(); }
  io::Task<Result<Stats>> stats() override { co_return none(); }

 private:
  static Error gone() { return {Code::drive_failed, "out of service"}; }
  static Error none() { return {Code::not_implemented, "not of the data path"}; }

  class Writer : public drive::BlobWriter {
   public:
    Writer(DataDrive& drive, drive::BlobName name) : drive_(drive), name_(name) {
      ++drive_.writers_open;
    }
    ~Writer() override { --drive_.writers_open; }
    io::Task<Result<void>> append(drive::ShardBytes data) override {
      co_await io::sleep_for(drive_.faults.write_delay);
      if (drive_.failed()) co_return gone();
      if (drive_.faults.full) co_return Error{Code::no_space, "full"};
      for (const io::Bytes b : data.pieces) content_ += io::as_text(b);
      sums_.insert(sums_.end(), data.sums.begin(), data.sums.end());
      if (drive_.faults.append_fails_after && content_.size() > *drive_.faults.append_fails_after)
        co_return Error{Code::io_error, "write failed"};
      co_return Result<void>{};
    }
    io::Task<Result<void>> finish() override {
      co_await io::sleep_for(drive_.faults.write_delay);
      if (drive_.failed() || drive_.faults.finish_fails)
        co_return Error{Code::io_error, "sync failed"};
      drive_.blobs[name_] = content_;
      drive_.sums[name_] = sums_;
      co_return Result<void>{};
    }

   private:
    DataDrive& drive_;
    drive::BlobName name_;
    std::string content_{};
    std::vector<std::uint64_t> sums_{};
  };

  class Reader : public drive::ShardReader {
   public:
    Reader(DataDrive& drive, drive::BlobName name, std::string content)
        : drive_(drive), name_(name), content_(std::move(content)) {}
    std::uint64_t size() const override { return content_.size(); }
    io::Task<Result<io::Bytes>> read(std::uint64_t offset, std::size_t length,
                                     io::MutableBytes into) override {
      co_await io::sleep_for(drive_.faults.read_delay);
      if (drive_.failed()) co_return gone();
      CAIRN_ASSERT(length > 0 && offset + length <= content_.size());
      CAIRN_ASSERT(into.size() >= drive::shard_read_room(offset, length));
      const std::uint64_t first = offset / drive::kShardBlockBytes;
      const std::uint64_t last = (offset + length - 1) / drive::kShardBlockBytes;
      for (std::uint64_t b = first; b <= last; ++b)
        if (drive_.bad_blocks.contains({name_, b})) co_return Error{Code::corrupt, "checksum"};
      const std::size_t head = static_cast<std::size_t>(offset - first * drive::kShardBlockBytes);
      std::memcpy(into.data() + head, content_.data() + offset, length);
      drive_.bytes_read += length;
      co_return io::Bytes(into.subspan(head, length));
    }

   private:
    DataDrive& drive_;
    drive::BlobName name_;
    std::string content_;  // stays readable when the name goes
  };

  model::DriveId id_{};
};

}  // namespace cairn::store::testing
