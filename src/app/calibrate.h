// Yardsticks for `./dev bench`: what this machine does at best, measured in the same run as the
// server.
#pragma once

#include <string>
#include <vector>

namespace cairn::app {

// `cairn calibrate echo --listen HOST:PORT`: the server's HTTP code answering 4 KiB from memory,
// without authentication, until SIGTERM. `cairn calibrate machine --directory DIR`: MD5, memory
// copy, one synced 4-KiB write, sequential disk; one JSON object. Returns the exit status.
int calibrate(const std::vector<std::string>& arguments);

}  // namespace cairn::app
