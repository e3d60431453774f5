#include "cli/bench_options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>

namespace cairn::cli {
namespace {

Error wrong(std::string text) {
  return Error{Code::invalid_argument, std::move(text)};
}

const std::map<std::string, Case> kCases{{"put", Case::put},       {"get", Case::get},
                                         {"head", Case::head},     {"list", Case::list},
                                         {"delete", Case::remove}, {"mixed", Case::mixed},
                                         {"range", Case::range},   {"multipart", Case::multipart}};

}  // namespace

Result<Endpoint> parse_endpoint(const std::string& given) {
  std::string url = given;
  if (url.starts_with("http://"))
    url.erase(0, 7);
  else if (url.find("://") != std::string::npos)
    return wrong("--endpoint " + given + ": only http:// is spoken here");
  while (url.ends_with('/')) url.pop_back();
  const auto colon = url.rfind(':');
  Endpoint endpoint{url.substr(0, colon), 80};
  if (colon != std::string::npos) {
    unsigned port = 0;
    const char* end = url.data() + url.size();
    const auto [stop, error] = std::from_chars(url.data() + colon + 1, end, port);
    if (error != std::errc{} || stop != end || port == 0 || port > 65535)
      return wrong("--endpoint " + given + ": no port");
    endpoint.port = static_cast<std::uint16_t>(port);
  }
  if (endpoint.host.empty()) return wrong("--endpoint " + given + ": no host");
  return endpoint;
}

Result<std::uint64_t> parse_size(const std::string& text) {
  static const std::map<std::string, unsigned> shifts{
      {"", 0},     {"B", 0},  {"K", 10},   {"KiB", 10}, {"M", 20},
      {"MiB", 20}, {"G", 30}, {"GiB", 30}, {"T", 40},   {"TiB", 40}};
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const auto shift = shifts.find(std::string(stop, end));
  if (error != std::errc{} || shift == shifts.end() || number > (1ull << 44 >> shift->second))
    return wrong("'" + text + "' is no size; write for example 4KiB or 16MiB");
  return number << shift->second;
}

Result<double> parse_duration(const std::string& text) {
  static const std::map<std::string, double> units{
      {"", 1.0}, {"s", 1.0}, {"ms", 0.001}, {"m", 60.0}};
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const auto unit = units.find(std::string(stop, end));
  if (error != std::errc{} || unit == units.end() || !(number * unit->second >= 0.001) ||
      number * unit->second > 86'400)
    return wrong("'" + text + "' is no duration; write for example 10s or 500ms");
  return number * unit->second;
}

Result<ParsedBench> parse_bench_options(const std::vector<std::string>& arguments) {
  ParsedBench parsed;
  BenchOptions& options = parsed.options;
  std::string what, endpoint = "http://127.0.0.1:9000", size = "4KiB", duration = "10s",
                    range = "64KiB", part = "16MiB";
  CLI::App app{
      "Drives any S3 endpoint and reports operations per second, MiB per second and latencies.\n"
      "Bodies are incompressible. What it creates it removes again, unless told to --keep.\n",
      "cairn bench"};
  std::vector<std::string> names;
  for (const auto& [name, value] : kCases) names.push_back(name);
  app.add_option("CASE", what, "what to do")->required()->check(CLI::IsMember(names));
  app.add_option("--endpoint", endpoint, "server")
      ->envname("CAIRN_ENDPOINT")
      ->capture_default_str();
  app.add_option("--bucket", options.bucket, "bucket; made if it is not there")
      ->capture_default_str();
  app.add_option("--prefix", options.prefix, "first part of every key")->capture_default_str();
  app.add_option("--size", size, "bytes of an object")->capture_default_str();
  app.add_option("--range", range, "bytes of a read (range)")->capture_default_str();
  app.add_option("--part-size", part, "bytes of a part (multipart)")->capture_default_str();
  app.add_option("--concurrency", options.concurrency,
                 "requests in flight, each on a connection of its own")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "threads of this client; default one per core")
      ->check(CLI::Range(0, 256));
  app.add_option("--duration", duration, "how long to measure")->capture_default_str();
  app.add_option("--objects", options.objects, "objects to work on")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--operations", options.max_operations,
                 "stop after so many; 0: only after the duration")
      ->capture_default_str();
  app.add_option("--region", options.region, "region to sign for")
      ->envname("AWS_REGION")
      ->capture_default_str();
  app.add_option("--access-key", options.access_key, "access key")->envname("AWS_ACCESS_KEY_ID");
  app.add_option("--secret-key", options.secret, "secret key; better given by the environment")
      ->envname("AWS_SECRET_ACCESS_KEY");
  app.add_flag("--json", options.json, "print one JSON object");
  app.add_flag("--keep", options.keep, "leave the objects in place");
  app.add_flag("--prepared", options.prepared, "the objects are there from a run with --keep");
  app.footer(
      "Example:\n  AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... cairn bench get --size 4KiB "
      "--concurrency 16");
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    parsed.help = app.help();
    return parsed;
  } catch (const CLI::ParseError& error) {
    return wrong(std::string(error.what()) + "\nrun 'cairn bench --help' for the options");
  }
  options.what = kCases.at(what);
  options.name = what;
  CAIRN_ASSIGN(options.endpoint, parse_endpoint(endpoint));
  CAIRN_ASSIGN(options.size, parse_size(size));
  CAIRN_ASSIGN(options.range_bytes, parse_size(range));
  CAIRN_ASSIGN(options.part_bytes, parse_size(part));
  CAIRN_ASSIGN(options.seconds, parse_duration(duration));
  if (options.access_key.empty() || options.secret.empty())
    return wrong("no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  if (options.what == Case::range && options.range_bytes > options.size)
    return wrong("--range is larger than --size");
  if (options.what == Case::multipart && options.part_bytes < (5ull << 20))
    return wrong("--part-size is at least 5MiB");
  return parsed;
}

}  // namespace cairn::cli
