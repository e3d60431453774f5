#include "admin/status_json.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace cairn::admin {
namespace {

namespace json = boost::json;

json::string_view view(std::string_view s) {
  return {s.data(), s.size()};
}

json::value time(std::int64_t ms) {
  return ms == 0 ? json::value(nullptr) : json::value(ms);
}

json::object drive_object(const Drive& drive) {
  json::object out;
  out["id"] = view(drive.id);
  out["path"] = view(drive.path);
  out["state"] = view(drive.state);
  out["reason"] = view(drive.reason);
  out["total_bytes"] = drive.total_bytes;
  out["available_bytes"] = drive.available_bytes;
  out["partitions_rebuilding"] = drive.partitions_rebuilding;
  out["repair_entries"] = drive.repair_entries;
  return out;
}

json::object rebuild_object(const Rebuild& rebuild) {
  json::object out;
  out["drive"] = view(rebuild.drive);
  out["partitions"] = rebuild.partitions;
  out["partitions_left"] = rebuild.partitions_left;
  out["units_done"] = rebuild.units_done;
  out["units_estimate"] =
      rebuild.units_estimate == 0 ? json::value(nullptr) : json::value(rebuild.units_estimate);
  out["units_failed"] = rebuild.units_failed;
  out["bytes"] = rebuild.bytes;
  out["started_ms"] = time(rebuild.started_ms);
  out["finished_ms"] = time(rebuild.finished_ms);
  out["whole"] = rebuild.whole;
  out["waiting_for"] = view(rebuild.waiting_for);
  return out;
}

json::object heal_object(const Heal& heal) {
  json::array rebuilds;
  for (const auto& rebuild : heal.rebuilds) rebuilds.push_back(rebuild_object(rebuild));
  json::object out;
  out["queued"] = heal.queued;
  out["repaired"] = heal.repaired;
  out["postponed"] = heal.postponed;
  out["errors"] = heal.errors;
  out["rebuilds"] = std::move(rebuilds);
  return out;
}

json::object scrub_object(const Scrub& scrub) {
  json::object out;
  out["enabled"] = scrub.enabled;
  out["running"] = scrub.running;
  out["started_ms"] = time(scrub.started_ms);
  out["finished_ms"] = time(scrub.finished_ms);
  out["units"] = scrub.units;
  out["bytes"] = scrub.bytes;
  out["damaged_shards"] = scrub.damaged_shards;
  out["not_whole"] = scrub.not_whole;
  out["errors"] = scrub.errors;
  return out;
}

}  // namespace

std::string to_json(const Status& status, std::int64_t now_ms) {
  json::array drives;
  for (const auto& drive : status.drives) drives.push_back(drive_object(drive));
  json::object memory;
  memory["limit_bytes"] = status.memory_limit_bytes;
  memory["used_bytes"] = status.memory_used_bytes;
  json::object out;
  out["version"] = view(status.version);
  out["cluster_id"] = view(status.cluster_id);
  out["erasure"] = view(status.erasure);
  out["started_ms"] = time(status.started_ms);
  out["uptime_seconds"] = std::max<std::int64_t>(0, now_ms - status.started_ms) / 1000;
  out["drives"] = std::move(drives);
  out["heal"] = heal_object(status.heal);
  out["scrub"] = scrub_object(status.scrub);
  out["memory"] = std::move(memory);
  return json::serialize(out) + "\n";
}

std::string error_json(std::string_view code, std::string_view message,
                       std::string_view request_id) {
  json::object error;
  error["code"] = view(code);
  error["message"] = view(message);
  error["request_id"] = view(request_id);
  json::object out;
  out["error"] = std::move(error);
  return json::serialize(out) + "\n";
}

std::string to_json(const Retired& retired) {
  json::object out;
  out["lost"] = view(retired.lost);
  out["replacement"] = view(retired.replacement);
  out["path"] = view(retired.path);
  return json::serialize(out) + "\n";
}

std::string to_json(const Readiness& readiness) {
  json::array reasons;
  for (const auto& reason : readiness.reasons) reasons.push_back(view(reason));
  json::object out;
  out["ready"] = readiness.ready();
  out["can_read"] = readiness.can_read;
  out["can_write"] = readiness.can_write;
  out["reasons"] = std::move(reasons);
  return json::serialize(out) + "\n";
}

}  // namespace cairn::admin
