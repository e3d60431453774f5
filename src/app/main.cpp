// cairn: one binary. Dispatches to the command named first.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "app/calibrate.h"
#include "app/server.h"
#include "app/version.h"
#include "cli/cli.h"

namespace {

constexpr std::string_view kHelp =
    R"(cairn: an S3-compatible, erasure-coded object store

usage: cairn COMMAND [OPTIONS]

  server DRIVE...   serve S3 from drives (directories); formats new ones
  admin             look after a running server: status, scrub, heal, retire
  bench CASE        drive any S3 endpoint and report its speed
  calibrate         what this machine does at best, to compare with
  help, version

'cairn COMMAND --help' explains a command.

First steps:
  cairn server /mnt/disk{1...4}
)";

int usage(const char* problem) {
  std::fprintf(stderr, "cairn: %s; 'cairn help' lists the commands\n", problem);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return usage("no command given");
  const std::string_view command = argv[1];
  const std::vector<std::string> arguments(argv + 2, argv + argc);
  if (command == "server") return cairn::app::server(arguments);
  if (command == "admin") return cairn::cli::admin(arguments);
  if (command == "bench") return cairn::cli::bench(arguments);
  if (command == "calibrate") return cairn::app::calibrate(arguments);
  if (command == "help" || command == "--help" || command == "-h") {
    std::fwrite(kHelp.data(), 1, kHelp.size(), stdout);
    return 0;
  }
  if (command == "version" || command == "--version") {
    std::printf("cairn %s\n", cairn::app::kVersion);
    return 0;
  }
  return usage(("unknown command '" + std::string(command) + "'").c_str());
}
