// The world of one simulation run: drives on simulated disks, leaders over faulty links, and what
// goes wrong, all of it chosen by one seed and run on one thread in virtual time. docs:
// tests/sim/README.md.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/memory.h"
#include "io/testing/sim_executor.h"
#include "sim/faulty_link.h"
#include "sim/sim_drive.h"
#include "store/local_store.h"

namespace cairn::sim {

// Mistakes planted to see that the simulation finds them.
enum class Plant : std::uint8_t {
  none,
  lying_ack,     // one drive acknowledges mutations that it never saw
  ignored_sync,  // indexes say that they synced and did not
  old_copy,      // old copies of drives name batches that they do not have
};

struct Setup {
  std::uint64_t seed = 1;
  model::ErasureProfile profile{2, 2};
  Plant plant = Plant::none;
  bool verbose = false;
};

// What a seed allows to go wrong.
struct Weather {
  LinkFaults links{};
  bool power_cuts = false;
  bool crashes = false;  // of the leader's process
  bool rivals = false;   // an old leader goes on beside a new one
  bool slow_drives = false;
  bool cut_links = false;
  bool lies = false;  // needs W - k > 0, as replacing does: data of one drive is lost
  bool replacements = false;
  bool old_copies = false;
  bool io_errors = false;
  bool control_outages = false;
  static Weather draw(Dice& dice, model::ErasureProfile profile);
  std::string text() const;
};

// One process that leads, or believes so.
struct Leader {
  unsigned number = 0;
  std::vector<std::shared_ptr<FaultyLink>> links{};  // by slot; null: the drive was away
  std::vector<std::shared_ptr<FaultyLink>> offered{};
  std::unique_ptr<io::MemoryBudget> memory =
      io::make_memory_budget(64u << 20, std::chrono::seconds(1));
  std::unique_ptr<metrics::Registry> registry = std::make_unique<metrics::Registry>();
  std::unique_ptr<store::LocalStore> store{};
  bool alive = true;  // clients talk to it, and it looks after its drives
  bool stopped = false;
  model::DriveId refused{};  // the drive that was last refused as an old copy
};

class World {
 public:
  explicit World(const Setup& setup);
  World(const World&) = delete;

  const Setup setup;
  Dice dice;
  const Weather weather;
  io::testing::SimExecutor executor;
  io::testing::SimClock clock{executor, 1'700'000'000'000};
  std::unique_ptr<io::BlockingPool> pool = io::make_inline_pool();
  metrics::Registry drive_metrics{};
  control::MemoryStore control{};
  std::vector<std::unique_ptr<SimDrive>> drives{};
  std::vector<SimDrive*> slots{};                  // who ought to be in each slot now
  std::vector<SimDrive*> previous{};               // whom it replaced; null: nobody
  std::vector<std::shared_ptr<Leader>> leaders{};  // all that ever led; the last one is the newest
  std::set<model::UnitKey> units{};                // every unit that was ever written
  bool stormy = true;                              // faults go on
  bool closing = false;                            // everything ends
  unsigned busy = 0;                               // coroutines that run on their own
  unsigned replaced = 0;                           // drives lost for good so far
  unsigned copies_refused = 0;                     // old copies of drives, so far
  io::Duration recovery{};                         // from the last fault's end until all was whole
  std::optional<std::string> failure{};

  // The first failure is kept.
  void fail(std::string what);
  void say(const std::string& what) const;  // with --verbose

  // Drives formatted and mounted, the map written, the first leader elected, the caretakers
  // started.
  io::Task<void> begin();
  // Makes mischief until `stormy` ends.
  io::Task<void> storm();
  // No faults any more: all drives up, one leader, every unit whole on all members. False: that
  // could not be had.
  io::Task<bool> calm();
  // Repairs until every unit is whole on all members.
  io::Task<bool> make_whole(unsigned attempts);
  // Stops all leaders and drives.
  io::Task<void> end();

  std::shared_ptr<Leader> newest() const;  // null: nobody leads
  std::shared_ptr<Leader> some_leader();   // as a client finds one; may be an old one
  Result<placement::Map> stored_map();
  // Assertion 3, looked at from outside.
  void check_settled();

 private:
  std::shared_ptr<FaultyLink> link_to(SimDrive& drive);
  io::Task<bool> elect();
  // The operator says that a drive is gone for good, where nobody can lead without it (7.6): the
  // map names the empty one from now on.
  io::Task<void> declare_lost();
  void retire(const std::shared_ptr<Leader>& leader);
  io::Task<void> keep_drives();                         // failed ones are mounted again
  io::Task<void> keep_leader();                         // elects when nobody leads
  io::Task<void> watch();                               // looks at assertions now and then
  io::Task<void> tend(std::shared_ptr<Leader> leader);  // attaches drives that came back
  io::Task<void> heal(std::shared_ptr<Leader> leader);  // rebuilds, repairs at random
  io::Task<void> stop(std::shared_ptr<Leader> leader);
  io::Task<void> power_cut();
  io::Task<void> crash();
  io::Task<void> rival();
  io::Task<void> slow_drive();
  io::Task<void> lie();
  io::Task<void> replace();
  io::Task<void> old_copy();
  io::Task<void> refuse_copy(std::shared_ptr<Leader> leader, std::size_t slot);
  io::Task<void> put_in_place(std::size_t slot);
  io::Task<void> control_outage();
  io::Task<bool> pause(std::uint64_t least_ms, std::uint64_t most_ms);  // false: closing
  SimDrive* find(model::DriveId id) const;
  SimDrive* some_drive();

  std::vector<std::weak_ptr<FaultyLink>> links_{};  // all that were ever made
  std::vector<bool> down_{};                        // by drive: kept down for now
  bool lossy_ = false;  // a fault that loses one drive's data is going on
  unsigned next_drive_ = 0;
};

std::string text_of(const model::UnitKey& unit);

}  // namespace cairn::sim
