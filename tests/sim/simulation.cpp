#include "sim/simulation.h"

#include "sim/client.h"

namespace cairn::sim {
namespace {

constexpr std::uint64_t kMostSteps = 6'000'000;

io::Task<void> script(World* world, Workload* load, bool* finished) {
  co_await world->begin();
  const unsigned clients = 2 + static_cast<unsigned>(world->dice.below(3));
  const unsigned operations = 10 + static_cast<unsigned>(world->dice.below(25));
  const unsigned others = world->busy;  // caretakers, some of which come and go with leaders
  static_cast<void>(others);
  ++world->busy;
  io::spawn(world->executor, world->storm());
  struct Client {
    static io::Task<void> run(Workload* work, unsigned count, unsigned* left) {
      co_await work->client(count);
      --*left;
    }
  };
  unsigned left = clients;
  world->busy += clients;
  for (unsigned i = 0; i < clients; ++i)
    io::spawn(world->executor, Client::run(load, operations, &left));
  while (left > 0) co_await io::sleep_for(std::chrono::milliseconds(50));
  const bool calm = co_await world->calm();
  if (calm && !world->failure) co_await load->finish();
  co_await world->end();
  *finished = true;
}

class Hash {
 public:
  void add(std::uint64_t v) {
    for (int i = 0; i < 8; ++i) value_ = (value_ ^ (v >> (8 * i) & 255)) * 1099511628211ull;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 14695981039346656037ull;
};

}  // namespace

Report simulate(const Setup& setup) {
  auto world = std::make_unique<World>(setup);
  auto load = std::make_unique<Workload>(*world);
  bool finished = false;
  io::spawn(world->executor, script(world.get(), load.get(), &finished));
  const bool ended = world->executor.run_until(
      [&] { return finished || world->failure || world->executor.steps() > kMostSteps; });
  if (!finished && !world->failure) {
    world->fail(ended ? "the run does not come to an end: something waits for ever"
                      : "nothing is left to run");
  }
  Report report;
  report.failure = world->failure;
  report.steps = world->executor.steps();
  report.answered = load->answered();
  report.recovery = world->recovery;
  report.longest = load->longest();
  report.copies_refused = world->copies_refused;
  Hash hash;
  hash.add(report.steps);
  for (const Key& key : load->keys()) {
    for (const auto& o : key.history) {
      hash.add(static_cast<std::uint64_t>(o.kind) << 32 | static_cast<std::uint64_t>(o.outcome));
      hash.add(o.value);
      hash.add(o.begin);
      hash.add(o.end);
    }
  }
  report.hash = hash.value();
  if (!finished) {
    // Coroutines are suspended in the middle of things: their world is left to the end of the
    // process.
    static_cast<void>(load.release());
    static_cast<void>(world.release());
    return report;
  }
  world->executor.run_until_idle();
  return report;
}

}  // namespace cairn::sim
