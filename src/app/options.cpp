#include "app/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <set>

#include "app/expand.h"

namespace cairn::app {
namespace {

Error wrong(std::string text) {
  return Error{Code::invalid_argument, std::move(text)};
}

// Options are read before there is a second thread, and nothing ever sets a variable.
const char* environment(const char* name) {
  return std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
}

// "1GiB", "512M", "1048576": binary units.
Result<std::uint64_t> parse_bytes(const std::string& text, std::string_view flag) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  static const std::map<std::string, unsigned> shifts{
      {"", 0},     {"B", 0},  {"K", 10},   {"KiB", 10}, {"M", 20},
      {"MiB", 20}, {"G", 30}, {"GiB", 30}, {"T", 40},   {"TiB", 40}};
  const auto shift = shifts.find(unit);
  if (error != std::errc{} || shift == shifts.end() || number > (1ull << 50 >> shift->second))
    return wrong(std::string(flag) + " '" + text +
                 "' is no size; write for example 512MiB or 4GiB");
  return number << shift->second;
}

Result<void> parse_listen(const std::string& text, ServerSettings& settings) {
  const auto colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || error != std::errc{} || end != port.data() + port.size() || number > 65535)
    return wrong("--listen '" + text +
                 "' is not HOST:PORT; write for example 0.0.0.0:9000 or [::1]:9000");
  settings.port = static_cast<std::uint16_t>(number);
  settings.host = text.substr(0, colon);
  if (settings.host.size() >= 2 && settings.host.front() == '[' && settings.host.back() == ']')
    settings.host = settings.host.substr(1, settings.host.size() - 2);
  if (settings.host.empty()) settings.host = "0.0.0.0";
  return {};
}

Result<void> take_drives(const std::vector<std::string>& patterns, ServerSettings& settings) {
  if (patterns.empty())
    return wrong(
        "no drives given; name at least one directory, for example: cairn server /mnt/disk{1...4}");
  std::set<std::string> seen;
  for (const auto& pattern : patterns) {
    CAIRN_ASSIGN(const auto names, expand(pattern));
    for (const auto& name : names) {
      std::string path = std::filesystem::absolute(name).lexically_normal().string();
      while (path.size() > 1 && path.ends_with('/')) path.pop_back();
      if (!seen.insert(path).second) return wrong("the drive " + path + " is named twice");
      settings.drives.push_back(path);
    }
  }
  return {};
}

struct Raw {
  std::string listen = "0.0.0.0:9000", erasure, memory, inline_max = "1MiB", scrub = "32MiB",
              log_level = "info", log_format = "text", retire_drive, testing_chunk,
              testing_slow_drive;
  std::vector<std::string> drives;
};

// --testing-chunk SIZE, --testing-slow-drive N:MILLISECONDS.
Result<void> take_testing(const Raw& raw, ServerSettings& settings) {
  if (raw.testing_chunk.empty() && raw.testing_slow_drive.empty()) return {};
  const char* allowed = environment("CAIRN_TESTING");
  if (!allowed || std::string_view(allowed) != "1")
    return wrong(
        "--testing-... are for the tests of Cairn itself; never use them on data you need");
  if (!raw.testing_chunk.empty()) {
    CAIRN_ASSIGN(const auto bytes, parse_bytes(raw.testing_chunk, "--testing-chunk"));
    if (bytes == 0 || bytes > (1u << 20)) return wrong("--testing-chunk must be 1 to 1MiB");
    settings.testing.chunk_bytes = static_cast<std::uint32_t>(bytes);
  }
  if (!raw.testing_slow_drive.empty()) {
    std::size_t number = 0;
    const char* end = raw.testing_slow_drive.data() + raw.testing_slow_drive.size();
    const auto first = std::from_chars(raw.testing_slow_drive.data(), end, number);
    if (first.ec != std::errc{} || first.ptr == end || *first.ptr != ':' || number == 0 ||
        number > settings.drives.size())
      return wrong("--testing-slow-drive is N:MILLISECONDS, with N the number of a drive");
    const auto second = std::from_chars(first.ptr + 1, end, settings.testing.slow_drive_ms);
    if (second.ec != std::errc{} || second.ptr != end || settings.testing.slow_drive_ms > 60'000)
      return wrong("--testing-slow-drive is N:MILLISECONDS, at most 60000 of them");
    settings.testing.slow_drive = settings.drives[number - 1];
  }
  return {};
}

Result<void> interpret(const Raw& raw, ServerSettings& settings) {
  CAIRN_TRY(parse_listen(raw.listen, settings));
  CAIRN_TRY(take_drives(raw.drives, settings));
  CAIRN_TRY(take_testing(raw, settings));
  if (!raw.erasure.empty()) {
    auto profile = model::ErasureProfile::parse(raw.erasure);
    if (!profile) return wrong("--erasure: " + profile.error().message);
    if (profile->drives() > settings.drives.size())
      return wrong("--erasure " + raw.erasure + " needs " + std::to_string(profile->drives()) +
                   " drives, but " + std::to_string(settings.drives.size()) +
                   " are given; name more drives or choose a smaller profile");
    settings.erasure = *profile;
  }
  if (!raw.retire_drive.empty()) {
    settings.retire_drive = model::DriveId::from_hex(raw.retire_drive);
    if (!settings.retire_drive || settings.retire_drive->is_zero())
      return wrong("--retire-drive: '" + raw.retire_drive +
                   "' is no drive id, 32 hexadecimal digits; the start that failed named it");
  }
  if (!raw.memory.empty()) {
    CAIRN_ASSIGN(settings.memory_bytes, parse_bytes(raw.memory, "--memory"));
    if (settings.memory_bytes < (256ull << 20)) return wrong("--memory must be at least 256MiB");
  }
  CAIRN_ASSIGN(settings.inline_max_bytes, parse_bytes(raw.inline_max, "--inline-max"));
  if (settings.inline_max_bytes > (1u << 20)) return wrong("--inline-max must be at most 1MiB");
  CAIRN_ASSIGN(settings.scrub_bytes_per_second, parse_bytes(raw.scrub, "--scrub-rate"));
  static const std::map<std::string, log::Level> levels{{"debug", log::Level::debug},
                                                        {"info", log::Level::info},
                                                        {"warn", log::Level::warn},
                                                        {"error", log::Level::error}};
  settings.log.level = levels.at(raw.log_level);
  settings.log.json = raw.log_format == "json";
  if (settings.credentials_file.empty())
    settings.credentials_file =
        (std::filesystem::path(settings.drives.front()).parent_path() / "credentials").string();
  return {};
}

}  // namespace

