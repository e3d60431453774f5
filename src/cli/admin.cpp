// `cairn admin`: what the administration API of a running server answers, for people or as JSON.
#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <thread>

#include "auth/auth.h"
#include "cli/bench_options.h"
#include "cli/cli.h"
#include "io/reactor.h"
#include "io/world.h"
#include "net/http.h"

namespace cairn::cli {
namespace {

namespace json = boost::json;

struct Target {
  Endpoint endpoint{};
  std::string region = "us-east-1", access_key{}, secret{};
};

io::Task<Result<net::ClientResponse>> call(Target target, std::string method, std::string path,
                                           std::string query, std::int64_t now_ms) {
  const std::string host = target.endpoint.host + ":" + std::to_string(target.endpoint.port);
  auth::SignRequest sign;
  sign.method = method;
  sign.path = path;
  sign.query = query;
  sign.headers = {{"host", host}};
  sign.access_key = target.access_key;
  sign.secret = target.secret;
  sign.region = target.region;
  sign.now_ms = now_ms;
  if (!query.empty()) path += "?" + query;
  std::string head = method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n";
  for (const auto& [name, value] : auth::sign(sign)) head += name + ": " + value + "\r\n";
  if (method != "GET") head += "Content-Length: 0\r\n";
  head += "\r\n";
  CAIRN_CO_ASSIGN(auto client, co_await net::connect(target.endpoint.host, target.endpoint.port,
                                                     std::chrono::seconds(10)));
  co_return co_await client->request(std::move(head), {}, false, true);
}

class Admin {
 public:
  explicit Admin(Target target) : target_(std::move(target)), reactors_(io::make_reactors(1)) {
    reactors_->start();
  }
  ~Admin() { reactors_->stop(); }

  // The answer's body; on failure a sentence.
  Result<std::string> ask(const std::string& method, const std::string& path,
                          const std::string& query = "") {
    CAIRN_ASSIGN(auto response,
                 io::block_on(*reactors_, call(target_, method, path, query, clock_->unix_ms())));
    if (response.status / 100 != 2)
      return Error{Code::invalid_request,
                   "the server answered " + std::to_string(response.status) + ": " + response.body};
    return std::move(response.body);
  }
  Result<json::object> status() {
    CAIRN_ASSIGN(const std::string body, ask("GET", "/_cairn/admin/v1/status"));
    std::error_code error;
    const json::value value = json::parse(body, error);
    if (error || !value.is_object())
      return Error{Code::corrupt, "the server's answer is no JSON object"};
    return value.get_object();
  }

 private:
  Target target_;
  std::unique_ptr<io::Clock> clock_ = io::system_clock();
  std::unique_ptr<io::Reactors> reactors_;
};

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return "-";
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

double number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0.0;
}

void print_status(const json::object& status) {
  std::printf("Cairn %s, cluster %s, erasure %s\n\n", text_of(status, "version").c_str(),
              text_of(status, "cluster_id").c_str(), text_of(status, "erasure").c_str());
  std::printf("%-40s %-11s %10s %10s %11s %8s\n", "drive", "state", "size GiB", "free GiB",
              "rebuilding", "repairs");
  if (const json::value* drives = status.if_contains("drives");
      drives != nullptr && drives->is_array()) {
    for (const auto& entry : drives->get_array()) {
      if (!entry.is_object()) continue;
      const json::object& drive = entry.get_object();
      std::printf("%-40s %-11s %10.1f %10.1f %11.0f %8.0f\n", text_of(drive, "path").c_str(),
                  text_of(drive, "state").c_str(), number_of(drive, "total_bytes") / (1 << 30),
                  number_of(drive, "available_bytes") / (1 << 30),
                  number_of(drive, "partitions_rebuilding"), number_of(drive, "repair_entries"));
      const std::string state = text_of(drive, "state");
      if (state == "missing" || state == "failed")
        std::printf("    drive %s\n", text_of(drive, "id").c_str());
      const std::string reason = text_of(drive, "reason");
      if (!reason.empty() && reason != "-") std::printf("    %s\n", reason.c_str());
    }
  }
  for (const char* part : {"heal", "scrub"}) {
    if (const json::value* value = status.if_contains(part))
      std::printf("\n%s: %s\n", part, json::serialize(*value).c_str());
  }
}

int fail(const Error& error) {
  std::fprintf(stderr, "cairn admin: %s\n", error.message.c_str());
  return 1;
}

int show_status(Admin& admin, bool as_json) {
  auto status = admin.status();
  if (!status) return fail(status.error());
  if (as_json)
    std::printf("%s\n", json::serialize(*status).c_str());
  else
    print_status(*status);
  return 0;
}

Result<json::object> find_drive(Admin& admin, const std::string& name) {
  CAIRN_ASSIGN(const json::object status, admin.status());
  const json::value* drives = status.if_contains("drives");
  if (drives == nullptr || !drives->is_array())
    return Error{Code::corrupt, "the server says nothing of its drives"};
  for (const auto& entry : drives->get_array()) {
    if (!entry.is_object()) continue;
    const json::object& drive = entry.get_object();
    if (text_of(drive, "id") == name || text_of(drive, "path") == name) return drive;
  }
  return Error{Code::not_found,
               "no drive of the server has this id or path; 'cairn admin status' shows them"};
}

constexpr const char* kRetireMeans =
    R"(Drive %s
at %s is given up for good:

- What only this drive acknowledged is lost: nothing, if it was lost last. But if it went on after
  a drive that is left was away, what was written meanwhile is gone, and the past is served.
- The empty directory at this path takes its place and is filled from the drives that are left.
- If the drive comes back it is not used any more; its directory has to be emptied first.

Bring the drive back instead if you can.
)";

