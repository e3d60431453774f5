// Histories of operations on one key, and the check that they are linearizable (assertion 10 of the
// commit protocol).
//
// A key is a register that holds a value (a number; 0: absent). Operations that ended without an
// answer stay open: they may take effect at any later time, or never.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cairn::sim {

struct Operation {
  enum class Kind : std::uint8_t { put, put_if_absent, put_if_match, remove, read };
  enum class Outcome : std::uint8_t {
    open,
    done,
    refused
  };  // refused: the precondition did not hold
  Kind kind = Kind::read;
  std::uint32_t value = 0;     // written; of a read that is done: what was read
  std::uint32_t expected = 0;  // of put_if_match
  Outcome outcome = Outcome::open;
  std::uint64_t begin = 0, end = 0;  // virtual time; an open operation has no end
};

// Nothing if some order of the operations explains every answer and respects real time; else a
// description of the first answer that none explains.
std::optional<std::string> linearizable(std::vector<Operation> operations);

std::string describe(const Operation& operation);

}  // namespace cairn::sim
