#pragma once

namespace cairn::app {
inline constexpr const char* kVersion = "0.1.0";
}