// Explains, and gives a lost drive up if `yes`.
int retire(Admin& admin, const std::string& name, bool yes) {
  auto drive = find_drive(admin, name);
  if (!drive) return fail(drive.error());
  const std::string id = text_of(*drive, "id"), path = text_of(*drive, "path"),
                    state = text_of(*drive, "state");
  if (state != "missing" && state != "failed") {
    std::fprintf(stderr, "cairn admin: drive %s at %s is %s: it is not lost\n", id.c_str(),
                 path.c_str(), state.c_str());
    return 1;
  }
  if (!yes) {
    std::printf(kRetireMeans, id.c_str(), path.c_str());
    std::printf(
        "\nNothing was done. Put an empty directory at %s\n(a new drive, mounted), then: cairn "
        "admin retire %s --yes\n",
        path.c_str(), id.c_str());
    return 2;
  }
  auto answer = admin.ask("POST", "/_cairn/admin/v1/drives/retire", "drive=" + id);
  if (!answer) return fail(answer.error());
  std::error_code error;
  const json::value value = json::parse(*answer, error);
  const json::object none, &retired = !error && value.is_object() ? value.get_object() : none;
  std::printf(
      "drive %s is given up; drive %s at %s takes its place and is being filled.\n'cairn admin "
      "status' shows how far it is.\n",
      id.c_str(), text_of(retired, "replacement").c_str(), path.c_str());
  return 0;
}

// Starts a pass and, if asked, waits until one that began afterwards has ended.
int scrub(Admin& admin, bool wait) {
  const auto state = [&]() -> Result<json::object> {
    CAIRN_ASSIGN(const json::object status, admin.status());
    const json::value* scrub = status.if_contains("scrub");
    if (scrub == nullptr || !scrub->is_object())
      return Error{Code::corrupt, "the server says nothing of its scrub"};
    return scrub->get_object();
  };
  auto before = state();
  if (!before) return fail(before.error());
  if (auto started = admin.ask("POST", "/_cairn/admin/v1/scrub/start"); !started)
    return fail(started.error());
  if (!wait) {
    std::puts("the scrub has started; 'cairn admin status' shows how far it is");
    return 0;
  }
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    auto now = state();
    if (!now) return fail(now.error());
    if (number_of(*now, "finished_ms") > number_of(*before, "finished_ms")) {
      std::printf(
          "scrub: %.0f units, %.0f bytes, %.0f damaged shards found, %.0f units not whole, %.0f "
          "errors\n",
          number_of(*now, "units"), number_of(*now, "bytes"), number_of(*now, "damaged_shards"),
          number_of(*now, "not_whole"), number_of(*now, "errors"));
      return number_of(*now, "not_whole") + number_of(*now, "errors") == 0 ? 0 : 1;
    }
  }
}

}  // namespace

int admin(const std::vector<std::string>& arguments) {
  CLI::App app{
      "Looks after a running server. Signs with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.\n",
      "cairn admin"};
  app.require_subcommand(1);
  app.fallthrough();
  std::string endpoint = "http://127.0.0.1:9000";
  Target target;
  app.add_option("--endpoint", endpoint, "server")
      ->envname("CAIRN_ENDPOINT")
      ->capture_default_str();
  app.add_option("--region", target.region, "region to sign for")
      ->envname("AWS_REGION")
      ->capture_default_str();
  app.add_option("--access-key", target.access_key, "access key")->envname("AWS_ACCESS_KEY_ID");
  app.add_option("--secret-key", target.secret, "secret key; better given by the environment")
      ->envname("AWS_SECRET_ACCESS_KEY");
  bool as_json = false, wait = false;
  auto* status_command = app.add_subcommand("status", "drives, repair, scrub");
  status_command->add_flag("--json", as_json, "as JSON");
  auto* scrub_command = app.add_subcommand("scrub", "read and verify everything now");
  scrub_command->add_flag("--wait", wait,
                          "until it has ended; exit status 1 if something is not whole");
  app.add_subcommand("heal", "look at drives and the repair queue now");
  std::string lost;
  bool yes = false;
  auto* retire_command =
      app.add_subcommand("retire",
                         "give up a drive that is lost for good, without which the others cannot "
                         "write: tells what that means; with --yes the empty directory in its "
                         "place is filled");
  retire_command->add_option("DRIVE", lost, "id or path, as 'status' shows it")->required();
  retire_command->add_flag("--yes", yes, "do it: what only that drive acknowledged is lost");
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  auto parsed = parse_endpoint(endpoint);
  if (!parsed) {
    std::fprintf(stderr, "cairn admin: %s\n", parsed.error().message.c_str());
    return 2;
  }
  target.endpoint = std::move(*parsed);
  if (target.access_key.empty() || target.secret.empty()) {
    std::fprintf(stderr, "cairn admin: no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n");
    return 2;
  }
  Admin admin(std::move(target));
  if (status_command->parsed()) return show_status(admin, as_json);
  if (scrub_command->parsed()) return scrub(admin, wait);
  if (retire_command->parsed()) return retire(admin, lost, yes);
  auto started = admin.ask("POST", "/_cairn/admin/v1/heal/start");
  if (!started) return fail(started.error());
  std::puts("looking at drives and the repair queue");
  return 0;
}

}  // namespace cairn::cli
