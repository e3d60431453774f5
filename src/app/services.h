// The services that run beside requests, and what the administration sees of them.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "admin/service.h"
#include "app/node.h"
#include "background/drives/drives.h"
#include "background/heal/heal.h"
#include "background/scrub/scrub.h"
#include "background/uploads/uploads.h"

namespace cairn::app {

// The slots of the node's drives as the drive watch works on them. Thread-safe.
class NodeSlots final : public background::DriveSlots {
 public:
  explicit NodeSlots(Node& node);
  ~NodeSlots() override;
  std::size_t count() const override { return node_.slots().size(); }
  Slot slot(std::size_t index) const override;
  io::Task<Result<void>> check(std::size_t index) override;
  void retire(std::size_t index, std::string reason) override;
  io::Task<Result<std::shared_ptr<drive::Drive>>> reopen(std::size_t index, bool given_up) override;
  io::Task<Result<void>> adopt(std::size_t index, std::shared_ptr<drive::Drive> drive) override;

  std::vector<std::shared_ptr<drive::Drive>> in_service() const;
  std::optional<std::size_t> slot_of(model::DriveId id) const;

 private:
  struct State {
    model::DriveId id{};
    std::shared_ptr<drive::Drive> drive{};
    std::string reason{};
  };
  Node& node_;
  mutable std::mutex mutex_;
  std::vector<State> states_;  // guarded by mutex_
};

class Services final : public admin::StatusProvider {
 public:
  Services(Node& node, const ServerSettings& settings, metrics::Registry& metrics);
  // Starts everything on one reactor; stop() waits for what is under way. Both block.
  void start(io::Reactors& reactors);
  void stop(io::Reactors& reactors);

  admin::Readiness readiness() override;
  io::Task<Result<admin::Status>> status() override;
  io::Task<Result<void>> start_scrub() override;
  io::Task<Result<void>> start_heal() override;
  io::Task<Result<admin::Retired>> retire_drive(std::string drive) override;

 private:
  Node& node_;
  const ServerSettings& settings_;
  std::int64_t started_ms_;
  NodeSlots slots_;
  background::Heal heal_;
  background::Scrub scrub_;
  background::Uploads uploads_;
  background::DriveWatch watch_;
};

}  // namespace cairn::app
