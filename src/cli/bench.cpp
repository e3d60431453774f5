#include <unistd.h>

#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <thread>

#include "auth/auth.h"
#include "cli/bench_options.h"
#include "cli/cli.h"
#include "cli/latency.h"
#include "io/reactor.h"
#include "io/world.h"
#include "net/http.h"

namespace cairn::cli {
namespace {

using Clock = std::chrono::steady_clock;

// What one lane (a connection) or all of them did.
struct Tally {
  Latencies latencies;
  std::uint64_t operations = 0, bytes = 0, errors = 0;
  std::string first_error;
  void add(const Tally& other) {
    latencies.add(other.latencies);
    operations += other.operations;
    bytes += other.bytes;
    errors += other.errors;
    if (first_error.empty()) first_error = other.first_error;
  }
};

// Everything the lanes share; read-only while they run, but for the counters.
struct Run {
  BenchOptions options;
  std::string host_header;
  std::vector<std::byte> noise;  // incompressible; bodies are windows into it
  io::Clock* clock = nullptr;
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> stop{false};
};

constexpr std::size_t kNoiseWindows = 4096;
constexpr std::uint64_t kMaxNoise = 64ull << 20;

// A body of `size` bytes: windows into the noise, at a place of its own for each index.
std::vector<io::Bytes> body_of(const Run& run, std::uint64_t index, std::uint64_t size) {
  std::vector<io::Bytes> pieces;
  const io::Bytes window = io::Bytes(run.noise).subspan((index * 7919) % kNoiseWindows,
                                                        run.noise.size() - kNoiseWindows);
  while (size > 0) {
    const std::uint64_t take = std::min<std::uint64_t>(size, window.size());
    pieces.push_back(window.first(take));
    size -= take;
  }
  return pieces;
}

std::string key_of(const Run& run, std::uint64_t index) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%02x/%08" PRIu64,
                static_cast<unsigned>(index * 2654435761u >> 24 & 255), index);
  return run.options.prefix + digits;
}

using ExtraHeaders = std::vector<std::pair<std::string, std::string>>;

// The signed head of a request, ready to send.
std::string make_head(const Run& run, const std::string& method, const std::string& path,
                      const std::string& query, std::optional<std::uint64_t> length,
                      ExtraHeaders extra = {}) {
  auth::SignRequest sign;
  sign.method = method;
  sign.path = path;
  sign.query = query;
  sign.headers = {{"host", run.host_header}};
  sign.access_key = run.options.access_key;
  sign.secret = run.options.secret;
  sign.region = run.options.region;
  sign.now_ms = run.clock->unix_ms();
  std::string head = method + " " + path + (query.empty() ? "" : "?" + query) +
                     " HTTP/1.1\r\nHost: " + run.host_header + "\r\n";
  for (const auto& [name, value] : auth::sign(sign)) head += name + ": " + value + "\r\n";
  for (const auto& [name, value] : extra) head += name + ": " + value + "\r\n";
  if (length) head += "Content-Length: " + std::to_string(*length) + "\r\n";
  return head + "\r\n";
}

std::string object_path(const Run& run, const std::string& key) {
  return "/" + run.options.bucket + "/" + net::percent_encode(key, true);
}

// One connection that is made again when it breaks.
class Lane {
 public:
  explicit Lane(Run& run) : run_(run) {}

  io::Task<Result<net::ClientResponse>> send(std::string head, std::vector<io::Bytes> body,
                                             bool is_head, bool keep) {
    if (!client_) {
      auto connected = co_await net::connect(run_.options.endpoint.host, run_.options.endpoint.port,
                                             std::chrono::seconds(10));
      if (!connected) co_return Error{std::move(connected.error())};
      client_ = std::move(*connected);
    }
    auto response = co_await client_->request(std::move(head), std::move(body), is_head, keep);
    if (!response) client_.reset();
    co_return response;
  }

 private:
  Run& run_;
  std::unique_ptr<net::Client> client_;
};

struct Step {
  bool ok = false;
  std::uint64_t bytes = 0;
  std::string error;
};

Step judge(const Result<net::ClientResponse>& response, std::initializer_list<int> good,
           std::uint64_t bytes) {
  if (!response) return {false, 0, response.error().message};
  for (const int status : good)
    if (response->status == status) return {true, bytes, ""};
  return {false, 0,
          "status " + std::to_string(response->status) + " " + response->body.substr(0, 300)};
}

