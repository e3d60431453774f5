// A drive that answers late: how the tests make a slow one of a real one (--testing-slow-drive,
// CONTRIBUTING.md). Nothing else wires it.
#pragma once

#include <memory>

#include "drive/drive.h"
#include "io/executor.h"
#include "io/world.h"

namespace cairn::app {

// Every call takes up to a twentieth of `delay` longer than the drive itself, one in twenty takes
// all of it. Nothing is lost, changed or refused; calls that were made one after the other by
// different callers may arrive the other way round. close() and retire() are not delayed. `random`
// outlives the drive. Threads and durability: those of `inner`.
std::shared_ptr<drive::Drive> make_slow_drive(std::shared_ptr<drive::Drive> inner,
                                              io::Duration delay, io::Random& random);

}  // namespace cairn::app
