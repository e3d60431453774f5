// Byte buffers and streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "io/task.h"

namespace cairn::io {

// A piece of immutable memory kept alive by its owner (a pool block, a string, a mapped table).
// Cheap to copy.
struct Slice {
  std::shared_ptr<const void> owner;
  Bytes bytes;
  static Slice of(std::string text) {
    auto s = std::make_shared<const std::string>(std::move(text));
    const Bytes b = as_bytes(*s);
    return Slice{std::move(s), b};
  }
};
using Slices = std::vector<Slice>;
std::size_t size_of(const Slices& slices);
// All of them as one: itself if it is one, else a copy.
Slice joined(const Slices& slices);

// A body flowing in: read() fills the front of `into` with at least one byte, or returns 0 at the
// proven end. An error (peer gone, digest wrong, ...) means that the body must not be used. One
// read at a time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual Task<Result<std::size_t>> read(MutableBytes into) = 0;
};

// A body flowing out: next() returns the next pieces, or an empty vector at the end. One call at a
// time.
class SliceSource {
 public:
  virtual ~SliceSource() = default;
  virtual Task<Result<Slices>> next() = 0;
};

}  // namespace cairn::io
