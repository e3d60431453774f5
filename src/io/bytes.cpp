#include "io/bytes.h"

namespace cairn::io {

std::size_t size_of(const Slices& slices) {
  std::size_t out = 0;
  for (const Slice& slice : slices) out += slice.bytes.size();
  return out;
}

Slice joined(const Slices& slices) {
  if (slices.size() == 1) return slices.front();
  std::string out;
  out.reserve(size_of(slices));
  for (const Slice& slice : slices) out += as_text(slice.bytes);
  return Slice::of(std::move(out));
}

}  // namespace cairn::io
