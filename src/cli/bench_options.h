// What `cairn bench` is asked to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace cairn::cli {

enum class Case { put, get, head, list, remove, mixed, range, multipart };

struct Endpoint {
  std::string host = "127.0.0.1";
  std::uint16_t port = 9000;
};
// "http://HOST:PORT"
Result<Endpoint> parse_endpoint(const std::string& url);

struct BenchOptions {
  Case what = Case::put;
  std::string name = "put";  // of the case, as given
  Endpoint endpoint{};
  std::string bucket = "cairn-bench";
  std::string prefix = "bench/";
  std::uint64_t size = 4096;
  std::uint64_t range_bytes = 64 * 1024;   // of case range
  std::uint64_t part_bytes = 16ull << 20;  // of case multipart
  std::size_t concurrency = 16;
  std::size_t threads = 0;  // 0: one per core, at most the concurrency
  double seconds = 10;
  std::uint64_t objects =
      1000;  // that get, head, range, list and mixed work on; delete takes as many
  std::uint64_t max_operations = 0;  // 0: as many as fit the duration
  std::string region = "us-east-1";
  std::string access_key, secret;
  bool json = false;
  bool keep = false;      // leave the objects in place
  bool prepared = false;  // the objects are there from an earlier run with --keep
};

struct ParsedBench {
  BenchOptions options{};
  std::string help{};  // set: print it and end
};
Result<ParsedBench> parse_bench_options(const std::vector<std::string>& arguments);

// "4KiB", "5GiB", "100": bytes, binary units.
Result<std::uint64_t> parse_size(const std::string& text);
// "10s", "500ms", "2m", "10": seconds.
Result<double> parse_duration(const std::string& text);

}  // namespace cairn::cli
