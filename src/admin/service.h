// Health, metrics and administration over HTTP.
//
//   GET  /health/live                            200 while the process answers
//   GET  /health/ready                           200 when reads and writes have their quorums,
//                                                else 503 and what is missing
//   GET  /metrics                                Prometheus text format 0.0.4
//   GET  /_cairn/admin/v1/status                 JSON       action admin:Status
//   POST /_cairn/admin/v1/scrub/start            202        action admin:StartScrub
//   POST /_cairn/admin/v1/heal/start             202        action admin:StartHeal
//   POST /_cairn/admin/v1/drives/retire?drive=ID 200, JSON  action admin:RetireDrive
//
// Requests below /_cairn/admin/ are signed (Signature Version 4, service s3, as any S3 request) and
// pass the one authorization decision. Health needs no signature; metrics only where
// `metrics_need_auth` is set (admin:Metrics).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/auth.h"
#include "base/error.h"
#include "base/metrics.h"
#include "io/task.h"
#include "io/world.h"
#include "net/http.h"

namespace cairn::admin {

struct Rebuild {        // of one drive, going on or ended
  std::string drive{};  // id, hex
  std::uint64_t partitions = 0, partitions_left = 0;
  std::uint64_t units_done = 0, units_estimate = 0, units_failed = 0;  // estimate 0: not known yet
  std::uint64_t bytes = 0;
  std::int64_t started_ms = 0, finished_ms = 0;  // 0: not yet
  bool whole = false;                            // every unit was read back from it
  std::string waiting_for{};                     // why it does not go on; empty: it does
};

struct Drive {
  std::string id{};  // hex
  std::string path{};
  std::string state{};   // "online", "rebuilding", "failed", "missing", "full"
  std::string reason{};  // of what is wrong, a sentence
  std::uint64_t total_bytes = 0, available_bytes = 0;
  std::uint64_t partitions_rebuilding = 0;
  std::uint64_t repair_entries = 0;
};

struct Heal {
  std::uint64_t queued = 0;  // units in the repair queue, as far as looked at
  std::uint64_t repaired = 0, postponed = 0, errors = 0;
  std::vector<Rebuild> rebuilds{};
};

struct Scrub {
  bool enabled = true;
  bool running = false;
  std::int64_t started_ms = 0;         // of the pass going on, or of the last one; 0: none yet
  std::int64_t finished_ms = 0;        // of the last pass that came to its end; 0: none yet
  std::uint64_t units = 0, bytes = 0;  // of that pass
  std::uint64_t damaged_shards = 0, not_whole = 0, errors = 0;
};

struct Status {
  std::string version{};
  std::string cluster_id{};
  std::string erasure{};        // "4+2"
  std::int64_t started_ms = 0;  // when the process began to serve
  std::vector<Drive> drives{};
  Heal heal{};
  Scrub scrub{};
  std::uint64_t memory_limit_bytes = 0, memory_used_bytes = 0;  // of bodies and repairs in flight
};

struct Readiness {
  bool can_read = false, can_write = false;
  std::vector<std::string> reasons{};  // what is missing, sentences; for operators, without secrets
  bool ready() const { return can_read && can_write; }
};

struct Retired {
  std::string lost{}, replacement{};  // ids, hex
  std::string path{};
};

// What the administration asks the process. app implements it: it knows all services. Thread-safe;
// calls resume where they were made.
class StatusProvider {
 public:
  virtual ~StatusProvider() = default;
  virtual Readiness readiness() = 0;
  virtual io::Task<Result<Status>> status() = 0;
  // Begin now, without waiting for the end. conflict: it is switched off, with the reason.
  virtual io::Task<Result<void>> start_scrub() = 0;
  virtual io::Task<Result<void>> start_heal() = 0;
  // An operator gives up a drive that is lost for good (7.6): the empty directory in its place is
  // its replacement, whatever only the lost one acknowledged. `drive`: an id, hex. not_found: no
  // member; conflict: it is in service, or nothing empty is in its place, or too few others are
  // whole.
  virtual io::Task<Result<Retired>> retire_drive(std::string drive) = 0;
};

struct Options {
  bool metrics_need_auth = false;
  std::string server_name = "Cairn";
};

// All outlive the service.
struct Parts {
  StatusProvider& provider;
  const auth::Verifier& verifier;
  const auth::Policy& policy;
  io::Clock& clock;
  metrics::Registry& metrics;
};

// The path below which everything is the administration's.
inline constexpr std::string_view kPrefix = "/_cairn/admin/";

class Service {
 public:
  virtual ~Service() = default;
  // Answers one request for a path above. Thread-safe. `operation` gets its name for metrics and
  // logs ("Health", "Metrics", "AdminStatus", ...).
  virtual io::Task<net::Response> handle(net::Request& request, std::string& operation) = 0;
};
std::unique_ptr<Service> make_service(Parts parts, Options options);

}  // namespace cairn::admin
