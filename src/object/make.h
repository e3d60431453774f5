// Opens the object layer over a store and a control store.
#pragma once

#include <memory>

#include "control/control.h"
#include "io/memory.h"
#include "io/world.h"
#include "object/object.h"
#include "store/store.h"

namespace cairn::object {

struct Options {
  std::size_t max_buckets = 10'000;
  std::uint64_t min_part_bytes = kMinPartBytes;  // smaller only in tests
};
// Loads the buckets and watches them.
io::Task<Result<std::unique_ptr<Objects>>> open_objects(store::Store& store,
                                                        control::Store& control, io::Clock& clock,
                                                        io::Random& random,
                                                        io::MemoryBudget& memory, Options options);

}  // namespace cairn::object
