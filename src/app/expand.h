// Drive arguments: "{1...4}" stands for 1, 2, 3, 4 (as in "/mnt/disk{1...4}"); several groups
// multiply; leading zeros of the first number give the width ("{01...12}").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::app {

// At most 1,024 results; invalid_argument names what is wrong.
Result<std::vector<std::string>> expand(std::string_view pattern);

}  // namespace cairn::app
