#include "app/slow_drive.h"

#include <utility>

namespace cairn::app {
namespace {

constexpr unsigned kOftenness = 20;

struct Lateness {
  io::Duration most;
  io::Random* random;

  io::Task<void> pass() const {
    const std::uint64_t chance = random->next_u64();
    const auto usual = static_cast<std::uint64_t>((most / kOftenness).count());
    const bool whole = chance % kOftenness == 0;
    return io::sleep_for(whole ? most : io::Duration(chance / kOftenness % (usual + 1)));
  }
};

// Streams of a blob are late too.
class LateWriter final : public drive::BlobWriter {
 public:
  LateWriter(std::unique_ptr<drive::BlobWriter> inner, Lateness lateness)
      : inner_(std::move(inner)), lateness_(lateness) {}
  io::Task<Result<void>> append(drive::ShardBytes data) override {
    co_await lateness_.pass();
    co_return co_await inner_->append(std::move(data));
  }
  io::Task<Result<void>> finish() override {
    co_await lateness_.pass();
    co_return co_await inner_->finish();
  }

 private:
  std::unique_ptr<drive::BlobWriter> inner_;
  Lateness lateness_;
};

class LateReader final : public drive::ShardReader {
 public:
  LateReader(std::unique_ptr<drive::ShardReader> inner, Lateness lateness)
      : inner_(std::move(inner)), lateness_(lateness) {}
  std::uint64_t size() const override { return inner_->size(); }
  io::Task<Result<io::Bytes>> read(std::uint64_t offset, std::size_t length,
                                   io::MutableBytes into) override {
    co_await lateness_.pass();
    co_return co_await inner_->read(offset, length, into);
  }

 private:
  std::unique_ptr<drive::ShardReader> inner_;
  Lateness lateness_;
};

class SlowDrive final : public drive::Drive {
 public:
  SlowDrive(std::shared_ptr<drive::Drive> inner, Lateness lateness)
      : inner_(std::move(inner)), lateness_(lateness) {}

  model::DriveId id() const override { return inner_->id(); }
  bool failed() const override { return inner_->failed(); }
  io::Task<void> close() override { return inner_->close(); }
  void retire(std::string reason) override { inner_->retire(std::move(reason)); }

  io::Task<Result<drive::SyncedBatches>> synced() override { return late<&Drive::synced>(); }
  io::Task<Result<drive::PromiseReply>> promise(drive::PromiseRequest request) override {
    return late<&Drive::promise>(std::move(request));
  }
  io::Task<Result<drive::PartitionState>> partition_state(model::PartitionId partition) override {
    return late<&Drive::partition_state>(partition);
  }
  io::Task<Result<drive::Refusal>> mark_rebuilt(drive::Fence fence) override {
    return late<&Drive::mark_rebuilt>(fence);
  }
  io::Task<Result<drive::MutateReply>> mutate(drive::MutateRequest request) override {
    return late<&Drive::mutate>(std::move(request));
  }
  io::Task<Result<drive::MutateReply>> install(drive::InstallRequest request) override {
    return late<&Drive::install>(std::move(request));
  }
  io::Task<Result<SettleReplies>> settle_all(std::vector<drive::SettleRequest> requests) override {
    return late<&Drive::settle_all>(std::move(requests));
  }
  io::Task<Result<drive::Refusal>> forget(drive::Fence fence, model::UnitKey unit,
                                          model::Stamp head) override {
    return late<&Drive::forget>(fence, std::move(unit), head);
  }
  io::Task<Result<drive::ReadReply>> read(drive::ReadRequest request) override {
    return late<&Drive::read>(std::move(request));
  }
  io::Task<Result<drive::ScanReply>> scan(drive::ScanRequest request) override {
    return late<&Drive::scan>(std::move(request));
  }
  io::Task<Result<std::pair<drive::Refusal, drive::UnitState>>> inspect(drive::Fence fence,
                                                                        model::UnitKey unit,
                                                                        bool parts) override {
    return late<&Drive::inspect>(fence, std::move(unit), parts);
  }
  io::Task<Result<std::vector<model::UnitKey>>> pending_units(std::string after,
                                                              std::size_t limit) override {
    return late<&Drive::pending_units>(std::move(after), limit);
  }
  io::Task<Result<io::Slice>> read_inline(model::ValueId data_id) override {
    return late<&Drive::read_inline>(data_id);
  }
  io::Task<Result<std::unique_ptr<drive::ShardReader>>> open_inline(
      model::ValueId data_id) override {
    CAIRN_CO_ASSIGN(auto reader, co_await late<&Drive::open_inline>(data_id));
    co_return std::make_unique<LateReader>(std::move(reader), lateness_);
  }
  io::Task<Result<std::unique_ptr<drive::BlobWriter>>> create_blob(drive::BlobName name) override {
    CAIRN_CO_ASSIGN(auto writer, co_await late<&Drive::create_blob>(name));
    co_return std::make_unique<LateWriter>(std::move(writer), lateness_);
  }
  io::Task<Result<std::unique_ptr<drive::ShardReader>>> open_blob(drive::BlobName name) override {
    CAIRN_CO_ASSIGN(auto reader, co_await late<&Drive::open_blob>(name));
    co_return std::make_unique<LateReader>(std::move(reader), lateness_);
  }
  io::Task<Result<void>> discard_blob(drive::BlobName name) override {
    return late<&Drive::discard_blob>(name);
  }
  io::Task<Result<void>> quarantine(drive::BlobName name, bool is_inline) override {
    return late<&Drive::quarantine>(name, is_inline);
  }
  io::Task<Result<void>> repair_add(std::vector<model::UnitKey> units) override {
    return late<&Drive::repair_add>(std::move(units));
  }
  io::Task<Result<std::vector<model::UnitKey>>> repair_list(std::string after,
                                                            std::size_t limit) override {
    return late<&Drive::repair_list>(std::move(after), limit);
  }
  io::Task<Result<void>> repair_remove(std::vector<model::UnitKey> units) override {
    return late<&Drive::repair_remove>(std::move(units));
  }
  io::Task<Result<Stats>> stats() override { return late<&Drive::stats>(); }

 private:
  template <auto Method, class... Args>
  auto late(Args... args) -> decltype((std::declval<Drive&>().*Method)(args...)) {
    co_await lateness_.pass();
    co_return co_await ((*inner_).*Method)(std::move(args)...);
  }

  std::shared_ptr<drive::Drive> inner_;
  Lateness lateness_;
};

}  // namespace

std::shared_ptr<drive::Drive> make_slow_drive(std::shared_ptr<drive::Drive> inner,
                                              io::Duration delay, io::Random& random) {
  return std::make_shared<SlowDrive>(std::move(inner), Lateness{delay, &random});
}

}  // namespace cairn::app
