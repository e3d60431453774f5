#include "admin/gauges.h"

#include <array>

namespace cairn::admin {
namespace {

constexpr std::array<std::string_view, 5> kStates{"online", "rebuilding", "failed", "missing",
                                                  "full"};

double number(std::uint64_t n) {
  return static_cast<double>(n);
}

void refresh_drive(metrics::Registry& registry, const Drive& drive) {
  // By path: the id changes when a drive is replaced, the place stays.
  const metrics::Labels labels{{"drive", drive.path}};
  for (const auto state : kStates) {
    registry
        .gauge("cairn_drive_state", "1 for the state the drive is in",
               {{"drive", drive.path}, {"state", std::string(state)}})
        .set(drive.state == state ? 1 : 0);
  }
  registry.gauge("cairn_drive_total_bytes", "Size of the drive's file system", labels)
      .set(number(drive.total_bytes));
  registry.gauge("cairn_drive_available_bytes", "Space left on it", labels)
      .set(number(drive.available_bytes));
  registry.gauge("cairn_drive_repair_entries", "Units in the drive's repair queue", labels)
      .set(number(drive.repair_entries));
  registry
      .gauge("cairn_drive_partitions_rebuilding",
             "Partitions of which the drive is rebuilding its part", labels)
      .set(number(drive.partitions_rebuilding));
}

}  // namespace

void refresh_gauges(metrics::Registry& registry, const Status& status) {
  for (const auto& drive : status.drives) refresh_drive(registry, drive);
  registry.gauge("cairn_memory_limit_bytes", "Memory that bodies and repairs may hold")
      .set(number(status.memory_limit_bytes));
  registry.gauge("cairn_memory_used_bytes", "Memory that bodies and repairs hold")
      .set(number(status.memory_used_bytes));
  registry.gauge("cairn_repair_queue", "Units waiting for repair, as far as looked at")
      .set(number(status.heal.queued));
  registry.gauge("cairn_scrub_running", "1 while a scrub pass goes on")
      .set(status.scrub.running ? 1 : 0);
  registry.gauge("cairn_start_time_seconds", "When the process began to serve, since 1970")
      .set(static_cast<double>(status.started_ms) / 1000);
  registry
      .gauge("cairn_build_info", "Always 1; the labels tell what runs",
             {{"version", status.version}, {"erasure", status.erasure}})
      .set(1);
}

void refresh_gauges(metrics::Registry& registry, const Readiness& readiness) {
  registry.gauge("cairn_can_read", "1 while reads have their quorums")
      .set(readiness.can_read ? 1 : 0);
  registry.gauge("cairn_can_write", "1 while writes have their quorums")
      .set(readiness.can_write ? 1 : 0);
}

}  // namespace cairn::admin
