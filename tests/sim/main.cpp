// cairn_sim: runs seeds of the simulation until one fails.
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/log.h"
#include "sim/simulation.h"

namespace {

using cairn::sim::Setup;

char g_where[160];

// An assertion of the code under test ends the process; which seed it was must be known.
void say_where(int) {
  const auto written = ::write(2, g_where, std::strlen(g_where));
  static_cast<void>(written);
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

int usage() {
  std::fprintf(
      stderr,
      "usage: cairn_sim [--seeds N] [--first S] [--seed S] [--profile K+M]... [--verbose]\n"
      "  --seeds N      seeds per profile (default 50)\n"
      "  --first S      the first seed (default 1)\n"
      "  --seed S       this seed alone\n"
      "  --profile K+M  default: 1+0 1+1 1+2 2+1 2+2 4+2\n"
      "  --verbose      what happens, with virtual times\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t first = 1, seeds = 50;
  std::vector<cairn::model::ErasureProfile> profiles;
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--verbose") {
      verbose = true;
      continue;
    }
    if (i + 1 == argc) return usage();
    const std::string value = argv[++i];
    if (name == "--seeds") {
      seeds = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--first") {
      first = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--seed") {
      first = std::strtoull(value.c_str(), nullptr, 10);
      seeds = 1;
    } else if (name == "--profile") {
      const auto profile = cairn::model::ErasureProfile::parse(value);
      if (!profile) return usage();
      profiles.push_back(*profile);
    } else {
      return usage();
    }
  }
  if (profiles.empty()) profiles = {{1, 0}, {1, 1}, {1, 2}, {2, 1}, {2, 2}, {4, 2}};
  cairn::log::Options log;
  log.level = verbose ? cairn::log::Level::debug : cairn::log::Level::error;
  if (!verbose) log.file = "/dev/null";
  cairn::log::configure(log);
  std::signal(SIGABRT, say_where);

  std::uint64_t answered = 0, steps = 0, failed = 0, runs = 0, copies = 0;
  cairn::io::Duration recovery{}, slowest{}, longest{};
  for (const auto& profile : profiles) {
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
      std::snprintf(g_where, sizeof g_where, "\ncairn_sim: ended in --seed %llu --profile %s\n",
                    static_cast<unsigned long long>(seed), profile.text().c_str());
      Setup setup;
      setup.seed = seed;
      setup.profile = profile;
      setup.verbose = verbose;
      const auto report = cairn::sim::simulate(setup);
      answered += report.answered;
      steps += report.steps;
      copies += report.copies_refused;
      ++runs;
      recovery += report.recovery;
      slowest = std::max(slowest, report.recovery);
      longest = std::max(longest, report.longest);
      if (!report.failure) continue;
      ++failed;
      std::printf("FAILED --seed %llu --profile %s\n%s\n", static_cast<unsigned long long>(seed),
                  profile.text().c_str(), report.failure->c_str());
      std::fflush(stdout);
      if (failed >= 10) return 1;
    }
  }
  std::printf("%llu seeds of %zu profiles, %llu operations answered, %llu events, %llu failed\n",
              static_cast<unsigned long long>(seeds), profiles.size(),
              static_cast<unsigned long long>(answered), static_cast<unsigned long long>(steps),
              static_cast<unsigned long long>(failed));
  const auto seconds = [](cairn::io::Duration d) {
    return std::chrono::duration<double>(d).count();
  };
  std::printf(
      "whole again after %.1f s on average, %.1f s at most; the longest operation took %.1f s; "
      "%llu old copies refused\n",
      seconds(recovery) / static_cast<double>(std::max<std::uint64_t>(runs, 1)), seconds(slowest),
      seconds(longest), static_cast<unsigned long long>(copies));
  return failed == 0 ? 0 : 1;
}
