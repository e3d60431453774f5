// Views of raw bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace cairn {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view s) { return std::as_bytes(std::span(s.data(), s.size())); }
inline std::string_view as_text(Bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

namespace io {
using cairn::as_bytes;
using cairn::as_text;
using cairn::Bytes;
using cairn::MutableBytes;
}  // namespace io

}  // namespace cairn