io::Task<Step> put_one(Run& run, Lane& lane, std::string key, std::uint64_t index) {
  std::vector<io::Bytes> body = body_of(run, index, run.options.size);
  auto response =
      co_await lane.send(make_head(run, "PUT", object_path(run, key), "", run.options.size),
                         std::move(body), false, true);
  co_return judge(response, {200}, run.options.size);
}

io::Task<Step> get_one(Run& run, Lane& lane, std::string key,
                       std::optional<std::uint64_t> range_start) {
  ExtraHeaders extra;
  std::uint64_t expected = run.options.size;
  if (range_start) {
    expected = run.options.range_bytes;
    extra.emplace_back("Range", "bytes=" + std::to_string(*range_start) + "-" +
                                    std::to_string(*range_start + expected - 1));
  }
  auto response = co_await lane.send(
      make_head(run, "GET", object_path(run, key), "", std::nullopt, std::move(extra)), {}, false,
      false);
  Step step = judge(response, {200, 206}, response ? response->body_bytes : 0);
  if (step.ok && step.bytes != expected)
    step = {false, 0,
            "a body of " + std::to_string(step.bytes) + " bytes instead of " +
                std::to_string(expected)};
  co_return step;
}

io::Task<Step> head_one(Run& run, Lane& lane, std::string key) {
  auto response = co_await lane.send(
      make_head(run, "HEAD", object_path(run, key), "", std::nullopt), {}, true, false);
  co_return judge(response, {200}, 0);
}

io::Task<Step> delete_one(Run& run, Lane& lane, std::string key) {
  auto response = co_await lane.send(
      make_head(run, "DELETE", object_path(run, key), "", std::nullopt), {}, false, true);
  co_return judge(response, {204}, 0);
}

std::string between(const std::string& text, const std::string& open, const std::string& close) {
  const auto begin = text.find(open);
  if (begin == std::string::npos) return {};
  const auto end = text.find(close, begin + open.size());
  if (end == std::string::npos) return {};
  return text.substr(begin + open.size(), end - begin - open.size());
}

// One page of 1,000 keys, from a place that moves with `index`.
io::Task<Step> list_one(Run& run, Lane& lane, std::uint64_t index) {
  const std::string after = key_of(run, index % run.options.objects);
  const std::string query =
      "list-type=2&max-keys=1000&prefix=" + net::percent_encode(run.options.prefix, false) +
      "&start-after=" + net::percent_encode(after, false);
  auto response = co_await lane.send(
      make_head(run, "GET", "/" + run.options.bucket, query, std::nullopt), {}, false, true);
  Step step = judge(response, {200}, 0);
  if (step.ok) step.bytes = response->body_bytes;
  if (step.ok && response->body.find("</ListBucketResult>") == std::string::npos)
    step = {false, 0, "a page that does not end"};
  co_return step;
}

// Eight parts, one after the other on this lane's connection while the other lanes do the same: the
// server sees `concurrency` parts at a time.
io::Task<Step> multipart_one(Run& run, Lane& lane, std::string key, std::uint64_t index) {
  constexpr unsigned kParts = 8;
  const std::string path = object_path(run, key);
  auto created = co_await lane.send(make_head(run, "POST", path, "uploads=", 0), {}, false, true);
  Step step = judge(created, {200}, 0);
  if (!step.ok) co_return step;
  const std::string upload = between(created->body, "<UploadId>", "</UploadId>");
  std::string document = "<CompleteMultipartUpload>";
  for (unsigned part = 1; part <= kParts; ++part) {
    const std::string query =
        "partNumber=" + std::to_string(part) + "&uploadId=" + net::percent_encode(upload, false);
    std::vector<io::Bytes> body = body_of(run, index * kParts + part, run.options.part_bytes);
    auto sent = co_await lane.send(make_head(run, "PUT", path, query, run.options.part_bytes),
                                   std::move(body), false, true);
    step = judge(sent, {200}, 0);
    if (!step.ok) co_return step;
    document += "<Part><PartNumber>" + std::to_string(part) + "</PartNumber><ETag>" +
                std::string(sent->headers.get("etag").value_or("")) + "</ETag></Part>";
  }
  document += "</CompleteMultipartUpload>";
  std::vector<io::Bytes> body{io::as_bytes(document)};
  auto completed = co_await lane.send(
      make_head(run, "POST", path, "uploadId=" + net::percent_encode(upload, false),
                document.size()),
      std::move(body), false, true);
  step = judge(completed, {200}, kParts * run.options.part_bytes);
  if (step.ok && completed->body.find("<Error>") != std::string::npos)
    step = {false, 0, completed->body.substr(0, 300)};
  co_return step;
}