Result<Parsed> parse_server_options(const std::vector<std::string>& arguments) {
  ServerSettings settings;
  Raw raw;
  CLI::App app{
      "Serves S3 from the drives named: directories, each on a file system of its own.\n"
      "{1...4} in a drive stands for 1, 2, 3, 4. New drives are formatted at the first start.\n",
      "cairn server"};
  app.add_option("DRIVE", raw.drives, "drive directories")->type_name("DIR");
  app.add_option("--listen", raw.listen, "address to serve on")
      ->envname("CAIRN_LISTEN")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_option("--erasure", raw.erasure,
                 "K data and M parity shards; default by the number of drives (4 drives: 2+2)")
      ->envname("CAIRN_ERASURE")
      ->type_name("K+M");
  app.add_flag("--import-map", settings.import_map,
               "where the control store was put back from a backup and knows an older map than the "
               "drives: take the map over from them");
  app.add_option("--retire-drive", raw.retire_drive,
                 "give up a drive that is lost for good, where the others cannot start without it: "
                 "an empty directory in its place is filled; what only that drive acknowledged is "
                 "lost. Once, and never in a script")
      ->type_name("ID");
  app.add_option("--region", settings.region, "the region clients sign for")
      ->envname("CAIRN_REGION")
      ->capture_default_str();
  app.add_option("--domain", settings.domains,
                 "also serve BUCKET.DOMAIN (virtual-host style); may be repeated")
      ->envname("CAIRN_DOMAIN")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option(
         "--credentials-file", settings.credentials_file,
         "root keys; made at the first start (default: 'credentials' beside the first drive)")
      ->envname("CAIRN_CREDENTIALS_FILE")
      ->type_name("FILE");
  app.add_option("--memory", raw.memory, "the one memory limit; default a quarter of the machine")
      ->envname("CAIRN_MEMORY")
      ->type_name("SIZE");
  app.add_option("--threads", settings.threads, "reactor threads; default one per core")
      ->envname("CAIRN_THREADS")
      ->check(CLI::Range(0, 1024));
  app.add_option("--file-io", settings.file_io, "how files are read and written")
      ->envname("CAIRN_FILE_IO")
      ->check(CLI::IsMember({"auto", "io_uring", "threads"}))
      ->capture_default_str();
  app.add_option("--inline-max", raw.inline_max,
                 "objects up to this size need no files of their own")
      ->envname("CAIRN_INLINE_MAX")
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_option("--scrub-rate", raw.scrub, "bytes per second that the scrub reads; 0 turns it off")
      ->envname("CAIRN_SCRUB_RATE")
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_option("--max-requests", settings.max_requests,
                 "requests in flight; more get 503 SlowDown")
      ->envname("CAIRN_MAX_REQUESTS")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--drain-seconds", settings.drain_seconds,
                 "on SIGTERM, wait this long for requests in progress")
      ->envname("CAIRN_DRAIN_SECONDS")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  app.add_option("--access-log", settings.access_log,
                 "one line per request to this file, or - for standard error")
      ->envname("CAIRN_ACCESS_LOG")
      ->type_name("FILE");
  app.add_option("--log-level", raw.log_level, "debug, info, warn or error")
      ->envname("CAIRN_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_option("--log-format", raw.log_format, "text or json")
      ->envname("CAIRN_LOG_FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_flag("--metrics-auth", settings.metrics_need_auth, "/metrics needs a signed request")
      ->envname("CAIRN_METRICS_AUTH");
  app.add_flag("--unsafe-no-sync", settings.unsafe_no_sync,
               "acknowledge writes before they are on stable storage: a power cut loses them")
      ->envname("CAIRN_UNSAFE_NO_SYNC");
  app.add_flag("--quick-start", settings.quick_start, "print commands to try")
      ->envname("CAIRN_QUICK_START");
  app.add_option("--testing-chunk", raw.testing_chunk)->group("");  // hidden
  app.add_option("--testing-slow-drive", raw.testing_slow_drive)->group("");
  app.footer(
      "Root keys: CAIRN_ROOT_USER and CAIRN_ROOT_PASSWORD, else the credentials file.\n"
      "Every flag has an environment variable: CAIRN_ and its name, as shown above.\n\n"
      "Examples:\n  cairn server /mnt/disk{1...4}\n  cairn server --listen 127.0.0.1:9000 "
      "--erasure 4+2 /mnt/disk{1...6}");
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return Parsed{std::nullopt, app.help()};
  } catch (const CLI::ParseError& error) {
    return wrong(std::string(error.what()) + "\nrun 'cairn server --help' for the options");
  }
  if (const char* user = environment("CAIRN_ROOT_USER")) settings.root_user = user;
  if (const char* password = environment("CAIRN_ROOT_PASSWORD")) settings.root_password = password;
  CAIRN_TRY(interpret(raw, settings));
  return Parsed{std::move(settings), {}};
}

}  // namespace cairn::app
