// The CRCs of S3, as functions. A checksum is chained: crc(data, previous), from 0. Thread-safe.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace cairn::crypto {

std::uint32_t crc32(Bytes data, std::uint32_t previous = 0);      // of gzip, polynomial 0x04C11DB7
std::uint32_t crc32c(Bytes data, std::uint32_t previous = 0);     // Castagnoli, 0x1EDC6F41
std::uint64_t crc64nvme(Bytes data, std::uint64_t previous = 0);  // 0xAD93D23594C93659
// The ways in which this machine can work it out, the fastest last: for tests and measurements.
struct Crc64Engine {
  const char* name;
  std::uint64_t (*crc)(Bytes data, std::uint64_t previous);
};
std::span<const Crc64Engine> crc64nvme_engines();

// The checksum of A followed by B from those of A and of B.
std::uint32_t combine_crc32(std::uint32_t a, std::uint32_t b, std::uint64_t length_b);
std::uint32_t combine_crc32c(std::uint32_t a, std::uint32_t b, std::uint64_t length_b);
std::uint64_t combine_crc64nvme(std::uint64_t a, std::uint64_t b, std::uint64_t length_b);

}  // namespace cairn::crypto
