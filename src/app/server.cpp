#include "app/server.h"

#include <cstdio>
#include <thread>

#include "app/credentials.h"
#include "app/node.h"
#include "app/options.h"
#include "app/services.h"
#include "app/signals.h"
#include "app/version.h"
#include "base/log.h"
#include "s3/service.h"
#include "server/server.h"

namespace cairn::app {
namespace {

int failed(const Error& error) {
  std::fprintf(stderr, "cairn server: %s\n", error.message.c_str());
  return 1;
}

std::string endpoint_of(const ServerSettings& settings, std::uint16_t port) {
  const bool any = settings.host == "0.0.0.0" || settings.host == "::";
  const std::string host = any ? "127.0.0.1"
                           : settings.host.find(':') != std::string::npos
                               ? "[" + settings.host + "]"
                               : settings.host;
  return "http://" + host + ":" + std::to_string(port);
}

void greet(const ServerSettings& settings, const RootCredentials& root,
           const std::string& endpoint) {
  std::fprintf(stderr, "\nCairn %s serves S3 at %s\n", kVersion, endpoint.c_str());
  std::fprintf(stderr, "Root keys: %s%s\n", root.source.c_str(),
               root.generated ? " (made just now; mode 0600)" : "");
  if (!settings.quick_start) return;
  const std::string aws = "aws --endpoint-url " + endpoint;
  if (root.source != "the environment")
    std::fprintf(stderr, "\nTry, in another terminal:\n  export AWS_SHARED_CREDENTIALS_FILE=%s\n",
                 root.source.c_str());
  else
    std::fprintf(stderr,
                 "\nTry, in another terminal with the keys as AWS_ACCESS_KEY_ID and "
                 "AWS_SECRET_ACCESS_KEY:\n");
  std::fprintf(
      stderr, "  %s s3 mb s3://first\n  %s s3 cp README.md s3://first/\n  %s s3 ls s3://first/\n\n",
      aws.c_str(), aws.c_str(), aws.c_str());
}

template <class F>
void blocking(io::Reactors& reactors, F make) {
  struct Run {
    static io::Task<bool> go(io::Task<void> task) {
      co_await std::move(task);
      co_return true;
    }
  };
  (void)io::block_on(reactors, Run::go(make()));
}

// Everything above the node, in the order of its dependencies; destroyed the other way round.
struct Front {
  Front(Node& node, Services& services, const ServerSettings& settings, const RootCredentials& root,
        io::Reactors& reactors, metrics::Registry& metrics)
      : credentials(auth::root_credentials(root.access_key, root.secret)),
        verifier(auth::make_verifier(*credentials, {settings.region})),
        policy(auth::root_only_policy()),
        s3(s3::make_service(
            {node.objects(), *verifier, *policy, node.clock(), node.random(), metrics},
            {settings.region, settings.domains})),
        admin(admin::make_service({services, *verifier, *policy, node.clock(), metrics},
                                  {settings.metrics_need_auth})),
        server(server::make_server({*s3, *admin, reactors, metrics, node.clock(), node.random()},
                                   options(settings))) {}

  static server::Options options(const ServerSettings& settings) {
    server::Options options;
    options.http.host = settings.host;
    options.http.port = settings.port;
    options.domains = settings.domains;
    options.max_requests = settings.max_requests;
    options.access_log = settings.access_log;
    return options;
  }

  std::unique_ptr<auth::Credentials> credentials;
  std::unique_ptr<auth::Verifier> verifier;
  std::unique_ptr<auth::Policy> policy;
  std::unique_ptr<s3::Service> s3;
  std::unique_ptr<admin::Service> admin;
  std::unique_ptr<server::Server> server;
};

int serve(const ServerSettings& settings, const RootCredentials& root, Signals& signals) {
  metrics::Registry metrics;
  const std::size_t threads =
      settings.threads != 0 ? settings.threads : std::max(1u, std::thread::hardware_concurrency());
  auto reactors = io::make_reactors(threads);
  reactors->start();
  auto node = Node::open(settings, *reactors, metrics);
  if (!node) {
    reactors->stop();
    return failed(node.error());
  }
  int status = 0;
  {
    Services services(**node, settings, metrics);
    Front front(**node, services, settings, root, *reactors, metrics);
    if (auto started = front.server->start(); !started) {
      status = failed(started.error());
    } else {
      services.start(*reactors);
      greet(settings, root, endpoint_of(settings, front.server->port()));
      const int signal = signals.wait();
      log::info("stopping: requests in progress finish", {{"signal", signal}});
      blocking(*reactors,
               [&] { return front.server->drain(std::chrono::seconds(settings.drain_seconds)); });
      services.stop(*reactors);
    }
  }
  (*node)->stop();
  node->reset();
  reactors->stop();
  if (status == 0) log::info("stopped");
  return status;
}

}  // namespace

int server(const std::vector<std::string>& arguments) {
  auto parsed = parse_server_options(arguments);
  if (!parsed) {
    std::fprintf(stderr, "cairn server: %s\n", parsed.error().message.c_str());
    return 2;
  }
  const std::optional<ServerSettings>& asked = parsed->settings;
  if (!asked) {
    std::fputs(parsed->help.c_str(), stdout);
    return 0;
  }
  const ServerSettings& settings = *asked;
  Signals signals;
  log::configure(settings.log);
  auto random = io::system_random();
  auto root = root_credentials(settings.root_user, settings.root_password,
                               settings.credentials_file, *random);
  if (!root) return failed(root.error());
  if (settings.unsafe_no_sync)
    log::warn(
        "--unsafe-no-sync: writes are acknowledged before they are durable; a power cut loses "
        "them");
  if (settings.testing.chunk_bytes != 0 || !settings.testing.slow_drive.empty())
    log::warn("--testing-...: this server is made slow or odd on purpose, for a test");
  return serve(settings, *root, signals);
}

}  // namespace cairn::app
