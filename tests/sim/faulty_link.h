// A drive behind a link that delays, loses, repeats and reorders messages, and that can be cut: how
// the simulation lets a leader see a drive. The drive itself is real (LocalDrive over simulated
// storage).
#pragma once

#include <algorithm>
#include <memory>

#include "drive/drive.h"
#include "io/sync.h"
#include "io/world.h"

namespace cairn::sim {

// Chances in 1/1000 per message, and delays.
struct LinkFaults {
  unsigned lose_request = 0;  // the drive never sees it
  unsigned lose_reply = 0;    // it took effect; the sender never hears
  unsigned repeat = 0;        // the drive sees it twice
  io::Duration max_delay = std::chrono::microseconds(300);
  unsigned slow = 0;  // chance of a delay of up to ten seconds
  // A planted mistake, for the test that the simulation finds such: mutations are acknowledged and
  // never reach the drive.
  unsigned lying_ack = 0;
  // Another: what the drive synced before it was mounted is not what it names.
  bool lying_batch = false;
};

// One leader's link to one drive. When cut, nothing passes in either direction any more; calls end
// after a while with an error, as a broken connection does.
class FaultyLink final : public drive::Drive, public std::enable_shared_from_this<FaultyLink> {
 public:
  FaultyLink(std::shared_ptr<drive::Drive> inner, std::shared_ptr<io::Random> random)
      : inner_(std::move(inner)), random_(std::move(random)) {}

  LinkFaults faults{};
  // What is under way to the drive may still arrive there.
  void cut() { cut_ = true; }
  bool is_cut() const { return cut_; }
  // Out of this leader's service; the drive itself is not its to end.
  void retire(std::string) override { cut(); }

  model::DriveId id() const override { return inner_->id(); }
  bool failed() const override { return cut_ || inner_->failed(); }

  io::Task<Result<drive::SyncedBatches>> synced() override {
    auto reply = co_await pass<&Drive::synced>(true);
    if (reply && faults.lying_batch) reply->at_open = UINT64_MAX;
    co_return reply;
  }
  io::Task<Result<drive::PromiseReply>> promise(drive::PromiseRequest r) override {
    return pass<&Drive::promise>(true, std::move(r));
  }
  io::Task<Result<drive::PartitionState>> partition_state(model::PartitionId p) override {
    return pass<&Drive::partition_state>(true, p);
  }
  // A message without delay, or one that cannot go that way.
  std::optional<HeldPromise> held_promise(model::PartitionId p) const override {
    if (cut_ || chance(500)) return std::nullopt;
    return inner_->held_promise(p);
  }
  io::Task<Result<drive::Refusal>> mark_rebuilt(drive::Fence f) override {
    return pass<&Drive::mark_rebuilt>(true, f);
  }
  io::Task<Result<drive::MutateReply>> mutate(drive::MutateRequest r) override {
    if (chance(faults.lying_ack)) return lie();
    return pass<&Drive::mutate>(true, std::move(r));
  }
  io::Task<Result<drive::MutateReply>> install(drive::InstallRequest r) override {
    return pass<&Drive::install>(true, std::move(r));
  }
  io::Task<Result<SettleReplies>> settle_all(std::vector<drive::SettleRequest> r) override {
    return pass<&Drive::settle_all>(true, std::move(r));
  }
  io::Task<Result<drive::Refusal>> forget(drive::Fence f, model::UnitKey u,
                                          model::Stamp s) override {
    return pass<&Drive::forget>(true, f, std::move(u), s);
  }
  io::Task<Result<drive::ReadReply>> read(drive::ReadRequest r) override {
    return pass<&Drive::read>(true, std::move(r));
  }
  io::Task<Result<drive::ScanReply>> scan(drive::ScanRequest r) override {
    return pass<&Drive::scan>(true, std::move(r));
  }
  io::Task<Result<std::pair<drive::Refusal, drive::UnitState>>> inspect(drive::Fence f,
                                                                        model::UnitKey u,
                                                                        bool parts) override {
    return pass<&Drive::inspect>(true, f, std::move(u), parts);
  }
  io::Task<Result<std::vector<model::UnitKey>>> pending_units(std::string after,
                                                              std::size_t limit) override {
    return pass<&Drive::pending_units>(true, std::move(after), limit);
  }
  io::Task<Result<io::Slice>> read_inline(model::ValueId d) override {
    return pass<&Drive::read_inline>(true, d);
  }
  io::Task<Result<std::unique_ptr<drive::ShardReader>>> open_inline(model::ValueId d) override {
    auto reader = co_await pass<&Drive::open_inline>(true, d);
    if (!reader) co_return reader;
    co_return std::make_unique<Reader>(shared_from_this(), std::move(*reader));
  }
  io::Task<Result<std::unique_ptr<drive::BlobWriter>>> create_blob(drive::BlobName n) override {
    auto writer = co_await pass<&Drive::create_blob>(false, n);
    if (!writer) co_return writer;
    co_return std::make_unique<Writer>(shared_from_this(), std::move(*writer));
  }
  io::Task<Result<std::unique_ptr<drive::ShardReader>>> open_blob(drive::BlobName n) override {
    auto reader = co_await pass<&Drive::open_blob>(false, n);
    if (!reader) co_return reader;
    co_return std::make_unique<Reader>(shared_from_this(), std::move(*reader));
  }
  io::Task<Result<void>> discard_blob(drive::BlobName n) override {
    return pass<&Drive::discard_blob>(true, n);
  }
  io::Task<Result<void>> quarantine(drive::BlobName n, bool is_inline) override {
    return pass<&Drive::quarantine>(false, n, is_inline);
  }
  io::Task<Result<void>> repair_add(std::vector<model::UnitKey> u) override {
    return pass<&Drive::repair_add>(true, std::move(u));
  }
  io::Task<Result<std::vector<model::UnitKey>>> repair_list(std::string after,
                                                            std::size_t limit) override {
    return pass<&Drive::repair_list>(true, std::move(after), limit);
  }
  io::Task<Result<void>> repair_remove(std::vector<model::UnitKey> u) override {
    return pass<&Drive::repair_remove>(true, std::move(u));
  }
  io::Task<Result<Stats>> stats() override { return pass<&Drive::stats>(true); }

