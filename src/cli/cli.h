// Commands of an operator: they talk to a server over HTTP, or look at a drive that no server
// holds.
#pragma once

#include <string>
#include <vector>

namespace cairn::cli {

// `arguments` follow the command's name. Return the process's exit status: 0, 1 (it failed), 2
// (wrong usage).
int bench(const std::vector<std::string>& arguments);
int admin(const std::vector<std::string>& arguments);

}  // namespace cairn::cli
