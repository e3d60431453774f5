// Every way this machine can hash in lanes, for tests and measurements.
#pragma once

#include <span>
#include <vector>

#include "crypto/md5_engines.h"
#include "crypto/md5_lanes.h"

namespace cairn::crypto::detail {

// Those that this machine runs; the first has one lane, the last is what md5_update() takes.
const std::vector<const Md5Engine*>& md5_engines();
// md5_update() on a given one. REQUIRES: it is among md5_engines().
void md5_update_with(const Md5Engine& engine, std::span<const Md5Piece> pieces);

}  // namespace cairn::crypto::detail
