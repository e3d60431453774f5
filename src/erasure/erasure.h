// Reed-Solomon over GF(2^8) (ISA-L): k data pieces <-> m parity pieces of equal length. Pure.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "model/profile.h"

namespace cairn::erasure {

// The code of one profile; immutable and thread-safe. The matrix (Cauchy) is part of the format on disk and never
// changes (docs/format/blob.md).
class Code {
 public:
  // Shared and cached per profile.
  static std::shared_ptr<const Code> of(model::ErasureProfile profile);
  virtual ~Code() = default;
  virtual model::ErasureProfile profile() const = 0;

  // data: k pointers, parity: m pointers, each to `length` bytes.
  virtual void encode(std::span<const std::byte* const> data, std::span<std::byte* const> parity,
                      std::size_t length) const = 0;

  // Rebuilds pieces. present: pairs (index 0..k+m-1, pointer), at least k of them, distinct; wanted: pairs (index,
  // pointer to `length` bytes to fill), none of them among the first k present ones. invalid_argument otherwise.
  struct Have { unsigned index; const std::byte* bytes; };
  struct Want { unsigned index; std::byte* bytes; };
  virtual Result<void> reconstruct(std::span<const Have> present, std::span<const Want> wanted,
                                   std::size_t length) const = 0;
};

}  // namespace cairn::erasure
