// `cairn server`: makes the objects, wires them, runs until SIGTERM or SIGINT, drains.
#pragma once

#include <string>
#include <vector>

namespace cairn::app {

// Exit status: 0 after a clean drain, 1 when it could not start (why is on standard error), 2 wrong
// usage.
int server(const std::vector<std::string>& arguments);

}  // namespace cairn::app