io::Task<Step> one(Run& run, Lane& lane, std::uint64_t index) {
  const std::uint64_t objects = run.options.objects;
  const std::uint64_t scattered = index * 0x9E3779B97F4A7C15ull >> 20;
  switch (run.options.what) {
    case Case::put:
      co_return co_await put_one(run, lane, key_of(run, index), index);
    case Case::get:
      co_return co_await get_one(run, lane, key_of(run, scattered % objects), std::nullopt);
    case Case::range: {
      const std::uint64_t places = run.options.size - run.options.range_bytes + 1;
      co_return co_await get_one(run, lane, key_of(run, scattered % objects),
                                 (scattered * 65'537) % places);
    }
    case Case::head:
      co_return co_await head_one(run, lane, key_of(run, scattered % objects));
    case Case::list:
      co_return co_await list_one(run, lane, scattered);
    case Case::remove:
      co_return co_await delete_one(run, lane, key_of(run, index));
    case Case::multipart:
      co_return co_await multipart_one(run, lane, key_of(run, index), index);
    case Case::mixed: {  // 45 % GET, 30 % HEAD, 15 % PUT, 10 % DELETE of what was put
      const std::uint64_t dice = scattered % 100;
      if (dice < 45)
        co_return co_await get_one(run, lane, key_of(run, scattered / 100 % objects), std::nullopt);
      if (dice < 75) co_return co_await head_one(run, lane, key_of(run, scattered / 100 % objects));
      if (dice < 90) co_return co_await put_one(run, lane, key_of(run, objects + index), index);
      co_return co_await delete_one(run, lane, key_of(run, objects + index));
    }
  }
  co_return Step{};
}

io::Task<Tally> lane_loop(Run* run, std::uint64_t limit) {
  Tally tally;
  Lane lane(*run);
  while (!run->stop.load(std::memory_order_relaxed)) {
    const std::uint64_t index = run->next.fetch_add(1, std::memory_order_relaxed);
    if (limit != 0 && index >= limit) break;
    const auto begin = Clock::now();
    const Step step = co_await one(*run, lane, index);
    const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin);
    if (step.ok) {
      ++tally.operations;
      tally.bytes += step.bytes;
      tally.latencies.record(static_cast<std::uint64_t>(took.count()));
    } else {
      ++tally.errors;
      if (tally.first_error.empty()) tally.first_error = step.error;
      if (tally.errors > 1000) break;
    }
  }
  co_return tally;
}

// Runs `lanes` loops on all reactors until the limit or the deadline, and adds up what they did.
Tally drive(io::Reactors& reactors, Run& run, std::size_t lanes, std::uint64_t limit,
            double seconds, double* elapsed) {
  run.next = 0;
  run.stop = false;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t left = lanes;
  Tally total;
  const auto begin = Clock::now();
  struct Start {
    static io::Task<void> lane(Run* run, std::uint64_t limit, std::mutex* mutex,
                               std::condition_variable* changed, std::size_t* left, Tally* total) {
      Tally tally = co_await lane_loop(run, limit);
      std::lock_guard lock(*mutex);
      total->add(tally);
      if (--*left == 0) changed->notify_all();
    }
  };
  for (std::size_t i = 0; i < lanes; ++i)
    io::spawn(reactors.at(i % reactors.size()),
              Start::lane(&run, limit, &mutex, &changed, &left, &total));
  std::unique_lock lock(mutex);
  if (seconds > 0) {
    const auto until =
        begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    if (!changed.wait_until(lock, until, [&] { return left == 0; })) run.stop = true;
  }
  changed.wait(lock, [&] { return left == 0; });
  *elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  return total;
}

io::Task<Step> make_bucket(Run& run) {
  Lane lane(run);
  auto response =
      co_await lane.send(make_head(run, "PUT", "/" + run.options.bucket, "", 0), {}, false, true);
  co_return judge(response, {200, 409}, 0);
}

void report(const BenchOptions& options, const Tally& tally, double seconds) {
  const double ops = static_cast<double>(tally.operations) / seconds;
  const double mib = static_cast<double>(tally.bytes) / seconds / (1 << 20);
  const auto ms = [&](double q) { return static_cast<double>(tally.latencies.quantile(q)) / 1e6; };
  if (options.json) {
    std::printf("{\"case\":\"%s\",\"size\":%" PRIu64
                ",\"concurrency\":%zu,\"seconds\":%.3f,\"operations\":%" PRIu64
                ",\"ops_per_second\":%.1f,\"mib_per_second\":%.2f,\"p50_ms\":%.4f,\"p90_ms\":%.4f,"
                "\"p99_ms\":%.4f,"
                "\"mean_ms\":%.4f,\"errors\":%" PRIu64 "}\n",
                options.name.c_str(), options.size, options.concurrency, seconds, tally.operations,
                ops, mib, ms(0.5), ms(0.9), ms(0.99), tally.latencies.mean() / 1e6, tally.errors);
    return;
  }
  std::printf(
      "%-9s %10" PRIu64
      " B x%-4zu %10.0f ops/s %10.1f MiB/s   p50 %.3f ms  p90 %.3f ms  p99 %.3f ms  errors %" PRIu64
      "\n",
      options.name.c_str(), options.size, options.concurrency, ops, mib, ms(0.5), ms(0.9), ms(0.99),
      tally.errors);
}

// Prepares, measures, cleans up. Returns the exit status.
int measure(io::Reactors& reactors, Run& run) {
  BenchOptions& options = run.options;
  const Case what = options.what;
  const auto phase = [&](Case as, std::uint64_t count) {
    options.what = as;
    double ignored = 0;
    Tally tally =
        drive(reactors, run, std::max<std::size_t>(options.concurrency, 16), count, 0, &ignored);
    options.what = what;
    return tally;
  };
  const Step made = io::block_on(reactors, make_bucket(run));
  if (!made.ok) {
    std::fprintf(stderr, "cairn bench: cannot make the bucket %s: %s\n", options.bucket.c_str(),
                 made.error.c_str());
    return 1;
  }
  const bool needs_objects = what != Case::put && what != Case::multipart;
  if (needs_objects && !options.prepared) {
    const Tally filled = phase(Case::put, options.objects);
    if (filled.errors != 0) {
      std::fprintf(stderr, "cairn bench: could not store the objects: %s\n",
                   filled.first_error.c_str());
      return 1;
    }
  }
  std::uint64_t limit = options.max_operations;
  if (what == Case::remove) limit = limit == 0 ? options.objects : std::min(limit, options.objects);
  double seconds = 0;
  const Tally tally = drive(reactors, run, options.concurrency, limit, options.seconds, &seconds);
  const std::uint64_t used = run.next.load();
  report(options, tally, seconds);
  if (tally.errors != 0)
    std::fprintf(stderr, "cairn bench: first error: %s\n", tally.first_error.c_str());
  if (!options.keep) {
    const std::uint64_t extra = what == Case::mixed ? options.objects + used : 0;
    phase(Case::remove, std::max({needs_objects ? options.objects : used, extra}));
  }
  return tally.errors == 0 ? 0 : 1;
}

}  // namespace

int bench(const std::vector<std::string>& arguments) {
  auto parsed = parse_bench_options(arguments);
  if (!parsed) {
    std::fprintf(stderr, "cairn bench: %s\n", parsed.error().message.c_str());
    return 2;
  }
  if (!parsed->help.empty()) {
    std::fputs(parsed->help.c_str(), stdout);
    return 0;
  }
  auto clock = io::system_clock();
  auto random = io::system_random();
  Run run;
  run.options = std::move(parsed->options);
  run.host_header = run.options.endpoint.host + ":" + std::to_string(run.options.endpoint.port);
  run.clock = clock.get();
  const std::uint64_t largest =
      std::max<std::uint64_t>({run.options.size, run.options.part_bytes, 1});
  run.noise.resize(std::min(largest, kMaxNoise) + kNoiseWindows);
  random->fill(run.noise);
  std::size_t threads = run.options.threads;
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  auto reactors = io::make_reactors(std::min(threads, run.options.concurrency));
  reactors->start();
  const int status = measure(*reactors, run);
  reactors->stop();
  return status;
}

}  // namespace cairn::cli
