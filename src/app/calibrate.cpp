#include "app/calibrate.h"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "app/signals.h"
#include "crypto/digest.h"
#include "crypto/md5_lanes.h"
#include "io/reactor.h"
#include "net/http.h"

namespace cairn::app {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double thread_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Runs `work` (which handles `bytes`) for about half a second and returns MiB per second of this
// thread's processor time, which other work on the machine disturbs least.
template <class F>
double mib_per_second(std::size_t bytes, F work) {
  const auto begin = Clock::now();
  const double cpu_begin = thread_cpu_seconds();
  std::uint64_t rounds = 0;
  while (seconds_since(begin) < 0.5) {
    work();
    ++rounds;
  }
  return static_cast<double>(rounds * bytes) / (1 << 20) / (thread_cpu_seconds() - cpu_begin);
}

double md5_mib() {
  std::vector<std::byte> data(1 << 20, std::byte{7});
  return mib_per_second(data.size(), [&] { (void)crypto::md5(data); });
}

// Of `streams` bodies hashed side by side on one core, all together.
double md5_lanes_mib(std::size_t streams) {
  constexpr std::size_t kPiece = 64 << 10;
  const std::vector<std::byte> data(streams * kPiece, std::byte{7});
  std::vector<crypto::Md5State> states(streams);
  std::vector<crypto::Md5Piece> pieces;
  for (std::size_t i = 0; i < streams; ++i)
    pieces.push_back({&states[i], io::Bytes(data).subspan(i * kPiece, kPiece)});
  return mib_per_second(data.size(), [&] { crypto::md5_update(pieces); });
}

double memcpy_mib() {
  std::vector<std::byte> from(64 << 20, std::byte{1}), to(64 << 20);
  return mib_per_second(from.size(), [&] {
    std::memcpy(to.data(), from.data(), from.size());
    asm volatile("" : : "r"(to.data()) : "memory");
  });
}

// Seconds of one 4-KiB append with fdatasync: the median of 200.
double synced_write_seconds(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  const std::vector<char> block(4096, 'x');
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const auto begin = Clock::now();
    if (::write(fd, block.data(), block.size()) != 4096 || ::fdatasync(fd) != 0) break;
    times.push_back(seconds_since(begin));
  }
  ::close(fd);
  ::unlink(path.c_str());
  if (times.empty()) return -1;
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

// MiB per second of writing 512 MiB with one sync at the end.
double sequential_mib(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  const std::vector<char> block(4 << 20, 'x');
  const auto begin = Clock::now();
  bool good = true;
  for (int i = 0; i < 128 && good; ++i)
    good = ::write(fd, block.data(), block.size()) == static_cast<ssize_t>(block.size());
  good = good && ::fdatasync(fd) == 0;
  const double took = seconds_since(begin);
  ::close(fd);
  ::unlink(path.c_str());
  return good ? 512 / took : -1;
}

int machine(const std::string& directory) {
  const std::string file = directory + "/.cairn-calibration";
  std::printf(
      "{\"md5_mib_per_second\":%.1f,\"md5_4_streams_mib_per_second\":%.1f,"
      "\"md5_8_streams_mib_per_second\":%.1f,\"md5_16_streams_mib_per_second\":%.1f,"
      "\"memcpy_mib_per_second\":%.1f,\"synced_write_ms\":%.4f,"
      "\"sequential_write_mib_per_second\":%.1f}\n",
      md5_mib(), md5_lanes_mib(4), md5_lanes_mib(8), md5_lanes_mib(16), memcpy_mib(),
      synced_write_seconds(file) * 1000, sequential_mib(file));
  return 0;
}

struct Echo {
  io::Slice content = io::Slice::of(std::string(4096, 'e'));
  static io::Task<net::Response> answer(const Echo* self, net::Request&) {
    net::Response response;
    response.headers.add("Content-Type", "binary/octet-stream");
    response.content = std::string(io::as_text(self->content.bytes));
    co_return response;
  }
};

int echo(const std::string& host, std::uint16_t port, std::size_t threads) {
  Signals signals;
  auto reactors =
      io::make_reactors(threads == 0 ? std::max(1u, std::thread::hardware_concurrency()) : threads);
  metrics::Registry metrics;
  Echo content;
  net::ServerOptions options;
  options.host = host;
  options.port = port;
  auto server = net::make_server(
      options, *reactors, [&content](net::Request& r) { return Echo::answer(&content, r); },
      metrics);
  reactors->start();
  if (auto started = server->start(); !started) {
    std::fprintf(stderr, "cairn calibrate: %s\n", started.error().message.c_str());
    return 1;
  }
  std::fprintf(stderr, "echo on %s:%u\n", host.c_str(), server->port());
  signals.wait();
  struct Drain {
    static io::Task<bool> run(net::Server* server) {
      co_await server->drain(std::chrono::seconds(5));
      co_return true;
    }
  };
  (void)io::block_on(*reactors, Drain::run(server.get()));
  reactors->stop();
  return 0;
}

}  // namespace

int calibrate(const std::vector<std::string>& arguments) {
  CLI::App app{"Yardsticks: what this machine does at best.\n", "cairn calibrate"};
  app.require_subcommand(1);
  std::string host = "127.0.0.1", directory = ".";
  std::uint16_t port = 9001;
  std::size_t threads = 0;
  auto* echo_command =
      app.add_subcommand("echo", "answer 4 KiB from memory over HTTP until SIGTERM");
  echo_command->add_option("--host", host, "address")->capture_default_str();
  echo_command->add_option("--port", port, "port")->capture_default_str();
  echo_command->add_option("--threads", threads, "reactor threads; default one per core");
  auto* machine_command =
      app.add_subcommand("machine", "MD5, memory copy, synced write, sequential disk, as JSON");
  machine_command->add_option("--directory", directory, "where to write")->capture_default_str();
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return echo_command->parsed() ? echo(host, port, threads) : machine(directory);
}

}  // namespace cairn::app
