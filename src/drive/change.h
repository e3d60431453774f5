// What the messages of protocol.md 3.4, 6.1, 6.2 and 6.3 do to one unit: checked against its state,
// turned into changes of a batch. Pure but for the batch: the committer calls it, one message per
// unit and batch.
//
// A message that would break L3 of layout.h (a pending that is not whole would lose its base)
// cannot come from a leader that keeps the protocol: a value below it can only be settled if it was
// decided on (protocol.md 3.2, 5.4). It is refused as an Error and changes nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drive/data_names.h"
#include "drive/pending_journal.h"
#include "drive/unit.h"

namespace cairn::drive {

inline constexpr std::size_t kMaxPendingValues = 16;  // protocol.md 2.3

// New pendings of units that a batch changes, to be published when it is written.
struct PendingsChange {
  std::string unit;
  std::shared_ptr<const Pendings> pendings;
  SettledState settled{};  // beneath them
};

struct UnitChanges {
  Batch& batch;
  DataChanges& data;
  std::vector<PendingsChange> pendings{};  // one for each unit whose pendings change
  std::vector<PendingEvent> events{};      // the same for the journal
  bool empty() const { return batch.empty() && events.empty(); }
  // What is remembered of the batch, to go back to when a message fails half-way.
  struct Memory {
    std::size_t pendings = 0, events = 0;
  };
  Memory remember() const { return {pendings.size(), events.size()}; }
  void restore(const Memory& m) {
    pendings.resize(m.pendings);
    events.resize(m.events);
  }
};

struct Accepted {
  MutateReply reply{};
  // Not refused, but this pending must be settled first (it is the base, so it is settled: 10.5);
  // then ask again.
  std::optional<Stamp> settle_first{};
  bool changed = false;  // there is something to sync
};

Result<Accepted> accept_mutation(UnitChanges& changes, UnitView& view, const MutateRequest& request,
                                 const PreparedRows& rows);

// True if the unit changed: the drive held exactly that stamp, pending.
Result<bool> settle_pending(UnitChanges& changes, UnitView& view, const Stamp& stamp);
// Where every member holds that stamp and it empties the unit (docs/decisions/0007): nothing of the
// unit is kept, unless something newer is pending; then it is settled as above.
Result<bool> settle_and_forget(UnitChanges& changes, UnitView& view, const Stamp& stamp);

Result<Accepted> accept_install(UnitChanges& changes, UnitView& view, const InstallRequest& request,
                                const PreparedRows& rows);

// Refusal::stale_stamp unless the unit reports exactly `head`, settled, no rows and no pendings. A
// unit that is not known any more was forgotten already: no refusal.
Result<Refusal> forget_unit(UnitChanges& changes, UnitView& view, const Stamp& head);

// Everything of a unit goes (8.3, and settle_and_forget()).
Result<void> wipe_unit(UnitChanges& changes, UnitView& view);

}  // namespace cairn::drive
