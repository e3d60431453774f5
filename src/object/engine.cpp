#include "object/engine.h"

namespace cairn::object {

Engine::Engine(store::Store& store, control::Store& control, io::Clock& clock, io::Random& random,
               Options options)
    : store_(store),
      clock_(clock),
      random_(random),
      options_(options),
      buckets_(store, control, clock, random, {.max_buckets = options.max_buckets}) {}

io::Task<Result<std::unique_ptr<Objects>>> open_objects(store::Store& store,
                                                        control::Store& control, io::Clock& clock,
                                                        io::Random& random, io::MemoryBudget&,
                                                        Options options) {
  auto engine = std::make_unique<Engine>(store, control, clock, random, options);
  CAIRN_CO_TRY(co_await engine->open());
  co_return std::unique_ptr<Objects>(std::move(engine));
}

}  // namespace cairn::object
