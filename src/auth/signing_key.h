// Signing keys and signatures of Signature Version 4.
#pragma once

#include <string>
#include <string_view>

#include "crypto/digest.h"

namespace cairn::auth {

// The key for one day, region and service "s3", derived by four HMACs.
crypto::Sha256Digest derive_signing_key(std::string_view secret, std::string_view date,
                                        std::string_view region);
// The same from a small cache of this thread: no lock, bounded.
crypto::Sha256Digest cached_signing_key(std::string_view secret, std::string_view date,
                                        std::string_view region);
// Lower-case hex.
std::string signature_of(const crypto::Sha256Digest& signing_key, std::string_view string_to_sign);

}  // namespace cairn::auth
