// Settings of `cairn server`: flags, each with an environment variable. Nothing else of Cairn reads
// settings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "model/ids.h"
#include "model/profile.h"

namespace cairn::app {

// Worlds that only the tests make (CONTRIBUTING.md). Hidden flags without environment variables,
// refused unless CAIRN_TESTING=1 is in the environment as well.
struct TestingSettings {
  std::uint32_t chunk_bytes = 0;    // of new stripes; 0: as always
  std::string slow_drive{};         // the path of one of the drives; empty: none
  std::uint64_t slow_drive_ms = 0;  // app/slow_drive.h
};

struct ServerSettings {
  std::string host = "0.0.0.0";
  std::uint16_t port = 9000;
  std::vector<std::string> drives{};               // absolute, expanded
  std::optional<model::ErasureProfile> erasure{};  // only used when the drives are new
  std::string region = "us-east-1";
  std::vector<std::string> domains{};
  std::string root_user{}, root_password{};
  std::string credentials_file{};  // default: beside the first drive
  std::uint64_t memory_bytes = 0;  // the one limit; 0: a quarter of the machine
  std::size_t threads = 0;         // 0: one per core
  std::string file_io = "auto";    // auto, io_uring, threads
  std::uint64_t inline_max_bytes = 1024 * 1024;
  std::uint64_t scrub_bytes_per_second = 32ull << 20;  // 0: no scrub
  std::optional<model::DriveId> retire_drive{};        // lost for good (7.6)
  bool import_map = false;      // take a newer cluster map over from the drives (8.5)
  bool unsafe_no_sync = false;  // acknowledged before it is durable; never the default
  bool metrics_need_auth = false;
  std::string access_log{};  // empty: off; "-": standard error; else a file
  log::Options log{};
  bool quick_start = false;           // print what to try first
  std::uint64_t max_requests = 4096;  // in flight; more get 503 SlowDown
  std::uint64_t drain_seconds = 30;
  TestingSettings testing{};
};

// Parses the arguments after "server". An Error's message is ready to print. `help` set: print it
// and exit 0.
struct Parsed {
  std::optional<ServerSettings> settings{};
  std::string help{};
};
Result<Parsed> parse_server_options(const std::vector<std::string>& arguments);

}  // namespace cairn::app
