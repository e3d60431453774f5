// Assertions stay on in release builds: a broken invariant ends the process before it can spread to disk.
#pragma once

namespace cairn {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define CAIRN_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::cairn::assertion_failed(#expression, __FILE__, __LINE__))