 private:
  // Streams of a blob go over the link too: broken when it is cut, and now and then in between.
  class Writer final : public drive::BlobWriter {
   public:
    Writer(std::shared_ptr<FaultyLink> link, std::unique_ptr<drive::BlobWriter> inner)
        : link_(std::move(link)), inner_(std::move(inner)) {}
    io::Task<Result<void>> append(drive::ShardBytes data) override {
      co_await io::sleep_for(link_->delay());
      if (link_->cut_) co_return broken();
      co_return co_await inner_->append(std::move(data));
    }
    io::Task<Result<void>> finish() override {
      co_await io::sleep_for(link_->delay());
      if (link_->cut_ || link_->chance(link_->faults.lose_request)) co_return broken();
      auto done = co_await inner_->finish();
      if (link_->chance(link_->faults.lose_reply)) co_return broken();
      co_return done;
    }

   private:
    std::shared_ptr<FaultyLink> link_;
    std::unique_ptr<drive::BlobWriter> inner_;
  };
  class Reader final : public drive::ShardReader {
   public:
    Reader(std::shared_ptr<FaultyLink> link, std::unique_ptr<drive::ShardReader> inner)
        : link_(std::move(link)), inner_(std::move(inner)) {}
    std::uint64_t size() const override { return inner_->size(); }
    io::Task<Result<io::Bytes>> read(std::uint64_t offset, std::size_t length,
                                     io::MutableBytes into) override {
      co_await io::sleep_for(link_->delay());
      if (link_->cut_ || link_->chance(link_->faults.lose_request)) co_return broken();
      co_return co_await inner_->read(offset, length, into);
    }

   private:
    std::shared_ptr<FaultyLink> link_;
    std::unique_ptr<drive::ShardReader> inner_;
  };

  static Error broken() { return Error{Code::connection_closed, "the link is cut"}; }
  io::Task<Result<drive::MutateReply>> lie() {
    co_await io::sleep_for(delay());
    co_return drive::MutateReply{};
  }

  template <auto Method, class... Args>
  auto pass(bool repeatable, Args... args) -> decltype((std::declval<Drive&>().*Method)(args...)) {
    const auto self = shared_from_this();
    const auto silence = std::chrono::seconds(15);  // longer than any deadline of the leader
    if (cut_) co_return broken();
    co_await io::sleep_for(delay());
    // Sent before the link was cut: it may arrive or not.
    const bool gone = cut_ && chance(500);
    if (gone) co_return broken();
    if (chance(faults.lose_request)) {
      co_await io::sleep_for(silence);
      co_return broken();
    }
    const auto inner = inner_;
    if (repeatable && chance(faults.repeat)) {
      // Delivered twice, the second time after a while; answered when both were. (A transport never
      // delivers a message after it was answered: 5.1 and 6.3 rest on that.)
      auto first = co_await ((*inner).*Method)(args...);
      static_cast<void>(first);
      co_await io::sleep_for(std::min<io::Duration>(delay() * 20, std::chrono::seconds(15)));
    }
    auto reply = co_await ((*inner).*Method)(std::move(args)...);
    if (cut_) co_return broken();
    co_await io::sleep_for(delay());
    if (cut_) co_return broken();
    if (chance(faults.lose_reply)) {
      co_await io::sleep_for(silence);
      co_return broken();
    }
    co_return reply;
  }
  bool chance(unsigned of_1000) const {
    return of_1000 != 0 && random_->next_u64() % 1000 < of_1000;
  }
  io::Duration delay() {
    if (chance(faults.slow)) return io::Duration(random_->next_u64() % 10'000'000'000ull);
    return io::Duration(random_->next_u64() %
                        static_cast<std::uint64_t>(faults.max_delay.count() + 1));
  }

  std::shared_ptr<drive::Drive> inner_;
  std::shared_ptr<io::Random> random_;
  bool cut_ = false;
};

}  // namespace cairn::sim
