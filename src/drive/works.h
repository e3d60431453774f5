// The messages of Drive as works of the committer. Each checks its fence first (protocol.md 3.4),
// in the order it came.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "drive/committer.h"
#include "io/sync.h"

namespace cairn::drive {

// A work that answers with a T.
template <class T>
class Answering : public Work {
 public:
  io::OneShot<Result<T>> answer() const { return answer_; }
  void finish(const Error* error) override {
    if (error != nullptr) {
      answer_.set(Result<T>(*error));
    } else {
      answer_.set(Result<T>(std::move(reply_)));
    }
  }

 protected:
  T reply_{};

 private:
  io::OneShot<Result<T>> answer_;
};

class MutateWork final : public Answering<MutateReply> {
 public:
  MutateWork(MutateRequest request, PreparedRows rows)
      : request_(std::move(request)), rows_(std::move(rows)) {}
  std::string_view unit() const override { return request_.mutation->unit.encoded(); }
  PreparedRows* rows() override { return &rows_; }
  Result<void> apply(Round& round) override;
  void synced(Ack ack) override { reply_.ack = ack; }

 private:
  MutateRequest request_;
  PreparedRows rows_;  // points into the mutation
};

class InstallWork final : public Answering<MutateReply> {
 public:
  InstallWork(std::shared_ptr<const InstallRequest> request, PreparedRows rows)
      : request_(std::move(request)), rows_(std::move(rows)) {}
  std::string_view unit() const override { return request_->unit.encoded(); }
  PreparedRows* rows() override { return &rows_; }
  Result<void> apply(Round& round) override;
  void synced(Ack ack) override { reply_.ack = ack; }

 private:
  std::shared_ptr<const InstallRequest> request_;
  PreparedRows rows_;  // points into the request
};

// The settles of one call: answered when the last of them is.
struct SettleTogether {
  explicit SettleTogether(std::size_t n) : replies(n, Result<Refusal>(Refusal::none)), left(n) {}
  void set(std::size_t i, Result<Refusal> reply) {
    replies[i] = std::move(reply);
    if (left.fetch_sub(1) == 1) answer.set(std::move(replies));
  }
  Drive::SettleReplies replies;
  std::atomic<std::size_t> left;
  io::OneShot<Result<Drive::SettleReplies>> answer;
};

class SettleWork final : public Work {
 public:
  SettleWork(SettleRequest request, std::shared_ptr<SettleTogether> together, std::size_t index)
      : request_(std::move(request)), together_(std::move(together)), index_(index) {}
  std::string_view unit() const override { return request_.unit.encoded(); }
  bool may_wait() const override { return true; }
  Result<void> apply(Round& round) override;
  void finish(const Error* error) override {
    together_->set(index_, error != nullptr ? Result<Refusal>(*error) : Result<Refusal>(reply_));
  }

 private:
  SettleRequest request_;
  std::shared_ptr<SettleTogether> together_;
  std::size_t index_;
  Refusal reply_ = Refusal::none;
  // Not before the committer takes it in: until then it changes nothing, and readers need not mind
  // it.
  std::optional<PendingMirror::Flight> flight_{};
};

class ForgetWork final : public Answering<Refusal> {
 public:
  ForgetWork(Fence fence, model::UnitKey unit, Stamp head)
      : fence_(fence), unit_(std::move(unit)), head_(head) {}
  std::string_view unit() const override { return unit_.encoded(); }
  bool may_wait() const override { return true; }
  Result<void> apply(Round& round) override;

 private:
  Fence fence_;
  model::UnitKey unit_;
  Stamp head_;
};

// Reads in the committer's order: after everything that came before it for this unit.
class InspectWork final : public Answering<std::pair<Refusal, UnitState>> {
 public:
  InspectWork(Fence fence, model::UnitKey unit, bool want_parts)
      : fence_(fence), unit_(std::move(unit)), want_parts_(want_parts) {}
  std::string_view unit() const override { return unit_.encoded(); }
  Result<void> apply(Round& round) override;

 private:
  Fence fence_;
  model::UnitKey unit_;
  bool want_parts_;
};

class PromiseWork final : public Answering<PromiseReply> {
 public:
  explicit PromiseWork(PromiseRequest request) : request_(std::move(request)) {}
  // A wipe (8.3) is written at once: nothing that came before may land behind it.
  bool alone() const override { return true; }
  Result<void> apply(Round& round) override;
  void synced(Ack ack) override { reply_.ack = ack; }
  void finish(const Error* error) override;

 private:
  PromiseRequest request_;
  Core* core_ = nullptr;
};

class RebuiltWork final : public Answering<Refusal> {
 public:
  explicit RebuiltWork(Fence fence) : fence_(fence) {}
  Result<void> apply(Round& round) override;

 private:
  Fence fence_;
};

class RepairQueueWork final : public Answering<bool> {
 public:
  RepairQueueWork(std::vector<model::UnitKey> units, bool add)
      : units_(std::move(units)), add_(add) {}
  Result<void> apply(Round& round) override;

 private:
  std::vector<model::UnitKey> units_;
  bool add_;
};

// A blob may have nothing that names it: look, and unlink it.
class UnlinkWork final : public Answering<bool> {
 public:
  explicit UnlinkWork(std::vector<BlobName> names) : names_(std::move(names)) {}
  Result<void> apply(Round& round) override;

 private:
  std::vector<BlobName> names_;
};

// A shard that is named went away, or is here again: keeps L5 of layout.h.
class ShardMarkWork final : public Answering<bool> {
 public:
  enum class What : std::uint8_t { blob_gone, inline_gone, blob_here };
  ShardMarkWork(BlobName name, What what) : name_(name), what_(what) {}
  bool alone() const override { return true; }
  Result<void> apply(Round& round) override;

 private:
  BlobName name_;
  What what_;
};

// The state of a unit for a leader's resolve.
Result<UnitState> unit_state(Core& core, Reader& reader, const model::UnitKey& unit,
                             UnitView::Known known, bool want_parts);

}  // namespace cairn::drive
