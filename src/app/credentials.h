// The root identity's keys: from the environment, from a file, or made at the first start.
#pragma once

#include <string>

#include "base/error.h"
#include "io/world.h"

namespace cairn::app {

struct RootCredentials {
  std::string access_key{};
  std::string secret{};
  std::string source{};    // for people: "the environment", or the file
  bool generated = false;  // made just now
};

// `user`, `password`: as configured; both or neither. Without them `file` is read, or written (mode
// 0600, synced) with random keys. The file has the form of an AWS shared credentials file, so that
// clients can be pointed at it. Errors are sentences that say what to do. Secrets appear in no
// error.
Result<RootCredentials> root_credentials(const std::string& user, const std::string& password,
                                         const std::string& file, io::Random& random);

}  // namespace cairn::app
