// Sending one mutation to all members and counting its holders (protocol.md 3.4, 3.5).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "store/core.h"
#include "store/load.h"

namespace cairn::store {

// A mutation on its way. Shared by the messages to all members.
struct Outgoing {
  std::shared_ptr<const drive::Mutation> mutation{};
  std::vector<drive::InlineShard> inline_shards{};  // by slot, or empty
  std::vector<model::ValueId> brings{};             // sorted: data that a holder has its shards of
  std::shared_ptr<const Settled> base{};  // what a change was decided on; null for whole ones
  // Its outcome was told, and the unit's lock may be another's: nothing of it is sent any more. A
  // message that nobody waits for would find nothing to refuse it once the unit is forgotten (6.3).
  mutable std::atomic<bool> over{false};
};

struct Outcome {
  std::uint32_t held = 0;  // slots of holders
  std::uint32_t lacking =
      0;                  // slots of holders that lack shards of data the mutation does not bring
  bool settled = false;   // W holders of the current map: a fact, once true always true
  bool no_space = false;  // some drive refused because it is full
  bool deposed = false;   // some drive promised a newer term
  Leaves leaves = Leaves::versions;
  unsigned holders() const { return static_cast<unsigned>(std::popcount(held)); }
};

class Sender {
 public:
  Sender(Core& core, Loader& loader) : core_(core), loader_(loader) {}

  // Sends to all members; returns when all healthy ones hold it, or W do and the straggler deadline
  // has passed, or no more can. Not settled: the outcome is unknown. REQUIRES: the unit's lock is
  // held.
  io::Task<Outcome> send(View view, std::shared_ptr<const Outgoing> out);

  // Repeats to one member what it holds, with shards that it lacked. True: it is a holder now.
  io::Task<bool> repeat(View view, unsigned slot, std::shared_ptr<const drive::Mutation> mutation,
                        std::vector<drive::InlineShard> shards);

  // Raises the connection to a member, which cuts off what was sent before (5.1). False: it does
  // not answer or refuses.
  io::Task<bool> reconnect(View view, unsigned slot);

 private:
  using Reply = Result<drive::MutateReply>;
  struct Round;
  io::Task<Reply> deliver(View view, unsigned slot, std::shared_ptr<const Outgoing> out);
  io::Task<Reply> send_one(View view, unsigned slot,
                           std::shared_ptr<const drive::Mutation> mutation,
                           std::vector<drive::InlineShard> shards);
  io::Task<Result<std::shared_ptr<const drive::Mutation>>> whole_of(
      View view, std::shared_ptr<const Outgoing> out);
  io::Task<Reply> complete(View view, unsigned slot, std::shared_ptr<const Outgoing> out,
                           std::vector<drive::MissingShard> missing);
  bool count(const Outgoing& out, unsigned slot, const Reply& reply, Outcome& outcome) const;
  Leaves leaves(const PartitionView& view, const drive::Mutation& mutation,
                const Outcome& outcome) const;

  Core& core_;
  Loader& loader_;
};

}  // namespace cairn::store
