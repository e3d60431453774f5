// The storage half of a server: drives, control store, store and object layer of one machine,
// wired.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/options.h"
#include "base/metrics.h"
#include "cluster/bootstrap.h"
#include "io/file.h"
#include "io/memory.h"
#include "io/reactor.h"
#include "io/world.h"
#include "object/object.h"
#include "store/local_store.h"

namespace cairn::app {

// How the one memory limit is divided.
struct MemoryPlan {
  std::uint64_t total = 0;
  std::uint64_t bodies = 0;  // request bodies and repairs in flight
  std::uint64_t block_cache_per_drive = 0;
  std::uint64_t memtable_per_drive = 0;
  std::size_t cached_units = 0;  // in the leader
};
MemoryPlan plan_memory(std::uint64_t limit, std::size_t drives, std::uint64_t machine);

class Node {
 public:
  // Opens everything; blocks. Errors are sentences for the person who started the server. Reactors
  // are started.
  static Result<std::unique_ptr<Node>> open(const ServerSettings& settings, io::Reactors& reactors,
                                            metrics::Registry& metrics);
  ~Node();  // REQUIRES: stop() was called, or open failed

  // Ends background work of the store and the drives; nothing may be asked of them any more.
  // Blocks.
  void stop();

  object::Objects& objects() { return *objects_; }
  store::LocalStore& store() { return *store_; }
  control::Embedded& control() { return *cluster_.control; }
  io::MemoryBudget& memory() { return *memory_; }
  io::Clock& clock() { return *clock_; }
  io::Random& random() { return *random_; }
  io::FileSystem& files() { return *files_; }
  model::ClusterId cluster_id() const { return cluster_.id; }
  const std::vector<cluster::Slot>& slots() const { return cluster_.slots; }
  // Hands over this object's reference to a slot's drive: whoever watches the drives holds it from
  // then on, and gives back what there is before stop().
  std::shared_ptr<drive::Drive> take_drive(std::size_t slot) {
    return std::move(cluster_.slots[slot].drive);
  }
  void give_back(std::size_t slot, std::shared_ptr<drive::Drive> drive);

  // A drive that is back, or an empty directory that becomes its replacement (cluster::reopen), for
  // one slot. `given_up`: an operator says that the drive is lost for good (7.6); the control store
  // goes on without it then.
  io::Task<Result<cluster::Reopened>> reopen_drive(std::size_t slot, model::DriveId expected,
                                                   bool given_up);
  // Brings the control store of a slot's directory up to date and remembers the drive that has the
  // slot.
  io::Task<Result<void>> adopt_drive(std::size_t slot, model::DriveId id);

 private:
  Node(const ServerSettings& settings, io::Reactors& reactors, metrics::Registry& metrics);
  Result<void> start();
  io::Task<Result<bool>> open_all();
  io::Task<Result<void>> open_store();
  io::Task<Result<void>> retire_lost(std::size_t place);
  io::Task<Result<cluster::Reopened>> give_up(std::size_t slot, cluster::Vacancy vacancy,
                                              drive::LocalDriveOptions options);
  drive::World world();
  // The drive, or a slow one made of it where a test asks for that (TestingSettings).
  std::shared_ptr<drive::Drive> as_tested(const std::string& path,
                                          std::shared_ptr<drive::Drive> drive);
  drive::LocalDriveOptions drive_options() const;

  const ServerSettings& settings_;
  io::Reactors& reactors_;
  metrics::Registry& metrics_;
  std::uint64_t open_files_;  // that this process may have
  MemoryPlan plan_;
  std::unique_ptr<io::Clock> clock_;
  std::unique_ptr<io::Random> random_;
  std::unique_ptr<io::BlockingPool> pool_;
  std::unique_ptr<io::FileSystem> files_;
  std::unique_ptr<io::MemoryBudget> memory_;
  cluster::Cluster cluster_;
  std::vector<model::DriveId> made_;  // by slot: the last replacement that was formatted
  std::unique_ptr<store::LocalStore> store_;
  std::unique_ptr<object::Objects> objects_;
};

}  // namespace cairn::app
